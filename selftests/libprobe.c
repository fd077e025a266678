// SPDX-License-Identifier: MIT
/*
 * A library that says when its code runs, however it was loaded
 *
 * Copyright The dstack for Linux authors
 */
#include <link.h>
#include <unistd.h>

/* What makes it an audit module, for LD_AUDIT. */
unsigned int la_version(unsigned int version)
{
	return version;
}

static __attribute__((constructor)) void say(void)
{
	static const char text[] = "probe\n";

	if (write(STDOUT_FILENO, text, sizeof(text) - 1) < 0)
		_exit(1);
}
