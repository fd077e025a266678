// SPDX-License-Identifier: MIT
/*
 * Public keys from their numbers, as evidence writes them
 *
 * Copyright The dstack for Linux authors
 */
#include "keys.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <string.h>

#include "signature.h"

#define POINT_PLAIN	4		/* x and y follow */
#define COORDINATE_MAX	48
#define RSA_BITS_MIN	2048
#define RSA_BITS_MAX	4096

static EVP_PKEY *from_params(const char *type, OSSL_PARAM *params)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *key = NULL;

	if (ctx && params && EVP_PKEY_fromdata_init(ctx) > 0 &&
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) <= 0)
		key = NULL;
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	return key;
}

EVP_PKEY *keys_rsa(const uint8_t *n, size_t n_len, const uint8_t *e,
		   size_t e_len)
{
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	BIGNUM *big_n = NULL, *big_e = NULL;
	OSSL_PARAM *params = NULL;
	EVP_PKEY *key = NULL;

	if (n_len <= RSA_BITS_MAX / 8 && e_len <= sizeof(uint64_t)) {
		big_n = BN_bin2bn(n, n_len, NULL);
		big_e = BN_bin2bn(e, e_len, NULL);
	}
	if (build && big_n && big_e &&
	    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, big_n) &&
	    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, big_e))
		params = OSSL_PARAM_BLD_to_param(build);
	if (params)
		key = from_params("RSA", params);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	BN_free(big_n);
	BN_free(big_e);
	return key;
}

EVP_PKEY *keys_ec(const char *group, const uint8_t *x, const uint8_t *y,
		  size_t len)
{
	uint8_t point[1 + 2 * COORDINATE_MAX] = { POINT_PLAIN };
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
						 (char *)group, 0),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY,
						  point, 1 + 2 * len),
		OSSL_PARAM_construct_end(),
	};

	if (len > COORDINATE_MAX)
		return NULL;
	memcpy(point + 1, x, len);
	memcpy(point + 1 + len, y, len);
	return from_params("EC", params);
}

bool keys_is_strong(const EVP_PKEY *key)
{
	if (!key)
		return false;
	if (EVP_PKEY_is_a(key, "RSA"))
		return EVP_PKEY_get_bits(key) >= RSA_BITS_MIN &&
			EVP_PKEY_get_bits(key) <= RSA_BITS_MAX;
	return signature_key_is_on(key, SIGNATURE_P256) ||
		signature_key_is_on(key, SIGNATURE_P384);
}
