// SPDX-License-Identifier: MIT
/*
 * ECDSA as quotes and collateral write it: raw points, raw signatures
 *
 * Copyright The dstack for Linux authors
 */
#include "dcap.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <string.h>

#include "../signature.h"

#define POINT_PLAIN	4		/* x and y follow */

/* NULL also for a point that is not on the curve. */
EVP_PKEY *dcap_ecdsa_key(const uint8_t raw[DCAP_KEY_SIZE])
{
	uint8_t point[1 + DCAP_KEY_SIZE] = { POINT_PLAIN };
	char group[] = SIGNATURE_P256;
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

bool dcap_ecdsa_verify(EVP_PKEY *key, const uint8_t raw[DCAP_SIGNATURE_SIZE],
		       const void *data, size_t len)
{
	const struct signed_data what = { data, len, "SHA256" };
	const size_t half = DCAP_SIGNATURE_SIZE / 2;

	return signature_key_is_on(key, SIGNATURE_P256) &&
		signature_ecdsa(key, raw, raw + half, half, &what);
}
