// SPDX-License-Identifier: MIT
/*
 * Ed25519, by OpenSSL
 *
 * Copyright The dstack for Linux authors
 */
#include "primitives.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

#define SIGN_BIT	0x80

static EVP_PKEY *pair_of(const uint8_t key[DSTACK_KEY_SIZE])
{
	return EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL, key,
					       DSTACK_KEY_SIZE);
}

int ed_public(const uint8_t key[DSTACK_KEY_SIZE],
	      uint8_t public[AGENT_ED25519_SIZE])
{
	size_t len = AGENT_ED25519_SIZE;
	EVP_PKEY *pair = pair_of(key);
	bool good;

	good = pair && EVP_PKEY_get_raw_public_key(pair, public, &len) == 1 &&
		len == AGENT_ED25519_SIZE;
	EVP_PKEY_free(pair);
	ERR_clear_error();
	return good ? 0 : -EIO;
}

int ed_sign(const uint8_t key[DSTACK_KEY_SIZE], const void *data, size_t len,
	    uint8_t signature[AGENT_SIGNATURE_SIZE])
{
	size_t signature_len = AGENT_SIGNATURE_SIZE;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY *pair = pair_of(key);
	bool good;

	good = ctx && pair &&
		EVP_DigestSignInit_ex(ctx, NULL, NULL, NULL, NULL, pair,
				      NULL) == 1 &&
		EVP_DigestSign(ctx, signature, &signature_len, data ?: "",
			       len) == 1 &&
		signature_len == AGENT_SIGNATURE_SIZE;
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(pair);
	ERR_clear_error();
	return good ? 0 : -EIO;
}

/*
 * The curve is -x^2 + y^2 = 1 + d x^2 y^2 with d = -121665/121666, over the
 * numbers modulo p = 2^255 - 19.  So x^2 = u/v with u = 121666 (y^2 - 1) and
 * v = 121666 - 121665 y^2, which is never 0.  Bytes are a point if u/v has a
 * root, which it has if u v has one, or -u v, as -1 has one.
 */
#define D_OVER	121665
#define D_UNDER	121666

static bool set_prime(BIGNUM *p)
{
	return BN_set_bit(p, 255) && BN_sub_word(p, 19);
}

/* *@product = -u v. */
static bool set_product(BIGNUM *product, const BIGNUM *y, const BIGNUM *p,
			BN_CTX *ctx)
{
	BIGNUM *square = BN_CTX_get(ctx), *under = BN_CTX_get(ctx);

	return under && BN_mod_sqr(square, y, p, ctx) &&
		BN_copy(under, square) && BN_mul_word(under, D_OVER) &&
		BN_sub_word(under, D_UNDER) && BN_mul_word(under, D_UNDER) &&
		BN_sub_word(square, 1) &&
		BN_mod_mul(product, square, under, p, ctx);
}

/* OpenSSL does not tell what is no key from what did not verify. */
bool ed_is_public(const uint8_t *public, size_t len)
{
	uint8_t bytes[AGENT_ED25519_SIZE];
	BN_CTX *ctx = BN_CTX_new();
	BIGNUM *p, *y, *product;
	bool good = false;

	if (!ctx || len != sizeof(bytes))
		goto out;
	memcpy(bytes, public, sizeof(bytes));
	bytes[sizeof(bytes) - 1] &= ~SIGN_BIT;
	BN_CTX_start(ctx);
	p = BN_CTX_get(ctx);
	y = BN_CTX_get(ctx);
	product = BN_CTX_get(ctx);
	good = product && set_prime(p) &&
		BN_lebin2bn(bytes, sizeof(bytes), y) &&
		set_product(product, y, p, ctx) &&
		(BN_is_zero(product) || BN_kronecker(product, p, ctx) == 1);
	BN_CTX_end(ctx);
out:
	BN_CTX_free(ctx);
	ERR_clear_error();
	return good;
}

int ed_verify(const uint8_t public[AGENT_ED25519_SIZE], const void *data,
	      size_t len, const uint8_t signature[AGENT_SIGNATURE_SIZE],
	      bool *valid)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY *key;
	bool ready;

	key = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, public,
					     AGENT_ED25519_SIZE);
	ready = ctx && key && EVP_DigestVerifyInit_ex(ctx, NULL, NULL, NULL,
						      NULL, key, NULL) == 1;
	if (ready)
		*valid = EVP_DigestVerify(ctx, signature, AGENT_SIGNATURE_SIZE,
					  data ?: "", len) == 1;
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return ready ? 0 : -EIO;
}
