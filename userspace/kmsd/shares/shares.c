// SPDX-License-Identifier: MIT
/*
 * Roots in shares: split, combined, shared anew
 *
 * Copyright The dstack for Linux authors
 *
 * What is shared is a random salt and the secret behind it.  The commitment is
 * the hash of both and of what all shares of the set say.  The salt is known
 * to nobody who has fewer than k shares, so the commitment is of no use to try
 * secrets with.
 */
#include "shares.h"

#include <errno.h>
#include <libdstack.h>
#include <libgfshare.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <string.h>

#include "../../keys/primitives.h"

#define TAG	"dstack-kms-shares-v1"

/*
 * libgfshare
 */

static _Thread_local bool no_random;

/* Also what its memory is overwritten with, before that is freed. */
static void fill(unsigned char *out, unsigned int len)
{
	if (RAND_priv_bytes(out, len) == 1)
		return;
	memset(out, 0, len);
	no_random = true;
}

static void use_random(void)
{
	gfshare_fill_rand = fill;
}

static void begin(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, use_random);
	no_random = false;
}

static int split(uint8_t *data, const struct shares_plan *plan, size_t len,
		 struct share *shares)
{
	uint8_t points[SHARES_MAX];
	gfshare_ctx *ctx;
	uint8_t i;

	for (i = 0; i < plan->n; i++)
		points[i] = i + 1;
	begin();
	ctx = gfshare_ctx_init_enc(points, plan->n, plan->k, len);
	if (!ctx)
		return -ENOMEM;
	gfshare_ctx_enc_setsecret(ctx, data);
	for (i = 0; i < plan->n; i++) {
		shares[i].x = points[i];
		gfshare_ctx_enc_getshare(ctx, i, shares[i].data);
	}
	/* Coefficients that are not random would tell the secret. */
	i = no_random;
	gfshare_ctx_free(ctx);
	return i ? -EIO : 0;
}

static int combine(const struct share *const *shares, size_t nr, uint8_t *data)
{
	uint8_t points[SHARES_MAX];
	gfshare_ctx *ctx;
	size_t i;

	for (i = 0; i < nr; i++)
		points[i] = shares[i]->x;
	begin();
	ctx = gfshare_ctx_init_dec(points, nr, shares[0]->len);
	if (!ctx)
		return -ENOMEM;
	for (i = 0; i < nr; i++)
		gfshare_ctx_dec_giveshare(ctx, i,
					  (uint8_t *)shares[i]->data);
	gfshare_ctx_dec_extract(ctx, data);
	gfshare_ctx_free(ctx);
	return 0;
}

/*
 * Sets
 */

static int fail(int err, const char **why, const char *text)
{
	*why = text;
	return err;
}

static void put(uint8_t *at, uint64_t value, int size)
{
	int i;

	for (i = 0; i < size; i++)
		at[i] = value >> (8 * i);
}

/* @data: salt and secret. */
static int commit(const struct share *share, const uint8_t *data,
		  uint8_t out[SHARES_HASH_SIZE])
{
	uint8_t said[18];
	const struct part parts[] = {
		{ TAG, sizeof(TAG) }, { said, sizeof(said) },
		{ data, share->len },
	};

	said[0] = share->k;
	said[1] = share->n;
	put(said + 2, share->epoch, 8);
	put(said + 10, share->generation, 4);
	put(said + 14, share->len, 4);
	return hash_parts(HASH_SHA256, parts, 3, out);
}

static bool plan_is_good(uint8_t k, uint8_t n)
{
	return k >= SHARES_MIN && k <= n && n <= SHARES_MAX;
}

static int split_salted(const struct shares_plan *plan, uint8_t *data,
			size_t len, struct share *shares)
{
	struct share first = {
		.k = plan->k, .n = plan->n, .epoch = plan->epoch,
		.generation = plan->generation, .len = len,
	};
	int err = commit(&first, data, first.commitment);
	uint8_t i;

	for (i = 0; i < plan->n; i++)
		shares[i] = first;
	if (!err)
		err = split(data, plan, len, shares);
	if (err)
		OPENSSL_cleanse(shares, plan->n * sizeof(*shares));
	return err;
}

