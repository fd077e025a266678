// SPDX-License-Identifier: MIT
/*
 * Numbers as texts
 *
 * Copyright The dstack for Linux authors
 */
#include "lib.h"

#include <errno.h>
#include <stdlib.h>

/* Left alone, strtoull() takes blanks, signs and what is behind, too. */
bool libdstack_parse_u64(const char *text, uint64_t max, uint64_t *value)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return !errno && !*end && *value <= max;
}
