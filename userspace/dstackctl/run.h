/* SPDX-License-Identifier: MIT */
/*
 * The parts of 'dstackctl run': a cgroup, a sandbox, and who waits for whom
 *
 * Copyright The dstack for Linux authors
 */
#ifndef DSTACKCTL_RUN_H
#define DSTACKCTL_RUN_H

#include "dstackctl.h"

#include <limits.h>
#include <signal.h>
#include <sys/types.h>

/* run_cgroup.c: functions print their errors and return 0 or -errno */

struct run_cgroup {
	char path[PATH_MAX];
	int fd;
};

/*
 * Makes an empty cgroup for container @name; what an earlier run of that name
 * left behind is removed, unless something still runs in it.
 */
int run_cgroup_make(struct run_cgroup *cgroup, const char *name,
		    struct libdstack_control *control);
/* Ends every process in it and waits until they are gone. */
int run_cgroup_kill(const struct run_cgroup *cgroup);
void run_cgroup_remove(struct run_cgroup *cgroup);

/* run_sandbox.c: in the child, which must not print */

/* Namespaces that the child is made with. */
#define RUN_SANDBOX_FLAGS (CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | \
			   CLONE_NEWUTS)

/*
 * Shuts this process into @rootfs (NULL: the host's files), with /proc, a /dev
 * of harmless devices and /dev/dstack, and few capabilities.  Returns 0, or
 * -errno with *step what could not be done.
 */
int run_sandbox_enter(const char *rootfs, const char *name, const char **step);

/* run_child.c */

struct run_command {
	const char *name, *rootfs;
	char **argv;
	int cgroup_fd;
};

enum run_stage {
	RUN_STAGE_OK,		/* the command was started */
	RUN_STAGE_SETUP,	/* the sandbox could not be made */
	RUN_STAGE_FIND,		/* there is no such program */
	RUN_STAGE_EXEC,		/* exec failed */
	RUN_STAGE_DENIED,	/* exec of an executable file was refused */
};

struct run_result {
	int stage;		/* enum run_stage */
	int err;
	char text[PATH_MAX - 8]; /* step of the setup, or path of the program */
};

/*
 * Runs the command as a container's only first process.  Signals that this
 * process gets are passed on.  Returns the exit status (128 + N for signal N)
 * or -errno; *result says whether the command was started at all.
 */
int run_child(const struct run_command *command, struct run_result *result);

#endif /* DSTACKCTL_RUN_H */
