// SPDX-License-Identifier: MIT
/*
 * What is said to a program, what it says, and its end
 *
 * Copyright The dstack for Linux authors
 */
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BLOCK		4096
#define END		SPAWN_FILES	/* the process, among what is polled */
#define LONG_MS		60000		/* at once: poll() takes an int */

struct child {
	const struct spawn *spawn;
	int fd[SPAWN_FILES + 1];	/* our ends; -1: closed */
	pid_t pid;
	size_t fed;
};

int64_t spawn_now_ms(void)
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

static bool later(ssize_t n)
{
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/*
 * Its beginning
 */

/* @theirs: in any case something to close. */
static int open_pipe(struct child *child, int i, int *theirs)
{
	int ends[2], own = i == SPAWN_IN ? 1 : 0;

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	child->fd[i] = ends[own];
	*theirs = ends[!own];
	/* It waits for us, and not we for it. */
	fcntl(ends[own], F_SETFL, O_NONBLOCK);
	return 0;
}

static int open_files(struct child *child, int theirs[SPAWN_FILES])
{
	const struct spawn *spawn = child->spawn;
	int err = 0;

	if (spawn->input)
		err = open_pipe(child, SPAWN_IN, &theirs[SPAWN_IN]);
	else
		theirs[SPAWN_IN] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (!err && theirs[SPAWN_IN] < 0)
		err = -errno;
	if (!err && spawn->out.fn)
		err = open_pipe(child, SPAWN_OUT, &theirs[SPAWN_OUT]);
	if (!err && spawn->err.fn)
		err = open_pipe(child, SPAWN_ERR, &theirs[SPAWN_ERR]);
	return err;
}

static int start(struct child *child)
{
	int theirs[SPAWN_FILES] = { -1, -1, -1 }, i, err;

	err = open_files(child, theirs);
	if (!err)
		err = spawn_start(child->spawn, theirs, &child->pid);
	for (i = 0; i < SPAWN_FILES; i++)
		shut(&theirs[i]);
	if (!err)
		child->fd[END] = syscall(SYS_pidfd_open, child->pid, 0);
	return err;
}

/*
 * Its middle
 */

static void feed(struct child *child)
{
	const struct spawn *spawn = child->spawn;
	const char *input = spawn->input;
	ssize_t n = write(child->fd[SPAWN_IN], input + child->fed,
			  spawn->input_len - child->fed);

	if (n > 0)
		child->fed += n;
	/* Who does not read it says why by its status. */
	if (child->fed == spawn->input_len || (n < 0 && !later(n)))
		shut(&child->fd[SPAWN_IN]);
}

/* Bytes, 0: there is nothing now, or never will be; or what hearing gave. */
static int hear(struct child *child, int i)
{
	const struct spawn_ear *ear = i == SPAWN_OUT ? &child->spawn->out :
		&child->spawn->err;
	char data[BLOCK];
	ssize_t n = read(child->fd[i], data, sizeof(data));
	int err;

	if (n <= 0) {
		if (!later(n))
			shut(&child->fd[i]);
		return 0;
	}
	err = ear->fn(ear->arg, data, n);
	return err ? err : n;
}

/* What it said before its end, and not what others go on to say. */
static int hear_rest(struct child *child)
{
	int i, n = 0, left;

	for (i = SPAWN_OUT; n >= 0 && i <= SPAWN_ERR; i++) {
		left = fcntl(child->fd[i], F_GETPIPE_SZ);
		do {
			n = left > 0 ? hear(child, i) : 0;
			left -= n;
		} while (n > 0);
	}
	return n < 0 ? n : 0;
}

/* -ETIMEDOUT: nothing happened until then. */
static int wait_for(const struct child *child, struct pollfd fds[END + 1],
		    int64_t until)
{
	int64_t left = until ? until - spawn_now_ms() : LONG_MS;
	int i;

	if (left <= 0)
		return -ETIMEDOUT;
	for (i = 0; i <= END; i++)
		fds[i] = (struct pollfd){
			.fd = child->fd[i],
			.events = i == SPAWN_IN ? POLLOUT : POLLIN,
		};
	if (poll(fds, END + 1, left > LONG_MS ? LONG_MS : (int)left) >= 0)
		return 0;
	for (i = 0; i <= END; i++)
		fds[i].revents = 0;
	return errno == EINTR ? 0 : -errno;
}

/* Until it has ended: who closes its output may go on for long. */
static int talk(struct child *child, int64_t until)
{
	struct pollfd fds[END + 1];
	int i, err;

	if (child->fd[END] < 0)
		return -EMFILE;
	do {
		err = wait_for(child, fds, until);
		if (err)
			return err;
		if (fds[SPAWN_IN].revents)
			feed(child);
		for (i = SPAWN_OUT; err >= 0 && i <= SPAWN_ERR; i++)
			if (fds[i].revents)
				err = hear(child, i);
	} while (err >= 0 && !fds[END].revents);
	return err < 0 ? err : hear_rest(child);
}

/*
 * Its end
 */

/* While it is not waited for, no other group has its number. */
static void end_group(struct child *child)
{
	int64_t until = spawn_now_ms() + child->spawn->grace_ms;
	struct pollfd end = { .fd = child->fd[END], .events = POLLIN };

	if (child->spawn->grace_ms && end.fd >= 0) {
		kill(-child->pid, SIGTERM);
		while (poll(&end, 1, 100) <= 0 && spawn_now_ms() < until)
			;
	}
	kill(-child->pid, SIGKILL);
}

static int finish(struct child *child, int err)
{
	int status;

	if (err)
		end_group(child);
	while (waitpid(child->pid, &status, 0) < 0)
		if (errno != EINTR)
			return err ? err : -errno;
	if (err)
		return err;
	return WIFEXITED(status) ? WEXITSTATUS(status) :
		SPAWN_EXIT_SIGNAL + WTERMSIG(status);
}

int spawn_run(const struct spawn *spawn)
{
	struct child child = { .spawn = spawn, .fd = { -1, -1, -1, -1 } };
	int64_t until = 0;
	int i, err;

	if (spawn->timeout_ms)
		until = spawn_now_ms() + spawn->timeout_ms;
	err = start(&child);
	if (!err)
		err = finish(&child, talk(&child, until));
	for (i = 0; i <= END; i++)
		shut(&child.fd[i]);
	return err;
}
