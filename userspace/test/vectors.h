/* SPDX-License-Identifier: MIT */
/*
 * Evidence of real machines, where the tests have it
 *
 * Copyright The dstack for Linux authors
 *
 * It stays in the directory that $DSTACK_VECTORS names.  Without it the tests
 * that need it are skipped.
 */
#ifndef VECTORS_H
#define VECTORS_H

#include <stdlib.h>
#include <unistd.h>

#include "lib.h"

#define VECTOR_MAX	(1 << 20)

struct vector {
	char *data;
	size_t len;
};

static inline void vectors_need(void)
{
	const char *where = getenv("DSTACK_VECTORS");

	if (where && !access(where, R_OK))
		return;
	print_message("# no test vectors: set DSTACK_VECTORS to their directory\n");
	skip();
}

/* The test ends here where there are none. */
static inline struct vector vector_load(const char *name)
{
	struct vector v;
	char path[4096];

	vectors_need();
	snprintf(path, sizeof(path), "%s/%s", getenv("DSTACK_VECTORS"), name);
	if (dstack_file_read(path, VECTOR_MAX, &v.data, &v.len))
		fail_msg("can't read %s", path);
	return v;
}

#endif /* VECTORS_H */
