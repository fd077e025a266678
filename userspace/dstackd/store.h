/* SPDX-License-Identifier: MIT */
/*
 * The log file: append, sync, and recover after anything
 *
 * Copyright The dstack for Linux authors
 *
 * Line i is event i since the register was zero.  What was synced is never
 * written again, what was not is cut off and taken from the kernel once more.
 * Functions return 0 or -errno and say nothing about errors: their caller
 * tries again until it works, and says so once.
 */
#ifndef DSTACKD_STORE_H
#define DSTACKD_STORE_H

#include <libdstack.h>
#include <time.h>

#define BATCH_BYTES	1048576	/* one sync for so much */

struct store {
	const char *path;	/* the caller's */
	int fd;			/* -1: closed */
	off_t size;		/* bytes that are on the disk */
	struct timespec mtime;	/* when we wrote last */
	bool dirty;		/* there may be more, of a failed write */
	char *buf;		/* lines that wait for store_commit() */
	size_t len, cap;
};

/* store.c */

/* -EINVAL: not a regular file. */
int store_open(struct store *store, const char *path);
void store_close(struct store *store);
/*
 * Is the file as we left it?  If not, *what is set to what somebody did to it,
 * in words, and store_recover() is due; else to NULL.
 */
int store_check(struct store *store, const char **what);
int store_add(struct store *store, const char *name, size_t name_len,
	      const void *payload, size_t len,
	      const uint8_t digest[DSTACK_REGISTER_SIZE]);
int store_add_text(struct store *store, const char *text, size_t len);
/* Keeps the place of an event whose content is gone. */
int store_add_lost(struct store *store,
		   const uint8_t digest[DSTACK_REGISTER_SIZE]);
/*
 * Writes and syncs what was added.  On an error the file is as it was before,
 * and what was added is forgotten.
 */
int store_commit(struct store *store);
/* Writes what was added, and no more: for a file that is not there yet. */
int store_write(struct store *store);
/* The directory that @path is in. */
int store_make_parent(const char *path);
int store_sync_parent(const char *path);

/* recover.c */

/*
 * What the kernel says about its log: a digest for every event from @first on,
 * and what those before replay to.  Theirs are zeros, until a file proves them.
 */
struct kernel_log {
	uint8_t base[DSTACK_REGISTER_SIZE];
	uint8_t start[DSTACK_REGISTER_SIZE];
	uint64_t first;
	uint8_t (*digests)[DSTACK_REGISTER_SIZE];
	uint64_t count, cap;
	uint64_t acked;		/* of these the kernel has no content */
};

/*
 * Makes the file at store->path hold the kernel's first *next events, from
 * what is good in it, in the open file, if that is another, and in the kernel.
 * A file that does not fit is kept under another name.
 */
int store_recover(struct store *store, const struct kernel_log *kernel,
		  uint64_t *next);

#endif /* DSTACKD_STORE_H */
