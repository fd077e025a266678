// SPDX-License-Identifier: GPL-2.0-only
/*
 * May this file run, here and now: the only decision
 *
 * Copyright The dstack for Linux authors
 *
 * identity -> storage -> writers -> digest -> policy -> measure -> verdict
 *
 * Only dstack_vet_settle() changes anything.  What cannot be decided is denied
 * in ENFORCE; what cannot be recorded is denied in every state but OFF, because
 * a container that runs unrecorded is what this module must prevent.
 */
#include <linux/atomic.h>
#include <linux/binfmts.h>
#include <linux/cleanup.h>
#include <linux/cred.h>
#include <linux/dcache.h>
#include <linux/elf.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/mm_types.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/string.h>

#include "digest.h"
#include "draft.h"
#include "event.h"
#include "follow.h"
#include "identity.h"
#include "key.h"
#include "measure.h"
#include "policy.h"
#include "quota.h"
#include "seen.h"
#include "storage.h"
#include "trace/trace.h"
#include "vet.h"
#include "words.h"

static atomic64_t allowed, denied;

/*
 * The file's digest, or why there is none.  At a peek, which does not sleep,
 * there is none of a file that would have to be read.
 */
static __always_inline enum dstack_reason
identify(struct file *file, bool peek, struct dstack_verdict *verdict)
{
	int err;

	verdict->storage = dstack_storage_class(file);
	switch (verdict->storage) {
	case DSTACK_STORAGE_UNTRUSTED:
	case DSTACK_STORAGE_PSEUDO:
		return DSTACK_REASON_STORAGE;
	case DSTACK_STORAGE_MEMFD_OPEN:
		return DSTACK_REASON_UNSEALED;
	default:
		break;
	}
	err = peek ? dstack_digest_peek(file, &verdict->digest) :
		     dstack_digest_file(file, &verdict->digest);
	if (err == -ETXTBSY)
		return DSTACK_REASON_WRITER;
	if (err == -EAGAIN && peek)
		return DSTACK_REASON_UNSEEN;
	if (err) {
		verdict->err = err;
		return DSTACK_REASON_INTERNAL;
	}
	return DSTACK_REASON_APPROVED;
}

/* Two callers, of which one is on the way of every exec and mapping. */
static __always_inline
enum dstack_reason judge(struct file *file, enum dstack_kind kind,
			 const struct dstack_container *container, bool peek,
			 struct dstack_verdict *verdict)
{
	struct dstack_policy_answer answer;
	enum dstack_reason reason;

	reason = identify(file, peek, verdict);
	dstack_policy_ask(container->section, kind, verdict->storage,
			  &verdict->digest, &answer);
	verdict->epoch = answer.epoch;
	verdict->mode = answer.mode;
	verdict->memory = answer.memory;
	if (reason != DSTACK_REASON_APPROVED)
		return reason;
	verdict->kinds = answer.kinds;
	if (answer.reason != DSTACK_REASON_APPROVED)
		return answer.reason;
	if (dstack_measure_diverged())
		return DSTACK_REASON_DIVERGED;
	return DSTACK_REASON_APPROVED;
}

/* What the caller gets for this reason. */
static void conclude(struct dstack_verdict *verdict, enum dstack_state state)
{
	if (verdict->reason == DSTACK_REASON_APPROVED ||
	    state == DSTACK_STATE_MEASURE)
		verdict->err = 0;
	else if (!verdict->err)
		verdict->err = -EACCES;
}

/**
 * dstack_vet_ask() - the decision, without recording it
 * @file: open for reading
 * @kind: the role in which it would run
 * @container: where, NULL for the host
 * @verdict: filled in
 *
 * Context: sleeps.
 */
void dstack_vet_ask(struct file *file, enum dstack_kind kind,
		    const struct dstack_container *container,
		    struct dstack_verdict *verdict)
{
	enum dstack_state state = dstack_policy_state();

	memset(verdict, 0, sizeof(*verdict));
	if (state == DSTACK_STATE_OFF) {
		verdict->reason = DSTACK_REASON_OFF;
		return;
	}
	if (!container && state == DSTACK_STATE_LOCKED)
		container = dstack_identity_host();
	if (!container) {
		verdict->reason = DSTACK_REASON_HOST;
		return;
	}
	verdict->reason = judge(file, kind, container, false, verdict);
	conclude(verdict, state);
}

/**
 * dstack_vet_peek() - the decision about a mapping, by what is at hand
 * @file: what is mapped
 * @container: where
 * @verdict: filled in; unseen if this container did not map the file before
 *
 * Context: does not sleep.
 */
