// SPDX-License-Identifier: MIT
/*
 * The BPF programs that show the module every exec
 *
 * Copyright The dstack for Linux authors
 */
#include "dstackd.h"

#include <bpf/libbpf.h>
#include <dstack.skel.h>
#include <errno.h>
#include <linux/lsm.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LSMS_MAX 64

static int libbpf_message(enum libbpf_print_level level, const char *fmt,
			  va_list args) __attribute__((format(printf, 2, 0)));

static int libbpf_message(enum libbpf_print_level level, const char *fmt,
			  va_list args)
{
	char text[1024];
	size_t len;

	if (level == LIBBPF_DEBUG || level == LIBBPF_INFO)
		return 0;
	vsnprintf(text, sizeof(text), fmt, args);
	len = strlen(text);
	if (len && text[len - 1] == '\n')
		text[len - 1] = '\0';
	msg("%s", text);
	return 0;
}

/*
 * Without the BPF LSM the programs load and attach, and nobody calls them:
 * the one failure that must not pass for success.
 */
static int check_lsm(void)
{
	uint64_t ids[LSMS_MAX];
	uint32_t size = sizeof(ids);
	long i, nr;

	nr = syscall(SYS_lsm_list_modules, ids, &size, 0);
	if (nr < 0) {
		msg("can't list the security modules: %s", strerror(errno));
		return -ENOTSUP;
	}
	for (i = 0; i < nr; i++)
		if (ids[i] == LSM_ID_BPF)
			return 0;
	msg("the BPF LSM is off: boot with it in the kernel's command line, such as lsm=landlock,lockdown,yama,integrity,apparmor,bpf");
	return -ENOTSUP;
}

static int attach(const struct bpf_program *prog, struct bpf_link **link,
		  int *fd)
{
	int err;

	*link = bpf_program__attach_lsm(prog);
	if (*link) {
		*fd = bpf_link__fd(*link);
		return 0;
	}
	err = -errno;
	msg("can't attach BPF program '%s': %s", bpf_program__name(prog),
	    strerror(-err));
	return err;
}

static int attach_all(struct libdstack_control *control,
		      const struct dstack_bpf *skel)
{
	const struct bpf_program *progs[__DSTACK_HOOK_MAX] = {
		[DSTACK_HOOK_EXEC] = skel->progs.dstack_exec,
		[DSTACK_HOOK_MAP] = skel->progs.dstack_map,
		[DSTACK_HOOK_OPEN] = skel->progs.dstack_open,
		[DSTACK_HOOK_RESIZE] = skel->progs.dstack_resize,
		[DSTACK_HOOK_SUPER] = skel->progs.dstack_super,
		[DSTACK_HOOK_TRACE] = skel->progs.dstack_trace,
		[DSTACK_HOOK_TRACEME] = skel->progs.dstack_traceme,
		[DSTACK_HOOK_PRCTL] = skel->progs.dstack_prctl,
		[DSTACK_HOOK_CAPABLE] = skel->progs.dstack_capable,
		[DSTACK_HOOK_READ_FILE] = skel->progs.dstack_read_file,
		[DSTACK_HOOK_LOAD_DATA] = skel->progs.dstack_load_data,
		[DSTACK_HOOK_BPF] = skel->progs.dstack_bpf,
		[DSTACK_HOOK_BPF_PROG] = skel->progs.dstack_bpf_prog,
		[DSTACK_HOOK_ROOT] = skel->progs.dstack_root,
		[DSTACK_HOOK_MOUNT] = skel->progs.dstack_mount,
		[DSTACK_HOOK_PROTECT] = skel->progs.dstack_protect,
		[DSTACK_HOOK_CHECK] = skel->progs.dstack_check,
		[DSTACK_HOOK_FAULT] = skel->progs.dstack_fault,
	};
	struct bpf_link *links[__DSTACK_HOOK_MAX] = { NULL };
	int fds[__DSTACK_HOOK_MAX];
	int i, err = 0;

	for (i = 0; i < __DSTACK_HOOK_MAX && !err; i++)
		err = attach(progs[i], &links[i], &fds[i]);
	if (!err)
		err = libdstack_set_hooks(control, fds);
	/* Closes our descriptors; the module has its own reference now. */
	for (i = 0; i < __DSTACK_HOOK_MAX; i++)
		bpf_link__destroy(links[i]);
	return err;
}

int hooks_ensure(struct libdstack_control *control)
{
	struct libdstack_status status;
	struct dstack_bpf *skel;
	int err;

	err = libdstack_status(control, &status);
	if (err)
		return err;
	/* A second set would vet, and record, every exec twice. */
	if (status.hooks)
		return 0;
	err = check_lsm();
	if (err)
		return err;
	libbpf_set_print(libbpf_message);
	skel = dstack_bpf__open_and_load();
	if (!skel) {
		err = -errno;
		msg("can't load the BPF programs: %s: they need a kernel with BTF, and the module's (was it built with pahole?)",
		    strerror(-err));
		return err;
	}
	err = attach_all(control, skel);
	dstack_bpf__destroy(skel);
	return err ?: 1;
}
