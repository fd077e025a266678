// SPDX-License-Identifier: MIT
/*
 * Stands in for a service manager: prints what it is notified of
 *
 * Copyright The dstack for Linux authors
 *
 * One line for each datagram, with its lines separated by spaces.
 */
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "prog.h"

static int listen_at(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	if (strlen(path) >= sizeof(addr.sun_path))
		return -1;
	memcpy(addr.sun_path, path, strlen(path));
	if (addr.sun_path[0] == '@')
		addr.sun_path[0] = '\0';
	if (bind(fd, (struct sockaddr *)&addr,
		 offsetof(struct sockaddr_un, sun_path) + strlen(path)))
		return -1;
	return fd;
}

int main(int argc, char **argv)
{
	char text[8192], *at;
	ssize_t len;
	int fd;

	if (argc != 2) {
		fputs("Usage: prog_notify PATH|@NAME\n", stderr);
		return 2;
	}
	fd = listen_at(argv[1]);
	if (fd < 0) {
		fprintf(stderr, "prog_notify: %s\n", errno_name());
		return 1;
	}
	puts("listening");
	for (;;) {
		fflush(stdout);
		len = recv(fd, text, sizeof(text) - 1, 0);
		if (len < 0)
			return 1;
		text[len] = '\0';
		for (at = text; (at = strchr(at, '\n')); at++)
			*at = ' ';
		puts(text);
	}
}