int shares_split(const struct shares_plan *plan, const void *secret,
		 size_t len, struct share *shares, const char **why)
{
	size_t whole = SHARES_SALT_SIZE + len;
	void *data;
	int err;

	if (!plan_is_good(plan->k, plan->n))
		return fail(-EINVAL, why, "it takes 2 shares at least, of 32 at most");
	if (!len || len > SHARES_SECRET_MAX)
		return fail(-EINVAL, why, "what is to be shared has no bytes, or more than 4096");
	err = libdstack_secret_alloc(whole, &data);
	if (err)
		return fail(err, why, "out of memory");
	if (RAND_priv_bytes(data, SHARES_SALT_SIZE) == 1) {
		memcpy((uint8_t *)data + SHARES_SALT_SIZE, secret, len);
		err = split_salted(plan, data, whole, shares);
	} else {
		err = -EIO;
	}
	libdstack_secret_free(data, whole);
	if (!err)
		return 0;
	return fail(err, why, "it can't be shared: no memory, or no random numbers");
}

/* The shares say that they are of one set, and of the right one. */
static int check_set(const struct share *const *shares, size_t nr,
		     uint32_t generation, const char **why)
{
	const struct share *first = shares[0], *share;
	uint64_t seen = 0;
	size_t i;

	for (i = 0; i < nr; i++) {
		share = shares[i];
		if (share->generation != generation)
			return fail(-ESTALE, why, "a share is of another generation: they were shared anew since, or are yet to be");
		if (share->k != first->k || share->n != first->n ||
		    share->epoch != first->epoch ||
		    share->len != first->len ||
		    memcmp(share->commitment, first->commitment,
			   sizeof(share->commitment)) != 0)
			return fail(-EINVAL, why, "these are not shares of one secret");
		if (!share->x || share->x > share->n)
			return fail(-EINVAL, why, "a share has a number that none has");
		if (seen & 1ULL << share->x)
			return fail(-EEXIST, why, "a share is there twice");
		seen |= 1ULL << share->x;
	}
	return 0;
}

static int check(const struct share *const *shares, size_t nr,
		 uint32_t generation, const char **why)
{
	const struct share *first;

	if (!nr || nr > SHARES_MAX)
		return fail(nr ? -EINVAL : -ENODATA, why,
			    "there are no shares, or more than 32");
	first = shares[0];
	if (!plan_is_good(first->k, first->n) ||
	    first->len <= SHARES_SALT_SIZE || first->len > SHARES_DATA_MAX)
		return fail(-EINVAL, why, "this is no share");
	if (nr < first->k)
		return fail(-ENODATA, why, "there are fewer shares than it takes");
	return check_set(shares, nr, generation, why);
}

static int combine_checked(const struct share *const *shares, size_t nr,
			   uint8_t *data, const char **why)
{
	uint8_t digest[SHARES_HASH_SIZE];
	int err = combine(shares, nr, data) ?:
		commit(shares[0], data, digest);

	if (err)
		return fail(err, why, "the shares can't be combined");
	if (CRYPTO_memcmp(digest, shares[0]->commitment, sizeof(digest)) != 0)
		return fail(-EBADMSG, why, "a share is not what it was: what they give is not what was shared");
	return 0;
}

int shares_combine(const struct share *const *shares, size_t nr,
		   uint32_t generation, void *secret, size_t *len,
		   const char **why)
{
	size_t whole;
	void *data;
	int err = check(shares, nr, generation, why);

	if (err)
		return err;
	whole = shares[0]->len;
	err = libdstack_secret_alloc(whole, &data);
	if (err)
		return fail(err, why, "out of memory");
	err = combine_checked(shares, nr, data, why);
	if (!err) {
		*len = whole - SHARES_SALT_SIZE;
		memcpy(secret, (uint8_t *)data + SHARES_SALT_SIZE, *len);
	}
	libdstack_secret_free(data, whole);
	return err;
}

int shares_renew(const struct share *const *old, size_t nr,
		 uint32_t generation, uint8_t k, uint8_t n,
		 struct share *shares, const char **why)
{
	struct shares_plan plan = {
		.k = k, .n = n, .generation = generation + 1,
	};
	void *secret;
	size_t len;
	int err;

	if (generation == UINT32_MAX)
		return fail(-EOVERFLOW, why, "there is no next generation");
	err = libdstack_secret_alloc(SHARES_SECRET_MAX, &secret);
	if (err)
		return fail(err, why, "out of memory");
	err = shares_combine(old, nr, generation, secret, &len, why);
	if (!err) {
		plan.epoch = old[0]->epoch;
		err = shares_split(&plan, secret, len, shares, why);
	}
	libdstack_secret_free(secret, SHARES_SECRET_MAX);
	return err;
}
