// SPDX-License-Identifier: MIT
/*
 * Messages to people and to the service manager
 *
 * Copyright The dstack for Linux authors
 */
#include "dstackd.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

static bool use_syslog;

void msg(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	if (use_syslog) {
		vsyslog(LOG_NOTICE, fmt, args);
	} else {
		fputs("dstackd: ", stderr);
		vfprintf(stderr, fmt, args);
		fputc('\n', stderr);
	}
	va_end(args);
}

void msg_use_syslog(void)
{
	openlog("dstackd", LOG_PID, LOG_DAEMON);
	use_syslog = true;
}

void library_message(const char *message)
{
	msg("%s", message);
}

/* The whole protocol of sd_notify(3): one datagram. */
void notify_manager(const char *state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	socklen_t len;
	int fd;

	if (!path || strlen(path) >= sizeof(addr.sun_path))
		return;
	memcpy(addr.sun_path, path, strlen(path));
	len = offsetof(struct sockaddr_un, sun_path) + strlen(path);
	if (addr.sun_path[0] == '@')
		addr.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL,
		   (struct sockaddr *)&addr, len) < 0)
		msg("can't reach the service manager at '%s'", path);
	close(fd);
}
