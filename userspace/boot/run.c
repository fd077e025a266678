// SPDX-License-Identifier: MIT
/*
 * Programs that do a part of the work
 *
 * Copyright The dstack for Linux authors
 */
#include "boot.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_SIGNAL	128

/* What is written fits into a pipe, or the child reads it. */
static int feed(int fd, const void *input, size_t len)
{
	const char *data = input;
	ssize_t done;

	for (; len; data += done, len -= done) {
		done = write(fd, data, len);
		if (done < 0 && errno == EINTR)
			done = 0;
		else if (done < 0)
			return -errno;
	}
	return 0;
}

static int start(const char *const *argv, int input, pid_t *pid)
{
	/* Nothing of our environment is a program's business. */
	static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	static char *const env[] = { path, NULL };
	posix_spawn_file_actions_t actions;
	int err = -posix_spawn_file_actions_init(&actions);

	if (err)
		return err;
	err = -posix_spawn_file_actions_adddup2(&actions, input, 0) ?:
		-posix_spawnp(pid, argv[0], &actions, NULL,
			      (char *const *)argv, env);
	posix_spawn_file_actions_destroy(&actions);
	return err;
}

static int end(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) :
		EXIT_SIGNAL + WTERMSIG(status);
}

int run(const char *const *argv, const void *input, size_t len)
{
	int pipes[2], err;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC))
		return -errno;
	err = start(argv, pipes[0], &pid);
	close(pipes[0]);
	if (!err) {
		/* A program that ended early says why by its status. */
		(void)feed(pipes[1], input, len);
		close(pipes[1]);
		return end(pid);
	}
	close(pipes[1]);
	return err;
}
