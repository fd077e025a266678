/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SHA-256 of files, SHA-384 of events, by the kernel's crypto API
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_HASH_H
#define _DSTACK_HASH_H

#include "pure.h"

struct shash_desc;

int dstack_hash_init(void);
void dstack_hash_exit(void);

struct shash_desc *dstack_sha256_begin(void);
int dstack_sha256_update(struct shash_desc *desc, const void *data,
			 unsigned int len);
int dstack_sha256_end(struct shash_desc *desc, u8 out[DSTACK_DIGEST_SIZE]);
void dstack_sha256_free(struct shash_desc *desc);
int dstack_sha256(const void *data, size_t len, u8 out[DSTACK_DIGEST_SIZE]);

#endif /* _DSTACK_HASH_H */
