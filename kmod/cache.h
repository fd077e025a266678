/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Digests that need not be computed again
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_CACHE_H
#define _DSTACK_CACHE_H

#include <linux/types.h>
#include <uapi/linux/dstack.h>

struct inode;
struct super_block;

/* Computes the digest of an inode's content; 0 or -errno. */
typedef int (*dstack_compute_fn)(void *arg, u8 out[DSTACK_DIGEST_SIZE]);

int dstack_cache_init(void);
void dstack_cache_exit(void);
void dstack_cache_use(bool use);

int dstack_cache_digest(struct inode *inode, dstack_compute_fn compute,
			void *arg, u8 out[DSTACK_DIGEST_SIZE]);
bool dstack_cache_peek(struct inode *inode, u8 out[DSTACK_DIGEST_SIZE]);
void dstack_cache_forget(const struct inode *inode);
void dstack_cache_forget_super(const struct super_block *sb);
void dstack_cache_stats(u64 *hits_out, u64 *misses_out);

#endif /* _DSTACK_CACHE_H */
