// SPDX-License-Identifier: MIT
/*
 * A script, with bash, in a bounded time
 *
 * Copyright The dstack for Linux authors
 *
 * What it leaves in the background stays, as upstream's does; only what it says
 * later nobody hears.  A script that is given up ends with all that it started.
 */
#include "scripts.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCK		4096
#define EXIT_SIGNAL	128
#define MS_PER_S	1000

/*
 * In the child, where little is allowed.  It ends with us: whoever starts us
 * again must not find it still at work.  What keeps it from beginning goes to
 * @report, which bash closes.
 */
static void become(const struct script *script, int out, int report,
		   pid_t parent)
{
	static char name[] = "bash", end[] = "--";
	static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:"
		"/usr/sbin:/usr/bin:/sbin:/bin";
	static char home[] = "HOME=/root", lang[] = "LC_ALL=C.UTF-8";
	static char *const env[] = { path, home, lang, NULL };
	char *argv[] = { name, end, script->file, NULL };
	int in = open("/dev/null", O_RDONLY), err;

	umask(0022);
	signal(SIGPIPE, SIG_DFL);
	if (!prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) &&
	    getppid() == parent && !setpgid(0, 0) && !chdir(script->dir) &&
	    in >= 0 && dup2(in, STDIN_FILENO) >= 0 &&
	    dup2(out, STDOUT_FILENO) >= 0 && dup2(out, STDERR_FILENO) >= 0)
		execvpe(name, argv, env);
	err = errno;
	if (write(report, &err, sizeof(err)) < 0)
		_exit(EXIT_FAILURE);
	_exit(EXIT_SUCCESS);
}

static int start(const struct script *script, int out, pid_t *pid)
{
	pid_t self = getpid();
	int report[2], err = 0;

	if (pipe2(report, O_CLOEXEC))
		return -errno;
	*pid = fork();
	if (!*pid)
		become(script, out, report[1], self);
	close(report[1]);
	if (*pid < 0)
		err = errno;
	else if (read(report[0], &err, sizeof(err)) > 0)
		waitpid(*pid, NULL, 0);
	close(report[0]);
	return -err;
}

/* False: there is nothing now, or never will be. */
static bool hear(struct script_output *output, int fd, int64_t now)
{
	char data[BLOCK];
	ssize_t n = read(fd, data, sizeof(data));

	if (n <= 0)
		return n < 0 && errno == EINTR;
	script_output_add(output, data, n, now);
	return true;
}

/* Until it has ended: -ETIME if it does not. */
static int listen_to(const struct script *script, int pidfd, int fd)
{
	int64_t until = now_us() + script->seconds * 1000000LL;
	struct pollfd fds[] = {
		{ .fd = pidfd, .events = POLLIN },
		{ .fd = fd, .events = POLLIN },
	};
	struct script_output output;
	int64_t now;

	script_output_start(&output, script->nr, now_us());
	do {
		poll(fds, 2, MS_PER_S);
		now = now_us();
		/* Who closes its output may go on for long. */
		if (fds[1].revents && !hear(&output, fd, now))
			fds[1].fd = -1;
	} while (!fds[0].revents && now < until);
	if (fds[0].revents)
		while (hear(&output, fd, now))
			;
	script_output_end(&output);
	return fds[0].revents ? 0 : -ETIME;
}

static int finish(const struct script *script, pid_t pid, int fd)
{
	int pidfd = syscall(SYS_pidfd_open, pid, 0), err, status;

	err = pidfd < 0 ? -errno : listen_to(script, pidfd, fd);
	if (err)
		kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (pidfd >= 0)
		close(pidfd);
	if (err)
		return err;
	return WIFEXITED(status) ? WEXITSTATUS(status) :
		EXIT_SIGNAL + WTERMSIG(status);
}

int script_run(const struct script *script)
{
	int fds[2], err;
	pid_t pid = -1;

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	/* It waits for us, and not we for it. */
	fcntl(fds[1], F_SETFL, 0);
	err = start(script, fds[1], &pid);
	close(fds[1]);
	if (!err)
		err = finish(script, pid, fds[0]);
	close(fds[0]);
	return err;
}
