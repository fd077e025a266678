/* SPDX-License-Identifier: MIT */
/*
 * What the helper programs share
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _SELFTESTS_PROG_H
#define _SELFTESTS_PROG_H

#include <errno.h>
#include <stdio.h>

/* The name of errno, of those that a test asks for. */
static inline const char *errno_name(void)
{
	static const struct {
		int value;
		const char *name;
	} names[] = {
		{ EACCES, "EACCES" }, { EINVAL, "EINVAL" }, { ELOOP, "ELOOP" },
		{ ENOENT, "ENOENT" }, { ENOEXEC, "ENOEXEC" },
		{ EPERM, "EPERM" }, { ETXTBSY, "ETXTBSY" },
	};
	static char other[32];
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].value == errno)
			return names[i].name;
	snprintf(other, sizeof(other), "errno %d", errno);
	return other;
}

#endif /* _SELFTESTS_PROG_H */
