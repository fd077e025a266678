// SPDX-License-Identifier: MIT
/*
 * What a quote is made to say: report data
 *
 * Copyright The dstack for Linux authors
 */
#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "attestation.h"

/* Upstream's names, and OpenSSL's.  Keccak is SHA-3's elder, not SHA-3. */
static const struct {
	const char *name, *openssl;
} hashes[] = {
	{ "sha512", "SHA2-512" },
	{ "sha256", "SHA2-256" },
	{ "sha384", "SHA2-384" },
	{ "sha3-256", "SHA3-256" },
	{ "sha3-384", "SHA3-384" },
	{ "sha3-512", "SHA3-512" },
	{ "keccak256", "KECCAK-256" },
	{ "keccak384", "KECCAK-384" },
	{ "keccak512", "KECCAK-512" },
};

static EVP_MD *fetch(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++)
		if (!strcmp(hashes[i].name, name))
			return EVP_MD_fetch(NULL, hashes[i].openssl, NULL);
	return NULL;
}

int libdstack_report_data(const char *tag, const char *hash,
			  const void *content, size_t len,
			  uint8_t out[DSTACK_REPORT_DATA_SIZE])
{
	EVP_MD_CTX *ctx;
	EVP_MD *md;
	bool good;

	memset(out, 0, DSTACK_REPORT_DATA_SIZE);
	if (hash && !strcmp(hash, "raw")) {
		if (len != DSTACK_REPORT_DATA_SIZE)
			return -EINVAL;
		memcpy(out, content, len);
		return 0;
	}
	md = fetch(hash && *hash ? hash : hashes[0].name);
	if (!md)
		return -EOPNOTSUPP;
	ctx = EVP_MD_CTX_new();
	good = ctx && EVP_DigestInit_ex2(ctx, md, NULL) &&
		EVP_DigestUpdate(ctx, tag, strlen(tag)) &&
		EVP_DigestUpdate(ctx, ":", 1) &&
		EVP_DigestUpdate(ctx, content, len) &&
		EVP_DigestFinal_ex(ctx, out, NULL);
	EVP_MD_CTX_free(ctx);
	EVP_MD_free(md);
	return good ? 0 : -ENOMEM;
}
