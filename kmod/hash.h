/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SHA-256 of files, SHA-384 of events
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_HASH_H
#define _DSTACK_HASH_H

#include "pure.h"

struct dstack_sha256;

int dstack_hash_init(void);
void dstack_hash_exit(void);

struct dstack_sha256 *dstack_sha256_begin(void);
int dstack_sha256_update(struct dstack_sha256 *state, const void *data,
			 size_t len);
int dstack_sha256_end(struct dstack_sha256 *state, u8 out[DSTACK_DIGEST_SIZE]);
void dstack_sha256_free(struct dstack_sha256 *state);
int dstack_sha256(const void *data, size_t len, u8 out[DSTACK_DIGEST_SIZE]);

#endif /* _DSTACK_HASH_H */
