// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) The dstack for Linux authors
 *
 * OpenSSL in the shapes that TDX uses: raw digests, raw signatures.
 */
#include "crypto.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

static void must(int ok, const char *what)
{
	if (ok == 1)
		return;
	fprintf(stderr, "tdx-module: OpenSSL cannot do %s\n", what);
	abort();
}

void sha256(const void *data, size_t size, uint8_t digest[32])
{
	must(EVP_Digest(data, size, digest, NULL, EVP_sha256(), NULL),
	     "SHA-256");
}

void sha384(const void *data, size_t size, uint8_t digest[48])
{
	must(EVP_Digest(data, size, digest, NULL, EVP_sha384(), NULL),
	     "SHA-384");
}

void hmac_sha256(const uint8_t key[32], const void *data, size_t size,
		 uint8_t mac[32])
{
	unsigned int len = 32;

	must(!!HMAC(EVP_sha256(), key, 32, data, size, mac, &len),
	     "HMAC-SHA256");
}

void random_bytes(void *data, size_t size)
{
	must(RAND_bytes(data, (int)size), "random numbers");
}

void sha384_extend(uint8_t digest[48], const uint8_t data[48])
{
	uint8_t both[96];

	memcpy(both, digest, 48);
	memcpy(both + 48, data, 48);
	sha384(both, sizeof(both), digest);
}

int sha384_file(const char *path, uint8_t digest[48])
{
	uint8_t block[65536];
	EVP_MD_CTX *ctx;
	size_t got;
	FILE *file;
	int err = 0;

	file = fopen(path, "rb");
	if (!file)
		return -errno;
	ctx = EVP_MD_CTX_new();
	must(ctx && EVP_DigestInit_ex(ctx, EVP_sha384(), NULL), "SHA-384");
	while ((got = fread(block, 1, sizeof(block), file)) > 0)
		must(EVP_DigestUpdate(ctx, block, got), "SHA-384");
	if (ferror(file))
		err = -EIO;
	must(EVP_DigestFinal_ex(ctx, digest, NULL), "SHA-384");
	EVP_MD_CTX_free(ctx);
	fclose(file);
	return err;
}

EVP_PKEY *p256_generate(void)
{
	return EVP_EC_gen("prime256v1");
}

int p256_public_raw(EVP_PKEY *key, uint8_t raw[P256_RAW_SIZE])
{
	uint8_t point[1 + P256_RAW_SIZE];
	size_t size = 0;

	if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point,
					    sizeof(point), &size) != 1 ||
	    size != sizeof(point) || point[0] != POINT_CONVERSION_UNCOMPRESSED)
		return -EIO;
	memcpy(raw, point + 1, P256_RAW_SIZE);
	return 0;
}

static int raw_from_der(const uint8_t *der, size_t size,
			uint8_t raw[P256_RAW_SIZE])
{
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)size);
	int half = P256_RAW_SIZE / 2;
	int err = -EIO;

	if (!sig)
		return -EIO;
	if (BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, half) == half &&
	    BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + half, half) == half)
		err = 0;
	ECDSA_SIG_free(sig);
	return err;
}

int p256_sign_raw(EVP_PKEY *key, const void *data, size_t size,
		  uint8_t raw[P256_RAW_SIZE])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t der[128];
	size_t der_size = sizeof(der);
	int err = -EIO;

	if (ctx &&
	    EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
	    EVP_DigestSign(ctx, der, &der_size, data, size) == 1)
		err = raw_from_der(der, der_size, raw);
	EVP_MD_CTX_free(ctx);
	return err;
}
