// SPDX-License-Identifier: GPL-2.0-only
/*
 * What would undo the enforcement, or reach into what is enforced
 *
 * Copyright The dstack for Linux authors
 *
 * A container must not do it in ENFORCE, nobody in LOCKED.  What the kernel's
 * own lockdown forbids (raw memory, probes, tracing, unsigned modules) is not
 * here: LOCKED is refused without it.
 *
 * Most hooks behind this cannot sleep, so that events are written later.
 */
#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/capability.h>
#include <uapi/linux/bpf.h>
#include <linux/cleanup.h>
#include <linux/compat.h>
#include <linux/kernel.h>
#include <linux/kernel_read_file.h>
#include <linux/llist.h>
#include <linux/log2.h>
#include <linux/prctl.h>
#include <linux/ptrace.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/security.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <asm/syscall.h>

#include "draft.h"
#include "event.h"
#include "identity.h"
#include "measure.h"
#include "policy.h"
#include "tamper.h"
#include "words.h"

/**
 * struct note - an attempt that is to become an event
 * @node: in notes
 * @container: who made it; a reference
 * @what: was tried
 * @count: how often by then
 * @denied: or allowed
 */
struct note {
	struct llist_node node;
	struct dstack_container *container;
	enum dstack_tamper what;
	u64 count;
	bool denied;
};

static LLIST_HEAD(notes);

static void record(const struct note *note)
{
	struct dstack_draft *draft __free(dstack_draft) = dstack_draft_get();
	struct dstack_event *ev;

	if (!draft)
		return;
	ev = &draft->ev;
	dstack_event_begin(ev, DSTACK_EVENT_TAMPER);
	dstack_event_str(ev, "id", note->container->id);
	dstack_event_str(ev, "what", dstack_tamper_name(note->what));
	dstack_event_str(ev, "verdict", note->denied ? "denied" : "allowed");
	dstack_event_u64(ev, "count", note->count);
	dstack_measure(ev, NULL);	/* the next power of two says it too */
}

static void record_notes(struct work_struct *work)
{
	struct note *note, *next;

	llist_for_each_entry_safe(note, next,
				  llist_reverse_order(llist_del_all(&notes)),
				  node) {
		record(note);
		dstack_identity_put(note->container);
		kfree(note);
	}
}

static DECLARE_WORK(recording, record_notes);

/* Under RCU, which keeps @container until there is a reference. */
static void note_down(struct dstack_container *container,
		      enum dstack_tamper what, u64 count, bool denied)
{
	struct note *note = kmalloc_obj(*note, GFP_ATOMIC);

	if (!note)
		return;
	*note = (struct note){
		.container = container, .what = what, .count = count,
		.denied = denied,
	};
	if (!dstack_identity_get(container)) {
		kfree(note);
		return;
	}
	llist_add(&note->node, &notes);
	schedule_work(&recording);
}

/**
 * dstack_tamper_exit() - write down what was noted; no hook is attached
 */
void dstack_tamper_exit(void)
{
	flush_work(&recording);
}

/* Count it against the caller, and deny it but in MEASURE. */
static int attempt(enum dstack_tamper what, enum dstack_state state)
{
	bool denied = state != DSTACK_STATE_MEASURE;
	struct dstack_container *container;
	u64 count;

	guard(rcu)();
	container = dstack_identity_peek(current) ?: dstack_identity_host();
	count = atomic64_inc_return(&container->tampers[what]);
	/* At 1, 2, 4, 8, ...: many attempts make few records. */
	if (is_power_of_2(count))
		note_down(container, what, count, denied);
	if (!denied)
		return 0;
	pr_notice_ratelimited("'%s' in %s denied: %s\n", current->comm,
			      container->id, dstack_tamper_name(what));
	return -EPERM;
}

/* Whoever is judged: containers, and in LOCKED the host as well. */
static int forbid(enum dstack_tamper what, struct task_struct *task)
{
	enum dstack_state state = dstack_policy_state();

	if (state == DSTACK_STATE_OFF ||
	    (state != DSTACK_STATE_LOCKED && !dstack_identity_has(task)))
		return 0;
	return attempt(what, state);
}

/**
 * dstack_tamper_trace() - a process is about to be traced, or its memory opened
 * @tracee: the process
 *
 * Whoever writes to its memory runs in it what nobody approved.
 *
 * Context: any; the tracee may be locked.
 * Return: 0, or -EPERM if the tracee is in a container or the state LOCKED.
 */
int dstack_tamper_trace(struct task_struct *tracee)
{
	return forbid(DSTACK_TAMPER_TRACE, tracee);
}

/**
 * dstack_tamper_memory() - the caller opens /proc/PID/mem for writing
 *
 * Of another process that is traced; of itself nobody else asks.  Such writes
 * reach pages that are mapped read-only, programs among them.
 *
 * Return: 0 or -EPERM.
 */
int dstack_tamper_memory(void)
{
	return forbid(DSTACK_TAMPER_MEMORY, current);
}

/**
 * dstack_tamper_prctl() - the caller changes what it is taken for
 * @option: of prctl(2); of PR_SET_MM only what changes the executable
 *
 * A quote that is bound to the caller, and in LOCKED the control plane, tell
 * programs by the file that was executed.
 *
 * Return: 0 or -EPERM.
 */
int dstack_tamper_prctl(u32 option)
{
	return option == PR_SET_MM ? forbid(DSTACK_TAMPER_PROGRAM, current) : 0;
}

