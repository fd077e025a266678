// SPDX-License-Identifier: MIT
/*
 * Messages to people
 *
 * Copyright The dstack for Linux authors
 */
#include "boot.h"

#include <stdarg.h>

static const char *step;

void message_step(const char *name)
{
	step = name;
}

static void print(const char *fmt, va_list args)
{
	char line[LIBDSTACK_MESSAGE_MAX];

	vsnprintf(line, sizeof(line), fmt, args);
	fprintf(stderr, "dstack-boot: %s%s%s\n", step ? step : "",
		step ? ": " : "", line);
}

void boot_say(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	print(fmt, args);
	va_end(args);
}

void boot_tell(const char *line)
{
	boot_say("%s", line);
}

int boot_fail(int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	print(fmt, args);
	va_end(args);
	return err;
}