void dstack_vet_peek(struct file *file, struct dstack_container *container,
		     struct dstack_verdict *verdict)
{
	memset(verdict, 0, sizeof(*verdict));
	verdict->reason = judge(file, DSTACK_KIND_MAP, container, true,
				verdict);
	if (verdict->reason == DSTACK_REASON_APPROVED &&
	    !dstack_seen_recorded(&container->seen, &verdict->digest,
				  DSTACK_KIND_MAP))
		verdict->reason = DSTACK_REASON_UNSEEN;
	conclude(verdict, dstack_policy_state());
}

/**
 * dstack_vet_memory() - the decision about executable memory that is no file's
 * @container: where
 * @verdict: filled in
 *
 * What the policy allows is allowed once the log says so, and no longer than
 * the policy does.
 *
 * Context: does not sleep.
 */
void dstack_vet_memory(const struct dstack_container *container,
		       struct dstack_verdict *verdict)
{
	struct dstack_policy_answer answer;

	memset(verdict, 0, sizeof(*verdict));
	verdict->storage = DSTACK_STORAGE_MEMORY;
	dstack_policy_ask(container->section, DSTACK_KIND_MAP,
			  verdict->storage, &verdict->digest, &answer);
	verdict->epoch = answer.epoch;
	if (!answer.memory || !READ_ONCE(container->memory))
		verdict->reason = DSTACK_REASON_MEMORY;
	else if (dstack_measure_diverged())
		verdict->reason = DSTACK_REASON_DIVERGED;
	conclude(verdict, dstack_policy_state());
}

static enum dstack_event_id event_of(enum dstack_kind kind)
{
	switch (kind) {
	case DSTACK_KIND_EXEC:
		return DSTACK_EVENT_EXEC;
	case DSTACK_KIND_SCRIPT:
		return DSTACK_EVENT_SCRIPT;
	case DSTACK_KIND_MAP:
	case DSTACK_KIND_MEMORY:
		return DSTACK_EVENT_MAP;
	case DSTACK_KIND_KERNEL:
		return DSTACK_EVENT_KERNEL;
	case DSTACK_KIND_CONTROL:
		break;		/* what is approved is not recorded */
	}
	return DSTACK_EVENT_EXEC;
}

static void begin(struct dstack_event *ev, enum dstack_event_id event,
		  const struct dstack_container *container)
{
	dstack_event_begin(ev, event);
	ev->quota = container->quota;
	dstack_event_str(ev, "id", container->id);
}

/* The fields that every event about a file, or none, ends with. */
static void put_file(struct dstack_draft *draft, struct file *file,
		     const struct dstack_verdict *verdict)
{
	struct dstack_event *ev = &draft->ev;
	const char *path = "[anonymous]";

	if (file)
		path = file_path(file, draft->path, sizeof(draft->path));
	dstack_event_u64(ev, "epoch", verdict->epoch);
	dstack_event_str(ev, "storage", dstack_storage_name(verdict->storage));
	dstack_event_path(ev, "path", IS_ERR(path) ? "?" : path);
}

/*
 * Without a digest nothing tells one file from another: each is recorded.  All
 * memory that is no file's is the same.
 */
static bool identified(enum dstack_kind kind,
		       const struct dstack_verdict *verdict)
{
	return verdict->digest.alg != DSTACK_ALG_NONE ||
		kind == DSTACK_KIND_MEMORY;
}

/**
 * struct run - what a record says, for those who must say it only once
 * @seen: of the container
 * @digest: the file
 * @what: as dstack_seen_add() takes it
 * @epoch: of the policy that decided
 * @stale: set if that is no longer the active one
 */
struct run {
	struct dstack_seen *seen;
	const struct dstack_digest *digest;
	u32 what;
	u64 epoch;
	bool stale;
};

static bool run_is_recorded(const struct run *run)
{
	return dstack_seen_recorded(run->seen, run->digest, run->what);
}

/* Policies change under the measure lock, so the record has the active one. */
static bool run_is_stale(void *arg)
{
	struct run *run = arg;

	run->stale = dstack_policy_epoch() != run->epoch;
	return run->stale;
}

static bool run_needs_no_record(void *arg)
{
	return run_is_stale(arg) || run_is_recorded(arg);
}

static void run_was_recorded(void *arg)
{
	const struct run *run = arg;

	dstack_seen_add(run->seen, run->digest, run->what);
}

