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
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_SIGNAL	128
#define EXIT_NONE	127	/* there is no such program */

static void feed(int fd, const void *input, size_t len)
{
	const char *data = input;
	ssize_t done;

	for (; len; data += done, len -= done) {
		done = write(fd, data, len);
		if (done < 0 && errno == EINTR)
			done = 0;
		else if (done < 0)
			/* A program that ended early says why by its status. */
			return;
	}
}

/*
 * In the child, where little is allowed.  It ends with us: whoever starts us
 * again must not find it still at work.
 */
static void become(const char *const *argv, int input, pid_t parent)
{
	static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	/* Nothing of our environment is a program's business. */
	static char *const env[] = { path, NULL };

	if (!prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) &&
	    getppid() == parent && dup2(input, STDIN_FILENO) >= 0)
		execvpe(argv[0], (char *const *)argv, env);
	_exit(EXIT_NONE);
}

static int end(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (!WIFEXITED(status))
		return EXIT_SIGNAL + WTERMSIG(status);
	return WEXITSTATUS(status) == EXIT_NONE ? -ENOENT :
		WEXITSTATUS(status);
}

int run(const char *const *argv, const void *input, size_t len)
{
	pid_t self = getpid(), pid;
	int pipes[2];

	if (pipe2(pipes, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (!pid)
		become(argv, pipes[0], self);
	close(pipes[0]);
	if (pid > 0)
		feed(pipes[1], input, len);
	close(pipes[1]);
	return pid < 0 ? -errno : end(pid);
}
