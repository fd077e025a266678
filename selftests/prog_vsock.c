// SPDX-License-Identifier: MIT
/*
 * Carries connections from a vsock of this machine to a port of loopback
 *
 * Copyright The dstack for Linux authors
 *
 * prog_vsock FROM TO.  Says a line once somebody can connect; ends by a signal.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

static int fail(const char *what)
{
	perror(what);
	return EXIT_FAILURE;
}

/* False once there is no more, or nobody to take it. */
static int carry(int from, int to)
{
	char data[4096];
	ssize_t len = read(from, data, sizeof(data));

	return len > 0 && write(to, data, len) == len;
}

static void relay(int a, int b)
{
	struct pollfd fds[] = {
		{ .fd = a, .events = POLLIN }, { .fd = b, .events = POLLIN },
	};

	while (poll(fds, 2, -1) > 0) {
		if (fds[0].revents && !carry(a, b))
			return;
		if (fds[1].revents && !carry(b, a))
			return;
	}
}

static int serve(int from, int port)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET, .sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int to = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (to < 0 || connect(to, (struct sockaddr *)&at, sizeof(at)))
		return fail("connect");
	relay(from, to);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct sockaddr_vm at = {
		.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY,
	};
	int listening = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;

	if (argc != 3)
		return 2;
	at.svm_port = atoi(argv[1]);
	if (listening < 0 ||
	    bind(listening, (struct sockaddr *)&at, sizeof(at)) ||
	    listen(listening, 8))
		return fail("vsock");
	puts("ready");
	fflush(stdout);
	signal(SIGCHLD, SIG_IGN);
	while ((fd = accept(listening, NULL, NULL)) >= 0) {
		if (!fork())
			_exit(serve(fd, atoi(argv[2])));
		close(fd);
	}
	return fail("accept");
}
