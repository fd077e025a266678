/* SPDX-License-Identifier: MIT */
/*
 * The log file: what is at hand to recover it from
 *
 * Copyright The dstack for Linux authors
 */
#ifndef DSTACKD_MATERIAL_H
#define DSTACKD_MATERIAL_H

#include <limits.h>

#include "lines.h"
#include "store.h"

/* What there is to make a log of. */
struct material {
	const struct kernel_log *kernel;
	struct lines lines;	/* of the open file, then of the other one */
	size_t own;		/* so many of the open file */
	size_t first;		/* line of the kernel's event 0 */
	int other;		/* what is in the file's place, -1: nothing */
	bool moved;		/* the open file is not in its place */
	bool proven;		/* all digests are known */
};

/* rewrite.c */

/* Where the new file is while it is written. */
int rewrite_path(const struct store *store, char path[PATH_MAX]);
/* Puts a new file, of what is good, in the place of what is there. */
int rewrite(struct store *store, struct material *m, uint64_t good);
void say_lost(const struct store *store, uint64_t lost, uint64_t seq);

#endif /* DSTACKD_MATERIAL_H */