/**
 * dstack_tamper_read_file() - the kernel reads a file to make it its own
 * @id: enum kernel_read_file_id
 *
 * Return: 0; -EPERM for a kernel to boot.
 */
int dstack_tamper_read_file(u32 id)
{
	switch (id) {
	case READING_KEXEC_IMAGE:
	case READING_KEXEC_INITRAMFS:
		return forbid(DSTACK_TAMPER_KEXEC, current);
	}
	return 0;
}

/**
 * dstack_tamper_load_data() - the kernel takes memory to make it its own
 * @id: enum kernel_load_data_id
 *
 * There is no file whose digest could be approved.
 *
 * Return: 0; -EPERM for a kernel to boot, a module or firmware.
 */
int dstack_tamper_load_data(u32 id)
{
	switch (id) {
	case LOADING_KEXEC_IMAGE:
	case LOADING_KEXEC_INITRAMFS:
		return forbid(DSTACK_TAMPER_KEXEC, current);
	case LOADING_MODULE:
	case LOADING_FIRMWARE:
		return forbid(DSTACK_TAMPER_MODULE, current);
	}
	return 0;
}

/*
 * No hook sees a module go, and a forced unload minds no reference.  But the
 * capability for it is asked for.  Loading needs it too, and other hooks look
 * at what is loaded.  Compat calls have other numbers.
 */
static bool is_loading(void)
{
	int nr = syscall_get_nr(current, current_pt_regs());

	return !in_compat_syscall() &&
		(nr == __NR_finit_module || nr == __NR_init_module);
}

/**
 * dstack_tamper_capable() - the caller uses a capability
 * @cap: which
 *
 * Return: 0; -EPERM for CAP_SYS_MODULE unless it is to load a module.
 */
int dstack_tamper_capable(u32 cap)
{
	if (cap != CAP_SYS_MODULE || is_loading())
		return 0;
	return forbid(DSTACK_TAMPER_UNLOAD, current);
}

/* What a network, a cgroup or a runtime needs, and cannot change a verdict. */
#define HARMLESS_PROGS \
	(BIT(BPF_PROG_TYPE_SOCKET_FILTER) | BIT(BPF_PROG_TYPE_SCHED_CLS) | \
	 BIT(BPF_PROG_TYPE_SCHED_ACT) | BIT(BPF_PROG_TYPE_XDP) | \
	 BIT(BPF_PROG_TYPE_CGROUP_SKB) | BIT(BPF_PROG_TYPE_CGROUP_SOCK) | \
	 BIT(BPF_PROG_TYPE_LWT_IN) | BIT(BPF_PROG_TYPE_LWT_OUT) | \
	 BIT(BPF_PROG_TYPE_LWT_XMIT) | BIT(BPF_PROG_TYPE_LWT_SEG6LOCAL) | \
	 BIT(BPF_PROG_TYPE_SOCK_OPS) | BIT(BPF_PROG_TYPE_SK_SKB) | \
	 BIT(BPF_PROG_TYPE_SK_MSG) | BIT(BPF_PROG_TYPE_SK_REUSEPORT) | \
	 BIT(BPF_PROG_TYPE_SK_LOOKUP) | BIT(BPF_PROG_TYPE_FLOW_DISSECTOR) | \
	 BIT(BPF_PROG_TYPE_CGROUP_DEVICE) | BIT(BPF_PROG_TYPE_CGROUP_SYSCTL) | \
	 BIT(BPF_PROG_TYPE_CGROUP_SOCKOPT) | \
	 BIT(BPF_PROG_TYPE_CGROUP_SOCK_ADDR))

/**
 * dstack_tamper_bpf_prog() - the caller is about to get a BPF program
 * @type: enum bpf_prog_type
 *
 * Whether it was just loaded, pinned somewhere, or found by its id.
 *
 * Return: 0; -EPERM for types that see or steer the kernel itself.
 */
int dstack_tamper_bpf_prog(u32 type)
{
	if (type < BITS_PER_LONG && BIT(type) & HARMLESS_PROGS)
		return 0;
	return forbid(DSTACK_TAMPER_BPF, current);
}

/**
 * dstack_tamper_bpf() - the caller is about to use bpf(2)
 * @cmd: enum bpf_cmd
 *
 * A program that was loaded before LOCKED must not be attached in it, nor a
 * link of the module's be reached.
 *
 * Return: 0; -EPERM for commands that attach without a cgroup, or take a link.
 */
int dstack_tamper_bpf(u32 cmd)
{
	switch (cmd) {
	case BPF_RAW_TRACEPOINT_OPEN:
	case BPF_LINK_CREATE:
	case BPF_LINK_UPDATE:
	case BPF_LINK_GET_FD_BY_ID:
	case BPF_LINK_DETACH:
	case BPF_ITER_CREATE:
	case BPF_TOKEN_CREATE:
		return forbid(DSTACK_TAMPER_BPF, current);
	}
	return 0;
}

/**
 * dstack_tamper_disk() - the caller opens a disk in use, or what changes one
 *
 * Files change with it that nobody opens, and no hook sees that.
 *
 * Return: 0 or -EPERM.
 */
int dstack_tamper_disk(void)
{
	return forbid(DSTACK_TAMPER_DISK, current);
}

/**
 * dstack_tamper_mount() - the caller mounts a disk that does not check itself
 *
 * Who can mount a disk can have it otherwise, as a loop device for instance,
 * and change it below the file system.
 *
 * Return: 0 or -EPERM.
 */
int dstack_tamper_mount(void)
{
	return forbid(DSTACK_TAMPER_MOUNT, current);
}
