/* SPDX-License-Identifier: MIT */
/*
 * The log file: append, sync, and recover after anything
 *
 * Copyright The dstack for Linux authors
 *
 * Line i is event i since the register was zero.  What was synced is never
 * written again, what was not is cut off and taken from the kernel once more.
 */
#ifndef DSTACKD_STORE_H
#define DSTACKD_STORE_H

#include <libdstack.h>

struct store {
	char *path;
	int fd;
	off_t size;		/* bytes that are on the disk */
	bool dirty;		/* there may be more, of a failed write */
	char *buf;		/* lines that wait for store_commit() */
	size_t len, cap;
};

/* store.c */

int store_open(struct store *store, const char *path);
void store_close(struct store *store);
int store_add(struct store *store, const char *name, size_t name_len,
	      const void *payload, size_t len,
	      const uint8_t digest[DSTACK_REGISTER_SIZE]);
/* Keeps the place of an event whose content is gone. */
int store_add_lost(struct store *store,
		   const uint8_t digest[DSTACK_REGISTER_SIZE]);
/*
 * Writes and syncs what was added.  On an error the file is as it was before,
 * and what was added is forgotten.  Prints nothing.
 */
int store_commit(struct store *store);

/* recover.c */

/* What the kernel says about its log: a digest for every event. */
struct kernel_log {
	uint8_t base[DSTACK_REGISTER_SIZE];
	uint8_t (*digests)[DSTACK_REGISTER_SIZE];
	uint64_t count, cap;
	uint64_t acked;		/* of these the kernel has no content */
};

/*
 * Makes the file hold the kernel's first *next events.  A file that does not
 * fit is kept under another name; what is good in it is used.
 */
int store_recover(struct store *store, const struct kernel_log *kernel,
		  uint64_t *next);

#endif /* DSTACKD_STORE_H */
