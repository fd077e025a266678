// SPDX-License-Identifier: MIT
/*
 * Error messages on their way to the caller
 *
 * Copyright The dstack for Linux authors
 */
#include "lib.h"

#include <stdarg.h>

static libdstack_message_fn message_callback;

void libdstack_set_message_callback(libdstack_message_fn callback)
{
	message_callback = callback;
}

void dstack_disarm(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
}

void dstack_message(const char *fmt, ...)
{
	char text[LIBDSTACK_MESSAGE_MAX];
	va_list args;

	if (!message_callback)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	dstack_disarm(text);
	message_callback(text);
}