/* A program's own mapping, which comes next, says nothing new. */
static u32 what_of(enum dstack_kind kind, const struct dstack_verdict *verdict)
{
	u32 what = kind == DSTACK_KIND_EXEC ? kind | DSTACK_KIND_MAP : kind;

	if (verdict->reason != DSTACK_REASON_APPROVED)
		what <<= DSTACK_SEEN_UNAPPROVED_SHIFT;
	return what;
}

/* AGAIN: another policy came, and decides. */
enum { AGAIN = 1 };

/* @known: an event says so already; @once: then another need not. */
static noinline int log_run(struct file *file, enum dstack_kind kind,
			    struct dstack_container *container,
			    const struct dstack_verdict *verdict, bool known,
			    bool once)
{
	struct run run = {
		.seen = &container->seen,
		.digest = &verdict->digest,
		.what = what_of(kind, verdict),
		.epoch = verdict->epoch,
	};
	struct dstack_draft *draft __free(dstack_draft) = NULL;
	struct dstack_event *ev;
	int err;

	if (!known && verdict->reason != DSTACK_REASON_APPROVED &&
	    !dstack_quota_take(container->quota, DSTACK_QUOTA_FILE)) {
		dstack_measure_refused(container->quota, DSTACK_QUOTA_FILE);
		return -EDQUOT;
	}
	draft = dstack_draft_get();
	if (!draft)
		return -ENOMEM;
	ev = &draft->ev;
	begin(ev, event_of(kind), container);
	dstack_event_file(ev, "digest", &verdict->digest);
	dstack_event_str(ev, "reason", dstack_reason_name(verdict->reason));
	put_file(draft, file, verdict);
	if (known || !identified(kind, verdict))
		err = dstack_measure_publish(ev, run_is_stale, NULL, &run,
					     NULL);
	else
		err = dstack_measure_publish(ev, once ? run_needs_no_record :
						 run_is_stale,
					     run_was_recorded, &run, NULL);
	return run.stale ? AGAIN : err;
}

static int record_run(struct file *file, enum dstack_kind kind,
		      struct dstack_container *container,
		      const struct dstack_verdict *verdict)
{
	bool once = kind != DSTACK_KIND_EXEC ||
		READ_ONCE(container->mode) == DSTACK_MODE_FIRST;
	bool known = identified(kind, verdict) &&
		dstack_seen_recorded(&container->seen, &verdict->digest,
				     what_of(kind, verdict));

	return known && once ? 0 : log_run(file, kind, container, verdict,
					   known, once);
}

static void record_denial(struct file *file, enum dstack_kind kind,
			  struct dstack_container *container,
			  const struct dstack_verdict *verdict)
{
	u64 count = dstack_seen_denied(&container->seen, &verdict->digest,
				       kind);
	struct dstack_draft *draft __free(dstack_draft) = NULL;
	struct dstack_event *ev;

	/* At 1, 2, 4, 8, ...: many denials make few records. */
	if (count && !is_power_of_2(count))
		return;
	if (!count || !dstack_quota_take(container->quota, DSTACK_QUOTA_FILE)) {
		dstack_measure_refused(container->quota, DSTACK_QUOTA_FILE);
		return;
	}
	draft = dstack_draft_get();
	if (!draft)
		return;
	ev = &draft->ev;
	begin(ev, DSTACK_EVENT_DENY, container);
	dstack_event_str(ev, "kind", dstack_kind_name(kind));
	dstack_event_file(ev, "digest", &verdict->digest);
	dstack_event_str(ev, "reason", dstack_reason_name(verdict->reason));
	dstack_event_u64(ev, "count", count);
	put_file(draft, file, verdict);
	dstack_measure(ev, NULL);	/* it is denied either way */
}

static int refuse(enum dstack_kind kind, const char *id, const char *why,
		  int err)
{
	pr_notice_ratelimited("%s in container %s denied: %s (%d)\n",
			      dstack_kind_name(kind), id, why, err);
	return err;
}

/* Something else than the policy wants, so far. */
static bool is_behind(const struct dstack_container *container,
		      const struct dstack_verdict *verdict)
{
	return READ_ONCE(container->mode) != verdict->mode ||
		READ_ONCE(container->memory) != verdict->memory;
}

