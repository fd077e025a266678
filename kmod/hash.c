// SPDX-License-Identifier: GPL-2.0-only
/*
 * SHA-256 of files, SHA-384 of events, by the kernel's crypto API
 *
 * Copyright The dstack for Linux authors
 *
 * The crypto API rather than the library functions: SHA-384 in lib/crypto came
 * with 6.17, and one source serves every kernel.
 */
#include <crypto/hash.h>
#include <linux/err.h>
#include <linux/slab.h>

#include "hash.h"

static struct crypto_shash *sha256;
static struct crypto_shash *sha384;

/**
 * dstack_hash_init() - get the two algorithms
 *
 * Return: 0 or -errno of the crypto API.
 */
int __init dstack_hash_init(void)
{
	int err;

	sha256 = crypto_alloc_shash("sha256", 0, 0);
	if (IS_ERR(sha256))
		return PTR_ERR(sha256);
	sha384 = crypto_alloc_shash("sha384", 0, 0);
	if (IS_ERR(sha384)) {
		err = PTR_ERR(sha384);
		goto err_free_sha256;
	}
	return 0;

err_free_sha256:
	crypto_free_shash(sha256);
	return err;
}

/**
 * dstack_hash_exit() - give the algorithms back
 */
void dstack_hash_exit(void)
{
	crypto_free_shash(sha384);
	crypto_free_shash(sha256);
}

int dstack_sha384(const struct dstack_bytes *parts, size_t nr,
		  u8 out[DSTACK_REGISTER_SIZE])
{
	SHASH_DESC_ON_STACK(desc, sha384);
	size_t i;
	int err;

	desc->tfm = sha384;
	err = crypto_shash_init(desc);
	for (i = 0; i < nr && !err; i++)
		err = crypto_shash_update(desc, parts[i].data, parts[i].len);
	if (!err)
		err = crypto_shash_final(desc, out);
	shash_desc_zero(desc);
	return err;
}

/**
 * dstack_sha256_begin() - start hashing in pieces
 *
 * Return: a state for dstack_sha256_free(), or ERR_PTR.
 */
struct shash_desc *dstack_sha256_begin(void)
{
	struct shash_desc *desc;
	int err;

	desc = kmalloc(sizeof(*desc) + crypto_shash_descsize(sha256),
		       GFP_KERNEL);
	if (!desc)
		return ERR_PTR(-ENOMEM);
	desc->tfm = sha256;
	err = crypto_shash_init(desc);
	if (err) {
		kfree(desc);
		return ERR_PTR(err);
	}
	return desc;
}

/**
 * dstack_sha256_update() - hash the next piece
 * @desc: the state
 * @data: the piece
 * @len: its length
 *
 * Return: 0 or -errno of the crypto API.
 */
int dstack_sha256_update(struct shash_desc *desc, const void *data,
			 unsigned int len)
{
	return crypto_shash_update(desc, data, len);
}

/**
 * dstack_sha256_end() - the digest of all pieces
 * @desc: the state
 * @out: the digest
 *
 * Return: 0 or -errno of the crypto API.
 */
int dstack_sha256_end(struct shash_desc *desc, u8 out[DSTACK_DIGEST_SIZE])
{
	return crypto_shash_final(desc, out);
}

/**
 * dstack_sha256_free() - drop the state
 * @desc: the state
 */
void dstack_sha256_free(struct shash_desc *desc)
{
	kfree_sensitive(desc);
}

/**
 * dstack_sha256() - hash one block of memory
 * @data: the block
 * @len: its length, below 4 GiB
 * @out: the digest
 *
 * Return: 0 or -errno of the crypto API.
 */
int dstack_sha256(const void *data, size_t len, u8 out[DSTACK_DIGEST_SIZE])
{
	return crypto_shash_tfm_digest(sha256, data, len, out);
}
