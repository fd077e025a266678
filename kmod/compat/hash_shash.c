// SPDX-License-Identifier: GPL-2.0-only
/*
 * hash.h by the crypto API, for kernels whose library has no SHA-384
 *
 * Copyright The dstack for Linux authors
 *
 * Drop when minimum >= 6.17.
 */
#include <crypto/hash.h>
#include <linux/err.h>
#include <linux/kmod.h>
#include <linux/slab.h>

#include "../hash.h"

struct dstack_sha256 {
	struct shash_desc desc;		/* and its state behind it */
};

static struct crypto_shash *sha256;
static struct crypto_shash *sha384;

int __init dstack_hash_init(void)
{
	int err;

	/*
	 * Where the portable ones are built in, the API does not ask for those
	 * that know this CPU: up to 20 times faster, and not in every kernel.
	 */
	request_module("crypto-sha256");
	request_module("crypto-sha512");
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

struct dstack_sha256 *dstack_sha256_begin(void)
{
	struct dstack_sha256 *state;
	int err;

	state = kmalloc(sizeof(*state) + crypto_shash_descsize(sha256),
			GFP_KERNEL);
	if (!state)
		return ERR_PTR(-ENOMEM);
	state->desc.tfm = sha256;
	err = crypto_shash_init(&state->desc);
	if (err) {
		kfree(state);
		return ERR_PTR(err);
	}
	return state;
}

int dstack_sha256_update(struct dstack_sha256 *state, const void *data,
			 size_t len)
{
	return crypto_shash_update(&state->desc, data, len);
}

int dstack_sha256_end(struct dstack_sha256 *state, u8 out[DSTACK_DIGEST_SIZE])
{
	return crypto_shash_final(&state->desc, out);
}

void dstack_sha256_free(struct dstack_sha256 *state)
{
	kfree_sensitive(state);
}

int dstack_sha256(const void *data, size_t len, u8 out[DSTACK_DIGEST_SIZE])
{
	return crypto_shash_tfm_digest(sha256, data, len, out);
}
