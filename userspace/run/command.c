// SPDX-License-Identifier: MIT
/*
 * Programs that do a part of the work, in a bounded time
 *
 * Copyright The dstack for Linux authors
 */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GRACE_MS	5000	/* from being asked to end to being ended */
#define EXIT_SIGNAL	128
#define BLOCK		65536
#define ENVIRONMENT_MAX	32

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/*
 * Nothing of our environment is a program's business but how to reach
 * registries, and where an administrator has put podman's files.
 */
static void choose_environment(char *env[ENVIRONMENT_MAX])
{
	static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:"
		"/usr/sbin:/usr/bin:/sbin:/bin";
	static char home[] = "HOME=/root", lang[] = "LC_ALL=C.UTF-8";
	static const char *const kept[] = {
		"CONTAINERS_", "REGISTRY_AUTH_FILE=", "HTTP_PROXY=",
		"HTTPS_PROXY=", "NO_PROXY=", "http_proxy=", "https_proxy=",
		"no_proxy=", NULL
	};
	size_t nr = 0, i, j;

	env[nr++] = path;
	env[nr++] = home;
	env[nr++] = lang;
	for (i = 0; environ[i]; i++)
		for (j = 0; kept[j] && nr < ENVIRONMENT_MAX - 1; j++)
			if (!strncmp(environ[i], kept[j], strlen(kept[j])))
				env[nr++] = environ[i];
	env[nr] = NULL;
}

static int prepare(const struct run_command *command, int out,
		   posix_spawn_file_actions_t *actions,
		   posix_spawnattr_t *attr)
{
	int err;

	err = -posix_spawn_file_actions_addopen(actions, 0, "/dev/null",
						O_RDONLY, 0);
	if (out >= 0)
		err = err ?: -posix_spawn_file_actions_adddup2(actions, out, 1);
	else
		err = err ?: -posix_spawn_file_actions_addopen(actions, 1,
							       "/dev/null",
							       O_WRONLY, 0);
	if (command->dir)
		err = err ?: -posix_spawn_file_actions_addchdir_np(actions,
							command->dir);
	if (!err)
		err = -posix_spawnattr_setpgroup(attr, 0);
	return err ?: -posix_spawnattr_setflags(attr, POSIX_SPAWN_SETPGROUP);
}

static int start(const struct run_command *command, int out, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	char *env[ENVIRONMENT_MAX];
	posix_spawnattr_t attr;
	int err;

	choose_environment(env);
	err = -posix_spawn_file_actions_init(&actions);
	if (err)
		return err;
	err = -posix_spawnattr_init(&attr);
	if (!err) {
		err = prepare(command, out, &actions, &attr) ?:
			-posix_spawnp(pid, command->argv[0], &actions, &attr,
				      (char *const *)command->argv, env);
		posix_spawnattr_destroy(&attr);
	}
	posix_spawn_file_actions_destroy(&actions);
	return err;
}

/* What there is; 0 at the end. */
static ssize_t read_some(struct run_command *command, int fd)
{
	char *bigger;
	ssize_t n;

	if (command->len >= command->max)
		return -EFBIG;
	bigger = realloc(command->output, command->len + BLOCK + 1);
	if (!bigger)
		return -ENOMEM;
	command->output = bigger;
	n = read(fd, bigger + command->len, BLOCK);
	if (n < 0)
		return errno == EINTR ? 1 : -errno;
	command->len += n;
	bigger[command->len] = '\0';
	return n;
}

static int read_all(struct run_command *command, int fd, int64_t until)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	ssize_t n = 1;

	while (n > 0) {
		int64_t left = until - now_ms();

		if (left <= 0)
			return -ETIME;
		if (poll(&pollfd, 1, left > 1000 ? 1000 : left) > 0)
			n = read_some(command, fd);
	}
	return n;
}

/* -ETIME, or how it ended. */
static int wait_until(pid_t pid, int pidfd, int64_t until)
{
	struct pollfd pollfd = { .fd = pidfd, .events = POLLIN };
	int status;

	while (poll(&pollfd, 1, 1000) <= 0)
		if (now_ms() >= until)
			return -ETIME;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) :
		EXIT_SIGNAL + WTERMSIG(status);
}

static int finish(pid_t pid, int64_t until, int err)
{
	int pidfd = syscall(SYS_pidfd_open, pid, 0);
	int status = err;

	if (!err)
		status = wait_until(pid, pidfd, until);
	if (err || status == -ETIME) {
		/* It may have started others. */
		kill(-pid, SIGTERM);
		if (wait_until(pid, pidfd, now_ms() + GRACE_MS) == -ETIME) {
			kill(-pid, SIGKILL);
			waitpid(pid, NULL, 0);
		}
	}
	close(pidfd);
	return status;
}

int run_command(struct run_command *command)
{
	int64_t until = now_ms() + command->seconds * 1000LL;
	int fds[2] = { -1, -1 }, err = 0;
	pid_t pid;

	command->output = NULL;
	command->len = 0;
	if (command->max && pipe2(fds, O_CLOEXEC))
		return -errno;
	err = start(command, fds[1], &pid);
	if (fds[1] >= 0)
		close(fds[1]);
	if (!err) {
		if (command->max)
			err = read_all(command, fds[0], until);
		err = finish(pid, until, err);
	}
	if (fds[0] >= 0)
		close(fds[0]);
	if (err) {
		free(command->output);
		command->output = NULL;
	}
	return err;
}
