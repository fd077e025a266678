// SPDX-License-Identifier: MIT
/*
 * The processes of 'dstackctl run'
 *
 * Copyright The dstack for Linux authors
 *
 * dstackctl clones an init into the container's cgroup and namespaces.  The
 * init execs nothing: it forks the command, reaps, and ends with it, and the
 * kernel then ends everything else in the PID namespace.
 */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEFAULT_PATH \
	"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define REPORT_FD	3

static const int forwarded[] = {
	SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH,
};

/* Blocked signals reach even an init, which ignores others by default. */
static void block_signals(sigset_t *set, sigset_t *old)
{
	size_t i;

	sigemptyset(set);
	sigaddset(set, SIGCHLD);
	for (i = 0; i < sizeof(forwarded) / sizeof(forwarded[0]); i++)
		sigaddset(set, forwarded[i]);
	sigprocmask(SIG_BLOCK, set, old);
}

static int exit_status(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) :
		WEXITSTATUS(status);
}

/* Until @pid ends: reap everything, pass signals on.  The exit status. */
static int supervise(pid_t pid, const sigset_t *set)
{
	siginfo_t info;
	int status;
	pid_t got;

	for (;;) {
		while ((got = waitpid(-1, &status, WNOHANG)) > 0)
			if (got == pid)
				return exit_status(status);
		if (got < 0 && errno == ECHILD)
			return -ECHILD;
		if (sigwaitinfo(set, &info) < 0 || info.si_signo == SIGCHLD)
			continue;
		/* A terminal signals the whole group: the command has it. */
		if (info.si_code <= 0)
			kill(pid, info.si_signo);
	}
}

static void report(int stage, int err, const char *text)
{
	struct run_result result = { .stage = stage, .err = err };

	strncpy(result.text, text, sizeof(result.text) - 1);
	/* Fits a pipe in one piece; who reads it may be gone. */
	if (write(REPORT_FD, &result, sizeof(result)) < 0)
		_exit(EXIT_FAILURE);
}

/* Where execvp() would find it; the path is wanted for the explanation. */
static bool find_program(const char *name, char path[PATH_MAX])
{
	const char *dir = getenv("PATH"), *end;

	if (strchr(name, '/')) {
		snprintf(path, PATH_MAX, "%s", name);
		return true;
	}
	for (dir = dir ? dir : DEFAULT_PATH; *dir; dir = *end ? end + 1 : end) {
		end = strchrnul(dir, ':');
		if (snprintf(path, PATH_MAX, "%.*s/%s", (int)(end - dir), dir,
			     name) < PATH_MAX && !access(path, X_OK))
			return true;
	}
	return false;
}

static void exec_command(char **argv)
{
	char path[PATH_MAX];
	int err;

	if (!find_program(argv[0], path)) {
		report(RUN_STAGE_FIND, -ENOENT, argv[0]);
		_exit(127);
	}
	execv(path, argv);
	err = -errno;
	if (err == -ENOENT || err == -ENOTDIR) {
		report(RUN_STAGE_FIND, err, path);
		_exit(127);
	}
	if ((err == -EACCES || err == -EPERM) && !access(path, X_OK))
		report(RUN_STAGE_DENIED, err, path);
	else
		report(RUN_STAGE_EXEC, err, path);
	_exit(126);
}

/* A rootfs is another world: of the environment only the terminal is true. */
static void clean_environment(void)
{
	const char *term = getenv("TERM");
	char copy[64] = "";

	if (term)
		snprintf(copy, sizeof(copy), "%s", term);
	clearenv();
	setenv("PATH", DEFAULT_PATH, 1);
	setenv("HOME", "/root", 1);
	if (*copy)
		setenv("TERM", copy, 1);
}

/* The first process of the container.  Does not return. */
static void container_init(const struct run_command *command, int pipe_fd,
			   const sigset_t *set, const sigset_t *old)
{
	const char *step;
	pid_t pid;
	int err;

	/* Without a parent nobody would remove the container. */
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (pipe_fd != REPORT_FD && dup2(pipe_fd, REPORT_FD) < 0)
		_exit(EXIT_FAILURE);
	fcntl(REPORT_FD, F_SETFD, FD_CLOEXEC);
	close_range(REPORT_FD + 1, ~0U, 0);
	err = run_sandbox_enter(command->rootfs, command->name, &step);
	if (err) {
		report(RUN_STAGE_SETUP, err, step);
		_exit(EXIT_FAILURE);
	}
	if (command->rootfs)
		clean_environment();
	/* Its /proc/1/exe is the host's dstackctl: not for the container. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	pid = fork();
	if (!pid) {
		sigprocmask(SIG_SETMASK, old, NULL);
		exec_command(command->argv);
	}
	if (pid < 0)
		report(RUN_STAGE_SETUP, -errno, "fork");
	close(REPORT_FD);
	_exit(pid < 0 ? EXIT_FAILURE : supervise(pid, set));
}

static pid_t clone_into(int cgroup_fd)
{
	struct clone_args args = {
		.flags = RUN_SANDBOX_FLAGS | CLONE_INTO_CGROUP,
		.exit_signal = SIGCHLD,
		.cgroup = cgroup_fd,
	};

	return syscall(SYS_clone3, &args, sizeof(args));
}

/* The pipe ends without a word when exec closes it. */
static void read_result(int fd, struct run_result *result)
{
	struct run_result got;
	ssize_t n;

	do {
		n = read(fd, &got, sizeof(got));
	} while (n < 0 && errno == EINTR);
	if (n != sizeof(got))
		return;
	*result = got;
	result->text[sizeof(result->text) - 1] = '\0';
}

int run_child(const struct run_command *command, struct run_result *result)
{
	int pipe_fds[2], status;
	sigset_t set, old;
	pid_t pid;

	memset(result, 0, sizeof(*result));
	if (pipe2(pipe_fds, O_CLOEXEC))
		return -errno;
	fflush(NULL);
	block_signals(&set, &old);
	pid = clone_into(command->cgroup_fd);
	if (!pid)
		container_init(command, pipe_fds[1], &set, &old);
	status = pid < 0 ? -errno : 0;
	close(pipe_fds[1]);
	if (pid > 0) {
		read_result(pipe_fds[0], result);
		status = supervise(pid, &set);
	}
	close(pipe_fds[0]);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return status;
}
