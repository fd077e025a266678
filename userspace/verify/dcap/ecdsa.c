// SPDX-License-Identifier: MIT
/*
 * ECDSA as quotes and collateral write it: raw points, raw signatures
 *
 * Copyright The dstack for Linux authors
 */
#include "dcap.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <string.h>

#define P256_NAME	"prime256v1"
#define POINT_PLAIN	4		/* x and y follow */

/* NULL also for a point that is not on the curve. */
EVP_PKEY *dcap_ecdsa_key(const uint8_t raw[DCAP_KEY_SIZE])
{
	uint8_t point[1 + DCAP_KEY_SIZE] = { POINT_PLAIN };
	char group[] = P256_NAME;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
						 group, 0),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY,
						  point, sizeof(point)),
		OSSL_PARAM_construct_end(),
	};
	EVP_PKEY_CTX *ctx;
	EVP_PKEY *key = NULL;

	memcpy(point + 1, raw, DCAP_KEY_SIZE);
	ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	if (ctx && EVP_PKEY_fromdata_init(ctx) > 0 &&
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) <= 0)
		key = NULL;
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	return key;
}

/* OpenSSL wants r and s as DER.  Returns its length or 0. */
static int to_der(const uint8_t raw[DCAP_SIGNATURE_SIZE], uint8_t **der)
{
	const int half = DCAP_SIGNATURE_SIZE / 2;
	BIGNUM *r = BN_bin2bn(raw, half, NULL);
	BIGNUM *s = BN_bin2bn(raw + half, half, NULL);
	ECDSA_SIG *sig = ECDSA_SIG_new();
	int len = 0;

	if (r && s && sig && ECDSA_SIG_set0(sig, r, s)) {
		r = NULL;
		s = NULL;
		len = i2d_ECDSA_SIG(sig, der);
	}
	ECDSA_SIG_free(sig);
	BN_free(r);
	BN_free(s);
	return len > 0 ? len : 0;
}

static bool is_p256(const EVP_PKEY *key)
{
	char group[32];
	size_t len;

	return key && EVP_PKEY_is_a(key, "EC") &&
		EVP_PKEY_get_group_name(key, group, sizeof(group), &len) > 0 &&
		!strcmp(group, P256_NAME);
}

bool dcap_ecdsa_verify(EVP_PKEY *key, const uint8_t raw[DCAP_SIGNATURE_SIZE],
		       const void *data, size_t len)
{
	uint8_t *der = NULL;
	EVP_MD_CTX *ctx;
	bool good;
	int der_len;

	if (!is_p256(key))
		return false;
	der_len = to_der(raw, &der);
	ctx = EVP_MD_CTX_new();
	good = der_len && ctx &&
		EVP_DigestVerifyInit_ex(ctx, NULL, "SHA256", NULL, NULL, key,
					NULL) > 0 &&
		EVP_DigestVerify(ctx, der, der_len, data, len) == 1;
	EVP_MD_CTX_free(ctx);
	OPENSSL_free(der);
	ERR_clear_error();
	return good;
}
