// SPDX-License-Identifier: MIT
/*
 * The hashes that are signed
 *
 * Copyright The dstack for Linux authors
 */
#include "primitives.h"

#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>

static pthread_once_t fetch_once = PTHREAD_ONCE_INIT;
static EVP_MD *hashes[2];

/* KECCAK-256 is not SHA3-256: it pads otherwise. */
static void fetch(void)
{
	hashes[HASH_SHA256] = EVP_MD_fetch(NULL, "SHA256", NULL);
	hashes[HASH_KECCAK256] = EVP_MD_fetch(NULL, "KECCAK-256", NULL);
}

static int update(EVP_MD_CTX *ctx, const struct part *parts, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++)
		if (!EVP_DigestUpdate(ctx, parts[i].data, parts[i].len))
			return -EIO;
	return 0;
}

int hash_parts(enum hash which, const struct part *parts, size_t nr,
	       uint8_t out[HASH_SIZE])
{
	EVP_MD_CTX *ctx;
	int err = -EIO;

	pthread_once(&fetch_once, fetch);
	if (!hashes[which])
		return -ENOPKG;
	ctx = EVP_MD_CTX_new();
	if (!ctx)
		return -ENOMEM;
	if (EVP_DigestInit_ex2(ctx, hashes[which], NULL))
		err = update(ctx, parts, nr);
	if (!err && !EVP_DigestFinal_ex(ctx, out, NULL))
		err = -EIO;
	EVP_MD_CTX_free(ctx);
	return err;
}
