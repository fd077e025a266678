// SPDX-License-Identifier: GPL-2.0-only
/*
 * SHA-256 of files, SHA-384 of events, by the kernel's library
 *
 * Copyright The dstack for Linux authors
 *
 * Kernels before 6.17 have no SHA-384 in the library: compat/hash_shash.c.
 */
#include <crypto/sha2.h>
#include <linux/err.h>
#include <linux/slab.h>

#include "hash.h"

struct dstack_sha256 {
	struct sha256_ctx ctx;
};

/**
 * dstack_hash_init() - nothing to get ready
 *
 * Return: 0.
 */
int __init dstack_hash_init(void)
{
	return 0;
}

/**
 * dstack_hash_exit() - nothing to give back
 */
void dstack_hash_exit(void)
{
}

int dstack_sha384(const struct dstack_bytes *parts, size_t nr,
		  u8 out[DSTACK_REGISTER_SIZE])
{
	struct sha384_ctx ctx;
	size_t i;

	sha384_init(&ctx);
	for (i = 0; i < nr; i++)
		sha384_update(&ctx, parts[i].data, parts[i].len);
	sha384_final(&ctx, out);
	return 0;
}

/**
 * dstack_sha256_begin() - start hashing in pieces
 *
 * Return: a state for dstack_sha256_free(), or ERR_PTR.
 */
struct dstack_sha256 *dstack_sha256_begin(void)
{
	struct dstack_sha256 *state = kmalloc_obj(*state, GFP_KERNEL);

	if (!state)
		return ERR_PTR(-ENOMEM);
	sha256_init(&state->ctx);
	return state;
}

/**
 * dstack_sha256_update() - hash the next piece
 * @state: the state
 * @data: the piece
 * @len: its length
 *
 * Return: 0.
 */
int dstack_sha256_update(struct dstack_sha256 *state, const void *data,
			 size_t len)
{
	sha256_update(&state->ctx, data, len);
	return 0;
}

/**
 * dstack_sha256_end() - the digest of all pieces
 * @state: the state
 * @out: the digest
 *
 * Return: 0.
 */
int dstack_sha256_end(struct dstack_sha256 *state, u8 out[DSTACK_DIGEST_SIZE])
{
	sha256_final(&state->ctx, out);
	return 0;
}

/**
 * dstack_sha256_free() - drop the state
 * @state: the state
 */
void dstack_sha256_free(struct dstack_sha256 *state)
{
	kfree_sensitive(state);
}

/**
 * dstack_sha256() - hash one block of memory
 * @data: the block
 * @len: its length
 * @out: the digest
 *
 * Return: 0.
 */
int dstack_sha256(const void *data, size_t len, u8 out[DSTACK_DIGEST_SIZE])
{
	sha256(data, len, out);
	return 0;
}
