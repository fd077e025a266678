// SPDX-License-Identifier: MIT
/*
 * The service manager: what it is told, and that we are alive
 *
 * Copyright The dstack for Linux authors
 *
 * The protocol of sd_notify(3) is one datagram, and promised to stay so; a
 * daemon that must come up early does not link with libsystemd for it.
 */
#include "daemon.h"

#include <errno.h>
#include <libdstack.h>
#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define TEXT_MAX	4608	/* a path, and words around it */

static struct sockaddr_un manager = { .sun_family = AF_UNIX };
static socklen_t manager_len;	/* 0: there is none */
static int64_t interval_ms;	/* 0: nobody watches */
static int64_t due_ms;

int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

int64_t now_ms(void)
{
	return now_us() / 1000;
}

/* $NAME as a number, 0 if it is none. */
static uint64_t number(const char *name)
{
	const char *text = getenv(name);
	uint64_t value;

	if (!text || !libdstack_parse_u64(text, UINT64_MAX, &value))
		return 0;
	return value;
}

/* A service may hand its environment to children: who is meant is named. */
static void watch_init(void)
{
	uint64_t usec = number("WATCHDOG_USEC");

	if (getenv("WATCHDOG_PID") &&
	    number("WATCHDOG_PID") != (uint64_t)getpid())
		return;
	if (!usec || usec > INT_MAX * 1000ULL)
		return;
	interval_ms = usec / 2000;
	if (!interval_ms)
		interval_ms = 1;
}

void notify_init(void)
{
	const char *path = getenv("NOTIFY_SOCKET");

	if (!path || (*path != '/' && *path != '@') ||
	    strlen(path) >= sizeof(manager.sun_path))
		return;
	memcpy(manager.sun_path, path, strlen(path));
	manager_len = offsetof(struct sockaddr_un, sun_path) + strlen(path);
	if (*path == '@')
		manager.sun_path[0] = '\0';
	watch_init();
}

void notify_manager(const char *fmt, ...)
{
	static bool failed;	/* that is said once, not at each heartbeat */
	char text[TEXT_MAX];
	va_list args;
	int fd;

	if (!manager_len)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (sendto(fd, text, strlen(text), MSG_NOSIGNAL,
		   (struct sockaddr *)&manager, manager_len) >= 0) {
		failed = false;
	} else if (!failed) {
		failed = true;
		msg("can't reach the service manager at '%s': %s",
		    getenv("NOTIFY_SOCKET"), strerror(errno));
	}
	close(fd);
}

void notify_reloading(void)
{
	notify_manager("RELOADING=1\nMONOTONIC_USEC=%lld",
		       (long long)now_us());
}

void notify_alive(void)
{
	if (!interval_ms || now_ms() < due_ms)
		return;
	notify_manager("WATCHDOG=1");
	due_ms = now_ms() + interval_ms;
}

int notify_patience(int ms)
{
	int64_t left = due_ms - now_ms();

	if (!interval_ms || left >= ms)
		return ms;
	return left > 0 ? (int)left : 0;
}
