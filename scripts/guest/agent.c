// SPDX-License-Identifier: MIT
/*
 * Copyright (C) The dstack for Linux authors
 *
 * The test guest's init: runs one command and reports over a virtio port.
 *
 * What it sends is a sequence of frames, one type byte, a little-endian
 * 32-bit length, and that many bytes: 'R' ready, 'O' and 'E' standard output
 * and error, 'T' part of a tar archive of /out, 'S' exit status (one byte),
 * 'F' the guest could not be set up (a reason). After 'S' or 'F' nothing
 * follows: the host stops the machine, so nothing can be lost by powering
 * off while the port still holds data.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOME_DIR	"/usr/lib/td"
#define REASON_FILE	"/run/td/reason"
#define MAX_ARGS	4096

static int port = -1;

static char *environment[] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"HOME=/root",
	"LANG=C.UTF-8",
	"TERM=dumb",
	NULL
};

/* As init, an exit would be a panic; the host notices the stop either way. */
static __attribute__((noreturn, format(printf, 1, 2)))
void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("td: agent: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

static void write_all(int fd, const void *data, size_t len)
{
	const char *p = data;
	ssize_t n;

	while (len) {
		n = write(fd, p, len);
		if (n < 0 && errno != EINTR)
			die("can't write to the port: %s", strerror(errno));
		if (n > 0) {
			p += n;
			len -= n;
		}
	}
}

static void send_frame(char type, const void *data, uint32_t len)
{
	unsigned char head[5] = {
		type, len & 0xff, len >> 8 & 0xff, len >> 16 & 0xff, len >> 24
	};

	write_all(port, head, sizeof(head));
	write_all(port, data, len);
}

static __attribute__((noreturn)) void wait_for_the_end(void)
{
	for (;;)
		if (wait(NULL) < 0)
			pause();
}

/* The port's number depends on what other virtio devices there are. */
static void open_port(void)
{
	glob_t found;
	int tries;

	for (tries = 0; tries < 500; tries++) {
		if (!glob("/dev/vport*p1", 0, NULL, &found)) {
			port = open(found.gl_pathv[0], O_RDWR | O_CLOEXEC);
			globfree(&found);
			if (port >= 0)
				return;
		}
		usleep(10000);
	}
	die("no virtio port");
}

/* One read from @fd, sent as @type. Return: false at end of file or error. */
static bool forward(int fd, char type)
{
	static char buffer[32768];
	ssize_t n = read(fd, buffer, sizeof(buffer));

	if (n > 0)
		send_frame(type, buffer, n);
	return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0 && p.revents & POLLIN;
}

/* Starts @argv with @out and @err as its output, -1 leaves them alone. */
static pid_t start(char **argv, int out, int err)
{
	sigset_t none;
	pid_t pid = fork();

	if (pid < 0)
		die("can't fork: %s", strerror(errno));
	if (pid)
		return pid;

	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	close(0);
	if (open("/dev/null", O_RDONLY))
		_exit(126);
	if ((out >= 0 && dup2(out, 1) < 0) || (err >= 0 && dup2(err, 2) < 0))
		_exit(126);
	execvp(argv[0], argv);
	fprintf(stderr, "td: can't run '%s': %s\n", argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

static int exit_status(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Waits for @pid, and for orphans on the way: init inherits them. */
static int wait_for(pid_t pid)
{
	int status;
	pid_t got;

	while ((got = wait(&status)) != pid)
		if (got < 0 && errno != EINTR)
			die("lost a child: %s", strerror(errno));
	return exit_status(status);
}

/* Takes every child that is gone. Return: @pid's exit status, -1: it lives. */
static int reap(pid_t pid, int child_fd)
{
	struct signalfd_siginfo info;
	int status, result = -1;
	pid_t got;

	if (read(child_fd, &info, sizeof(info)) < 0 && errno != EAGAIN)
		die("signalfd: %s", strerror(errno));
	while ((got = waitpid(-1, &status, WNOHANG)) > 0)
		if (got == pid)
			result = exit_status(status);
	return result;
}

/*
 * Runs the command and forwards its output while it lives. What it leaves in
 * the background may keep the pipes open, so its end is its exit, not theirs.
 */
static int run_command(char **argv, int child_fd)
{
	struct pollfd fds[3] = { { .fd = child_fd, .events = POLLIN } };
	int out[2], err[2], status = -1;
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
		die("can't make pipes: %s", strerror(errno));
	pid = start(argv, out[1], err[1]);
	close(out[1]);
	close(err[1]);
	fds[1] = (struct pollfd){ .fd = out[0], .events = POLLIN };
	fds[2] = (struct pollfd){ .fd = err[0], .events = POLLIN };

	while (status < 0) {
		if (poll(fds, 3, -1) < 0 && errno != EINTR)
			die("poll: %s", strerror(errno));
		if (fds[1].revents && !forward(out[0], 'O'))
			fds[1].fd = -1;
		if (fds[2].revents && !forward(err[0], 'E'))
			fds[2].fd = -1;
		if (fds[0].revents)
			status = reap(pid, child_fd);
	}
	while (readable(out[0]) && forward(out[0], 'O'))
		;
	while (readable(err[0]) && forward(err[0], 'E'))
		;
	return status;
}

static void send_out(void)
{
	static char *tar[] = { "tar", "-C", "/out", "-cf", "-", ".", NULL };
	int pipes[2];
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC))
		die("can't make a pipe: %s", strerror(errno));
	pid = start(tar, pipes[1], -1);
	close(pipes[1]);
	while (forward(pipes[0], 'T'))
		;
	close(pipes[0]);
	wait_for(pid);
}

static void set_up(void)
{
	static char *setup[] = { HOME_DIR "/setup", NULL };
	char reason[512] = "the guest's setup script failed";
	int fd;

	if (!wait_for(start(setup, -1, -1)))
		return;
	fd = open(REASON_FILE, O_RDONLY);
	if (fd >= 0 && read(fd, reason, sizeof(reason) - 1) < 0)
		fputs("td: can't read the reason\n", stderr);
	send_frame('F', reason, strcspn(reason, "\n"));
	wait_for_the_end();
}

/* The command's arguments, each ended by a zero byte, from a file. */
static char **load_command(void)
{
	static char *argv[MAX_ARGS + 1];
	char *data = NULL, *p;
	size_t size = 0, n = 0;
	ssize_t len;
	FILE *file;

	file = fopen(HOME_DIR "/command", "re");
	if (!file)
		die("no command: %s", strerror(errno));
	len = getdelim(&data, &size, EOF, file);
	fclose(file);
	if (len <= 0 || data[len - 1])
		die("the command is not a list of strings");
	for (p = data; p < data + len && n < MAX_ARGS; p += strlen(p) + 1)
		argv[n++] = p;
	return argv;
}

int main(void)
{
	unsigned char status;
	int child_fd;
	sigset_t child;
	char **argv;

	environ = environment;
	if (mount("dev", "/dev", "devtmpfs", MS_NOSUID, NULL))
		die("can't mount /dev: %s", strerror(errno));
	open_port();
	argv = load_command();
	set_up();

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	child_fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	if (child_fd < 0)
		die("signalfd: %s", strerror(errno));

	send_frame('R', NULL, 0);
	status = run_command(argv, child_fd);
	if (!access(HOME_DIR "/send-out", F_OK))
		send_out();
	send_frame('S', &status, 1);
	wait_for_the_end();
}
