// SPDX-License-Identifier: MIT
/*
 * Hashes of several parts
 *
 * Copyright The dstack for Linux authors
 */
#include "identity.h"

#include <openssl/evp.h>

static bool hash_parts(EVP_MD_CTX *ctx, const EVP_MD *md,
		       const struct libdstack_span *parts, size_t nr,
		       uint8_t *out)
{
	size_t i;

	if (!EVP_DigestInit_ex2(ctx, md, NULL))
		return false;
	for (i = 0; i < nr; i++)
		if (!EVP_DigestUpdate(ctx, parts[i].data, parts[i].len))
			return false;
	return EVP_DigestFinal_ex(ctx, out, NULL);
}

bool ident_hash(const char *name, const struct libdstack_span *parts,
		size_t nr, uint8_t out[IDENT_HASH_SIZE])
{
	EVP_MD *md = EVP_MD_fetch(NULL, name, NULL);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good;

	good = md && ctx && EVP_MD_get_size(md) == IDENT_HASH_SIZE &&
		hash_parts(ctx, md, parts, nr, out);
	EVP_MD_CTX_free(ctx);
	EVP_MD_free(md);
	return good;
}

bool ident_sha256(const struct libdstack_span *parts, size_t nr,
		  uint8_t out[IDENT_HASH_SIZE])
{
	return ident_hash("SHA2-256", parts, nr, out);
}

int ident_no_hash(struct libdstack_failure *failure)
{
	return verify_fail(failure, REASON(MEMORY), "can't hash");
}
