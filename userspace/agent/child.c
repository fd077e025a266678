// SPDX-License-Identifier: MIT
/*
 * A program that is given something, and gives something back
 *
 * Copyright The dstack for Linux authors
 *
 * It gets three pipes and nothing else of ours: no other descriptor, no
 * environment, no blocked signal.  When its time is over it is killed.
 */
#include "cert.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { IN, OUT, ERR, PIPES };

#define FIRST_OTHER	3	/* descriptor that is not standard */

struct child {
	struct agent_child *job;
	int fd[PIPES];		/* our ends; -1: closed */
	pid_t pid;
	size_t fed, room, said;
	int64_t end;		/* ms of CLOCK_MONOTONIC */
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static void shut(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/*
 * Its beginning
 */

/* The child's end of pipe @i. */
static int theirs(const int pipes[PIPES][2], int i)
{
	return pipes[i][i == IN ? 0 : 1];
}

static int set_files(posix_spawn_file_actions_t *actions,
		     const int pipes[PIPES][2])
{
	int i, err = 0;

	for (i = 0; !err && i < PIPES; i++)
		err = posix_spawn_file_actions_adddup2(actions,
						       theirs(pipes, i), i);
	if (err)
		return err;
	return posix_spawn_file_actions_addclosefrom_np(actions, FIRST_OTHER);
}

static int set_signals(posix_spawnattr_t *attr)
{
	sigset_t none, pipe;

	sigemptyset(&none);
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	return posix_spawnattr_setsigmask(attr, &none) ?:
		posix_spawnattr_setsigdefault(attr, &pipe) ?:
		posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK |
					 POSIX_SPAWN_SETSIGDEF);
}

static int spawn(struct child *child, const int pipes[PIPES][2])
{
	const char *const *argv = child->job->argv;
	posix_spawn_file_actions_t actions;
	char *const none[] = { NULL };
	posix_spawnattr_t attr;
	int err;

	if (posix_spawn_file_actions_init(&actions))
		return -ENOMEM;
	if (posix_spawnattr_init(&attr)) {
		posix_spawn_file_actions_destroy(&actions);
		return -ENOMEM;
	}
	err = set_files(&actions, pipes) ?: set_signals(&attr) ?:
		posix_spawn(&child->pid, argv[0], &actions, &attr,
			    (char *const *)argv, none);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return -err;
}

static int start(struct child *child)
{
	int pipes[PIPES][2], i, nr = 0, err = 0;

	for (; nr < PIPES && !err; nr++)
		if (pipe2(pipes[nr], O_CLOEXEC))
			err = -errno;
	/* The last of them is none if it failed. */
	if (err)
		nr--;
	else
		err = spawn(child, pipes);
	for (i = 0; i < nr; i++) {
		close(theirs(pipes, i));
		child->fd[i] = pipes[i][i == IN ? 1 : 0];
		fcntl(child->fd[i], F_SETFL, O_NONBLOCK);
	}
	return err;
}

/*
 * Its middle
 */

static void feed(struct child *child)
{
	struct agent_child *job = child->job;
	const char *input = job->input;
	ssize_t n;

	n = write(child->fd[IN], input + child->fed,
		  job->input_len - child->fed);
	if (n > 0)
		child->fed += n;
	/* Who does not read it will say why. */
	if (child->fed == job->input_len ||
	    (n < 0 && errno != EAGAIN && errno != EINTR))
		shut(&child->fd[IN]);
}

static int grow(struct child *child)
{
	struct agent_child *job = child->job;
	size_t room = child->room ? 2 * child->room : 16384;
	char *more;

	/* One for a NUL, and one that would be too many. */
	if (room > job->output_max + 2)
		room = job->output_max + 2;
	more = realloc(job->output, room);
	if (!more)
		return -ENOMEM;
	job->output = more;
	child->room = room;
	return 0;
}

static int take(struct child *child)
{
	struct agent_child *job = child->job;
	int err = 0;
	ssize_t n;

	if (!child->room || job->output_len + 1 == child->room)
		err = grow(child);
	if (err)
		return err;
	n = read(child->fd[OUT], job->output + job->output_len,
		 child->room - job->output_len - 1);
	if (n > 0)
		job->output_len += n;
	if (job->output_len > job->output_max)
		return -EFBIG;
	if (!n || (n < 0 && errno != EAGAIN && errno != EINTR))
		shut(&child->fd[OUT]);
	return 0;
}

/* Of several lines the last is kept, which says what came of it all. */
static void hear(struct child *child)
{
	char *said = child->job->said, text[AGENT_CHILD_SAID_MAX];
	ssize_t n = read(child->fd[ERR], text, sizeof(text) - 1), i;

	if (!n || (n < 0 && errno != EAGAIN && errno != EINTR))
		shut(&child->fd[ERR]);
	for (i = 0; i < n; i++) {
		/* A line that another follows is over. */
		if (child->said && said[child->said - 1] == '\n')
			child->said = 0;
		if (child->said < AGENT_CHILD_SAID_MAX - 1)
			said[child->said++] = text[i];
	}
}

static int wait_for(struct child *child, struct pollfd fds[PIPES])
{
	int64_t left = child->end - now_ms();
	int i, n;

	for (i = 0; i < PIPES; i++)
		fds[i] = (struct pollfd){
			.fd = child->fd[i],
			.events = i == IN ? POLLOUT : POLLIN,
		};
	if (left <= 0)
		return -ETIMEDOUT;
	n = poll(fds, PIPES, (int)left);
	return n < 0 && errno != EINTR ? -errno : 0;
}

static int talk(struct child *child)
{
	struct pollfd fds[PIPES];
	int err = 0;

	while (!err && (child->fd[OUT] >= 0 || child->fd[ERR] >= 0)) {
		err = wait_for(child, fds);
		if (!err && fds[IN].fd >= 0 && fds[IN].revents)
			feed(child);
		if (!err && fds[OUT].fd >= 0 && fds[OUT].revents)
			err = take(child);
		if (!err && fds[ERR].fd >= 0 && fds[ERR].revents)
			hear(child);
	}
	return err;
}

/*
 * Its end
 */

static int reap(struct child *child, int err)
{
	int status;

	/* Who has closed what it says with is done, or is to be. */
	if (err)
		kill(child->pid, SIGKILL);
	while (waitpid(child->pid, &status, 0) < 0)
		if (errno != EINTR)
			return err ? err : -errno;
	if (err)
		return err;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -ECHILD;
}

int agent_child_run(struct agent_child *job)
{
	struct child child = {
		.job = job, .fd = { -1, -1, -1 },
		.end = now_ms() + job->timeout_ms,
	};
	int i, err;

	job->output = NULL;
	job->output_len = 0;
	err = start(&child);
	if (!err)
		err = reap(&child, talk(&child));
	for (i = 0; i < PIPES; i++)
		shut(&child.fd[i]);
	job->said[child.said] = '\0';
	if (child.said && job->said[child.said - 1] == '\n')
		job->said[child.said - 1] = '\0';
	if (!err && !job->output)
		job->output = calloc(1, 1);
	if (!err && job->output) {
		job->output[job->output_len] = '\0';
		return 0;
	}
	free(job->output);
	job->output = NULL;
	return err ? err : -ENOMEM;
}
