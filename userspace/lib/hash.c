// SPDX-License-Identifier: MIT
/*
 * The hash that the rooms shared with the kernel call
 *
 * Copyright The dstack for Linux authors
 */
#include "pure.h"

#include <openssl/evp.h>
#include <pthread.h>

static pthread_once_t fetch_once = PTHREAD_ONCE_INIT;
static EVP_MD *sha384;

/* Looking an algorithm up costs more than hashing an event with it. */
static void fetch(void)
{
	sha384 = EVP_MD_fetch(NULL, "SHA384", NULL);
}

static int hash_parts(EVP_MD_CTX *ctx, const struct dstack_bytes *parts,
		      size_t nr, u8 out[DSTACK_REGISTER_SIZE])
{
	size_t i;

	if (!EVP_DigestInit_ex2(ctx, sha384, NULL))
		return -EIO;
	for (i = 0; i < nr; i++)
		if (!EVP_DigestUpdate(ctx, parts[i].data, parts[i].len))
			return -EIO;
	return EVP_DigestFinal_ex(ctx, out, NULL) ? 0 : -EIO;
}

int dstack_sha384(const struct dstack_bytes *parts, size_t nr,
		  u8 out[DSTACK_REGISTER_SIZE])
{
	EVP_MD_CTX *ctx;
	int err;

	pthread_once(&fetch_once, fetch);
	if (!sha384)
		return -ENOPKG;
	ctx = EVP_MD_CTX_new();
	if (!ctx)
		return -ENOMEM;
	err = hash_parts(ctx, parts, nr, out);
	EVP_MD_CTX_free(ctx);
	return err;
}
