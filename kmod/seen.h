/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What one container was already measured with
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_SEEN_H
#define _DSTACK_SEEN_H

#include <linux/rhashtable-types.h>
#include <linux/types.h>
#include <uapi/linux/dstack.h>

/**
 * struct dstack_seen - the files that a container has in the log
 * @files: by digest; read under RCU
 */
struct dstack_seen {
	struct rhashtable files;
};

/*
 * What is recorded of a file: a mask of enum dstack_kind if it was approved,
 * the same shifted if it was not.  Who reads the log must see either.
 */
#define DSTACK_SEEN_UNAPPROVED_SHIFT 8

int dstack_seen_init(struct dstack_seen *seen);
void dstack_seen_exit(struct dstack_seen *seen);
bool dstack_seen_recorded(struct dstack_seen *seen,
			  const struct dstack_digest *digest, u32 what);
void dstack_seen_add(struct dstack_seen *seen,
		     const struct dstack_digest *digest, u32 what);
u64 dstack_seen_denied(struct dstack_seen *seen,
		       const struct dstack_digest *digest,
		       enum dstack_kind kind);

/* Is this what is looked for; @kinds: those in which it was approved. */
typedef bool (*dstack_seen_fn)(const struct dstack_digest *digest, u32 kinds,
			       void *arg);

bool dstack_seen_find(struct dstack_seen *seen, dstack_seen_fn match, void *arg,
		      struct dstack_digest *digest);

#endif /* _DSTACK_SEEN_H */
