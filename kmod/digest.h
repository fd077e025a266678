/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The SHA-256 of a file's content, cached
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_DIGEST_H
#define _DSTACK_DIGEST_H

#include <linux/types.h>
#include <uapi/linux/dstack.h>

struct file;

int dstack_digest_init(void);
void dstack_digest_exit(void);
int dstack_digest_file(struct file *file, u8 out[DSTACK_DIGEST_SIZE]);
void dstack_digest_stats(u64 *hits_out, u64 *misses_out);

#endif /* _DSTACK_DIGEST_H */
