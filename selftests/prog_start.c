// SPDX-License-Identifier: MIT
/*
 * Starts a program as each of the kernel's calls can
 *
 * Copyright The dstack for Linux authors
 *
 * Prints the name of the errno if that fails.
 */
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "prog.h"

#define NOBODY		65534
#define STACK_SIZE	65536

static const char *cgroup;

static int usage(void)
{
	fputs("Usage: prog_start [-c CGROUP] [-n] HOW FILE [ARG]...\n\n"
	      "  -c CGROUP  move to this cgroup directory first\n"
	      "  -n         be nobody, without capabilities\n"
	      "  HOW        exec, fork, vfork, spawn, clone (CLONE_VM),\n"
	      "             thread (exec by one that does not lead) or\n"
	      "             into (clone3() into CGROUP, unmoved)\n", stderr);
	return 2;
}

/* Without stdio: a child may share our memory. */
static void fail(void)
{
	const char *name = errno_name();

	if (write(STDOUT_FILENO, name, strlen(name)) < 0 ||
	    write(STDOUT_FILENO, "\n", 1) < 0)
		_exit(1);
}

static int run(void *argv)
{
	execv(*(char **)argv, argv);
	fail();
	_exit(126);
}

static int by_exec(char **argv)
{
	return run(argv);
}

static int by_fork(char **argv)
{
	int pid = fork();

	return pid ? pid : run(argv);
}

static int by_vfork(char **argv)
{
	int pid = vfork();

	return pid ? pid : run(argv);
}

static int by_spawn(char **argv)
{
	int pid;

	errno = posix_spawn(&pid, *argv, NULL, NULL, argv, environ);
	return errno ? -1 : pid;
}

static int by_clone(char **argv)
{
	static char stack[STACK_SIZE] __attribute__((aligned(16)));

	return clone(run, stack + STACK_SIZE, CLONE_VM | SIGCHLD, argv);
}

static void *run_in_thread(void *argv)
{
	run(argv);
	return NULL;
}

static int by_thread(char **argv)
{
	pthread_t thread;

	errno = pthread_create(&thread, NULL, run_in_thread, argv);
	if (errno)
		return -1;
	pthread_join(thread, NULL);
	return -1;
}

static int by_clone_into(char **argv)
{
	struct clone_args args = {
		.flags = CLONE_INTO_CGROUP,
		.exit_signal = SIGCHLD,
		.cgroup = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
	};
	int pid = syscall(SYS_clone3, &args, sizeof(args));

	return pid ? pid : run(argv);
}

static const struct {
	const char *name;
	int (*fn)(char **argv);
} ways[] = {
	{ "exec", by_exec }, { "fork", by_fork }, { "vfork", by_vfork },
	{ "spawn", by_spawn }, { "clone", by_clone }, { "thread", by_thread },
	{ "into", by_clone_into },
};

static int start(const char *how, char **argv)
{
	int pid, status;
	size_t i;

	for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		if (strcmp(how, ways[i].name))
			continue;
		pid = ways[i].fn(argv);
		if (pid < 0)
			fail();
		return pid < 0 || waitpid(pid, &status, 0) != pid;
	}
	return usage();
}

int main(int argc, char **argv)
{
	int c, nobody = 0;

	while ((c = getopt(argc, argv, "+c:n")) != -1) {
		if (c == '?')
			return usage();
		if (c == 'c')
			cgroup = optarg;
		else
			nobody = 1;
	}
	if (argc < optind + 2)
		return usage();
	if ((cgroup && strcmp(argv[optind], "into") && enter_cgroup(cgroup)) ||
	    (nobody && (setresgid(NOBODY, NOBODY, NOBODY) ||
			setresuid(NOBODY, NOBODY, NOBODY)))) {
		perror("prog_start");
		return 1;
	}
	return start(argv[optind], argv + optind + 1);
}
