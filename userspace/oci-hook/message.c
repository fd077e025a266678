// SPDX-License-Identifier: MIT
/*
 * Messages to whoever started the container
 *
 * Copyright The dstack for Linux authors
 */
#include "oci-hook.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

static const char *about;
static char library_text[LIBDSTACK_MESSAGE_MAX];

/* Most of a line comes from others: no terminal and no log obeys it. */
static void disarm(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
}

void msg(const char *fmt, ...)
{
	char text[2 * LIBDSTACK_MESSAGE_MAX];
	const char *label = about ? "container " : "";
	const char *colon = about ? ": " : "";
	const char *id = about ? about : "";
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	disarm(text);
	fprintf(stderr, "dstack-oci-hook: %s%s%s%s\n", label, id, colon, text);
	openlog("dstack-oci-hook", LOG_PID, LOG_DAEMON);
	syslog(LOG_ERR, "%s%s%s%s", label, id, colon, text);
	closelog();
}

void msg_about(const char *id)
{
	about = id;
}

void library_message(const char *message)
{
	snprintf(library_text, sizeof(library_text), "%s", message);
}

void msg_library(const char *hint)
{
	msg("%s%s%s", *library_text ? library_text : "not enough memory",
	    *hint ? "; " : "", hint);
}