/* What was decided is recorded, or is denied, or is to be decided AGAIN. */
static int take(struct file *file, enum dstack_kind kind,
		struct dstack_container *container,
		const struct dstack_verdict *verdict)
{
	int err = 0;

	if (verdict->err) {
		if (verdict->reason == DSTACK_REASON_INTERNAL)
			refuse(kind, container->id, "its digest is not known",
			       verdict->err);
		record_denial(file, kind, container, verdict);
		return verdict->err;
	}
	if (kind == DSTACK_KIND_EXEC && unlikely(is_behind(container, verdict)))
		err = dstack_follow_mode(container, verdict->mode,
					 verdict->epoch) ?:
			dstack_follow_memory(container, verdict->memory,
					     verdict->epoch);
	if (!err)
		err = record_run(file, kind, container, verdict);
	return err < 0 ? refuse(kind, container->id,
				"it could not be recorded", err) : err;
}

/* False: there is nothing to record. */
static bool decide_again(struct file *file, enum dstack_kind kind,
			 const struct dstack_container *container,
			 struct dstack_verdict *verdict)
{
	if (kind != DSTACK_KIND_MEMORY) {
		dstack_vet_ask(file, kind, container, verdict);
		return verdict->reason != DSTACK_REASON_OFF;
	}
	dstack_vet_memory(container, verdict);
	return verdict->reason != DSTACK_REASON_APPROVED;
}

/* In MEASURE it runs all the same, but not with keys. */
static void stray(struct dstack_container *container)
{
	if (READ_ONCE(container->strayed))
		return;
	WRITE_ONCE(container->strayed, true);
	dstack_key_review();
}

static int settle(struct file *file, enum dstack_kind kind,
		  struct dstack_container *container,
		  struct dstack_verdict *verdict)
{
	int err;

	while ((err = take(file, kind, container, verdict)) == AGAIN) {
		if (fatal_signal_pending(current)) {
			err = -EINTR;
			break;
		}
		if (!decide_again(file, kind, container, verdict))
			return 0;
	}
	dstack_trace_vet(container->id, kind, verdict->reason, verdict->epoch,
			 &verdict->digest, err);
	if (verdict->reason != DSTACK_REASON_APPROVED) {
		atomic64_inc(&denied);
		atomic64_inc(&container->denied);
		if (!err)
			stray(container);
	} else if (!err) {
		atomic64_inc(&allowed);
		atomic64_inc(&container->allowed);
	}
	return err;
}

/**
 * dstack_vet_settle() - record what was decided, and count it
 * @file: which file, NULL for memory that is no file's
 * @kind: the role in which it is about to run
 * @container: where
 * @verdict: the decision; another if another policy came meanwhile
 *
 * Context: sleeps.
 * Return: as dstack_vet().
 */
int dstack_vet_settle(struct file *file, enum dstack_kind kind,
		      struct dstack_container *container,
		      struct dstack_verdict *verdict)
{
	return settle(file, kind, container, verdict);
}

static int vet_in(struct file *file, enum dstack_kind kind,
		  struct dstack_container *container)
{
	struct dstack_verdict verdict __uninitialized;

	dstack_vet_ask(file, kind, container, &verdict);
	if (verdict.reason == DSTACK_REASON_OFF)
		return 0;
	return settle(file, kind, container, &verdict);
}

/*
 * The program that an exec has just vetted, mapped by that exec: in_execve is
 * set from before that until the program starts, and nobody else is in this
 * address space yet.  (prctl(2) can make any file the exe_file, but not then.)
 */
static bool is_own_mapping(const struct file *file)
{
	return current->in_execve && current->mm &&
		rcu_access_pointer(current->mm->exe_file) == file;
}

/**
 * dstack_vet_judges() - is the calling process under a policy
 *
 * Context: any.
 * Return: true if dstack_vet_where() would find whose.
 */
bool dstack_vet_judges(void)
{
	enum dstack_state state = dstack_policy_state();

	if (state == DSTACK_STATE_OFF || state == DSTACK_STATE_LOCKED)
		return state == DSTACK_STATE_LOCKED;
	return dstack_identity_has(current);
}

/**
 * dstack_vet_where() - whose policy the calling process is under
 *
 * Return: the container or, in LOCKED, the host, for dstack_identity_put();
 * NULL: nobody's.
 */
struct dstack_container *dstack_vet_where(void)
{
	enum dstack_state state = dstack_policy_state();
	struct dstack_container *container;

	if (state == DSTACK_STATE_OFF)
		return NULL;
	container = dstack_identity_current();
	if (!container && state == DSTACK_STATE_LOCKED) {
		container = dstack_identity_host();
		dstack_identity_get(container);
	}
	return container;
}

static noinline int vet_here(struct file *file, enum dstack_kind kind)
{
	struct dstack_container *container __free(dstack_container) =
		dstack_vet_where();

	return container ? vet_in(file, kind, container) : 0;
}

