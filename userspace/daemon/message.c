// SPDX-License-Identifier: MIT
/*
 * Messages to people
 *
 * Copyright The dstack for Linux authors
 */
#include "daemon.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define MESSAGE_MAX	8192	/* a path or two, and words around them */

static const char *name = "dstackd";
static bool use_syslog;

void msg_name(const char *program)
{
	name = program;
}

/* The journal takes a line's beginning for its level: sd-daemon(3). */
static void to_stderr(int level, const char *fmt, va_list args)
{
	char text[MESSAGE_MAX];

	vsnprintf(text, sizeof(text), fmt, args);
	if (getenv("JOURNAL_STREAM"))
		fprintf(stderr, "<%d>%s: %s\n", level, name, text);
	else
		fprintf(stderr, "%s: %s\n", name, text);
}

static void say(int level, const char *fmt, va_list args)
{
	if (use_syslog)
		vsyslog(level, fmt, args);
	else
		to_stderr(level, fmt, args);
}

void msg(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(LOG_ERR, fmt, args);
	va_end(args);
}

void msg_at(int level, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(level, fmt, args);
	va_end(args);
}

void msg_use_syslog(void)
{
	openlog(name, LOG_PID, LOG_DAEMON);
	use_syslog = true;
}

void library_message(const char *message)
{
	msg("%s", message);
}
