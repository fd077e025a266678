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
 * @files: by digest and kind; read under RCU
 */
struct dstack_seen {
	struct rhashtable files;
};

int dstack_seen_init(struct dstack_seen *seen);
void dstack_seen_exit(struct dstack_seen *seen);
bool dstack_seen_measured(struct dstack_seen *seen,
			  const u8 digest[DSTACK_DIGEST_SIZE], u32 kind);
void dstack_seen_add(struct dstack_seen *seen,
		     const u8 digest[DSTACK_DIGEST_SIZE], u32 kind);
u64 dstack_seen_denied(struct dstack_seen *seen,
		       const u8 digest[DSTACK_DIGEST_SIZE], u32 kind);

#endif /* _DSTACK_SEEN_H */