/**
 * dstack_vet() - decide, record, and let run or not
 * @file: open for reading
 * @kind: the role in which it is about to run
 *
 * Context: sleeps; called by the hooks with no lock of the module held.
 * Return: 0 to let it run; -EACCES by policy; -ENOBUFS if too much waits for
 * the daemon; -EDQUOT if too many files were new that are not approved; -EBUSY
 * or -EIO if the register could not be extended; -EINTR, -ENOMEM or a read
 * error if the file could not be hashed.
 */
int dstack_vet(struct file *file, enum dstack_kind kind)
{
	return kind == DSTACK_KIND_MAP && is_own_mapping(file) ?
		0 : vet_here(file, kind);
}

/**
 * dstack_vet_kind() - the role in which a program is about to run
 * @bprm: a program, script or interpreter
 *
 * Return: DSTACK_KIND_SCRIPT or DSTACK_KIND_EXEC.
 */
enum dstack_kind dstack_vet_kind(const struct linux_binprm *bprm)
{
	return bprm->buf[0] == '#' && bprm->buf[1] == '!' ?
		DSTACK_KIND_SCRIPT : DSTACK_KIND_EXEC;
}

/**
 * dstack_vet_exec() - decide, record, and let a program run or not
 * @bprm: a program, script or interpreter
 *
 * Context: sleeps; called by the hooks with no lock of the module held.
 * Return: as dstack_vet().
 */
int dstack_vet_exec(struct linux_binprm *bprm)
{
	struct dstack_container *container __free(dstack_container) =
		dstack_vet_where();
	int err;

	if (!container)
		return 0;
	err = vet_in(bprm->file, dstack_vet_kind(bprm), container);
	/* These are the credentials that the new program will have. */
	if (!err && container->flags & DSTACK_CONTAINER_F_SECUREBITS)
		bprm->cred->securebits |= DSTACK_IDENTITY_SECUREBITS;
	return err;
}

static enum dstack_kind kind_of(struct file *file)
{
	u8 magic[SELFMAG];
	loff_t pos = 0;

	if (kernel_read(file, magic, sizeof(magic), &pos) == sizeof(magic) &&
	    !memcmp(magic, ELFMAG, sizeof(magic)))
		return DSTACK_KIND_EXEC;
	return DSTACK_KIND_SCRIPT;
}

/**
 * dstack_vet_check() - may this file run, asks who is about to read it
 * @file: what an interpreter was given, or a program
 *
 * What is no program is a script, whatever it begins with.  An answer of yes is
 * not an event: who asks has not run it.
 *
 * Context: sleeps; called by the hooks with no lock of the module held.
 * Return: as dstack_vet().
 */
int dstack_vet_check(struct file *file)
{
	struct dstack_container *container __free(dstack_container) =
		dstack_vet_where();
	struct dstack_verdict verdict;
	enum dstack_kind kind;

	if (!container)
		return 0;
	kind = kind_of(file);
	dstack_vet_ask(file, kind, container, &verdict);
	if (verdict.reason == DSTACK_REASON_APPROVED ||
	    verdict.reason == DSTACK_REASON_OFF)
		return 0;
	/* In MEASURE a program is recorded when it is run, as any other. */
	if (!verdict.err && kind == DSTACK_KIND_EXEC)
		return 0;
	return settle(file, kind, container, &verdict);
}

/**
 * dstack_vet_control() - may the caller's program use the control plane
 *
 * Until LOCKED root may, by whatever program.  Then only those that section
 * "host" approves for it: who can load a policy approves everything else.
 * That is not recorded, or a daemon could not drain a log that is full.
 *
 * Context: sleeps.
 * Return: 0, -EACCES, or as dstack_vet().
 */
int dstack_vet_control(void)
{
	struct dstack_container *host = dstack_identity_host();
	struct dstack_verdict verdict;
	struct file *file;

	if (dstack_policy_state() != DSTACK_STATE_LOCKED)
		return 0;
	file = dstack_digest_program();
	if (!file)
		return -EACCES;
	dstack_vet_ask(file, DSTACK_KIND_CONTROL, host, &verdict);
	if (verdict.err)
		record_denial(file, DSTACK_KIND_CONTROL, host, &verdict);
	fput(file);
	return verdict.err;
}

/**
 * dstack_vet_stats() - verdicts since the module was loaded
 * @allowed_out: approved
 * @denied_out: not approved, whether or not they were let run
 */
void dstack_vet_stats(u64 *allowed_out, u64 *denied_out)
{
	*allowed_out = atomic64_read(&allowed);
	*denied_out = atomic64_read(&denied);
}
