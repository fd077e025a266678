// SPDX-License-Identifier: MIT
/*
 * Messages to people
 *
 * Copyright The dstack for Linux authors
 */
#include "dstackd.h"

#include <stdarg.h>
#include <syslog.h>

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
