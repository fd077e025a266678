// SPDX-License-Identifier: MIT
/*
 * A program's beginning
 *
 * Copyright The dstack for Linux authors
 */
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * In the child, where little is allowed: others of our threads may have held
 * locks.
 */

/* Out of the way first: who has no standard files may have one of these. */
static int set_files(const int files[SPAWN_FILES], bool together)
{
	int moved[SPAWN_FILES], i;

	for (i = 0; i < SPAWN_FILES; i++) {
		moved[i] = files[i] < 0 ? -1 :
			fcntl(files[i], F_DUPFD_CLOEXEC, SPAWN_FILES);
		if (files[i] >= 0 && moved[i] < 0)
			return -1;
	}
	for (i = 0; i < SPAWN_FILES; i++)
		if (moved[i] >= 0 && dup2(moved[i], i) < 0)
			return -1;
	if (together && dup2(SPAWN_OUT, SPAWN_ERR) < 0)
		return -1;
	return close_range(SPAWN_FILES, ~0U, CLOSE_RANGE_CLOEXEC);
}

/* What is ignored would stay so, and the C library keeps two for itself. */
static int reset_signals(void)
{
	/* The kernel's structure: SIG_DFL, no flags, nothing to mask. */
	static const uint64_t action[4];
	sigset_t none;
	int i;

	for (i = 1; i < NSIG; i++)
		syscall(SYS_rt_sigaction, i, action, NULL, sizeof(uint64_t));
	sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL);
}

/* What keeps it from beginning goes to @report, which exec closes. */
static void become(const struct spawn *spawn, const int files[SPAWN_FILES],
		   int report, pid_t parent)
{
	static const char *const nothing[] = { NULL };
	const char *const *env = spawn->env ? spawn->env : nothing;
	int err;

	report = fcntl(report, F_DUPFD_CLOEXEC, SPAWN_FILES);
	/* Whoever starts us again must not find it still at work. */
	if (!prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) &&
	    getppid() == parent && !setpgid(0, 0) &&
	    !set_files(files, spawn->together) &&
	    (!spawn->dir || !chdir(spawn->dir)) && !reset_signals()) {
		environ = (char **)env;
		execvp(spawn->argv[0], (char *const *)spawn->argv);
	}
	err = errno;
	if (write(report, &err, sizeof(err)) < 0)
		_exit(EXIT_FAILURE);
	_exit(EXIT_SUCCESS);
}

int spawn_start(const struct spawn *spawn, const int files[SPAWN_FILES],
		int *pid)
{
	pid_t self = getpid();
	int report[2], err = 0;
	sigset_t all, old;

	if (pipe2(report, O_CLOEXEC))
		return -errno;
	/* No handler of ours may run there. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	*pid = fork();
	if (!*pid)
		become(spawn, files, report[1], self);
	if (*pid < 0)
		err = errno;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	close(report[1]);
	if (!err && read(report[0], &err, sizeof(err)) > 0)
		waitpid(*pid, NULL, 0);
	close(report[0]);
	return -err;
}
