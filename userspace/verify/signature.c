// SPDX-License-Identifier: MIT
/*
 * Signatures in the forms that evidence has them, by OpenSSL
 *
 * Copyright The dstack for Linux authors
 */
#include "signature.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <string.h>

#define GROUP_NAME_MAX	32

bool signature_key_is_on(const EVP_PKEY *key, const char *group)
{
	char name[GROUP_NAME_MAX];
	size_t len;

	return key && EVP_PKEY_is_a(key, "EC") &&
		EVP_PKEY_get_group_name(key, name, sizeof(name), &len) > 0 &&
		!strcmp(name, group);
}

static bool verify(EVP_PKEY *key, const uint8_t *signature, size_t len,
		   const struct signed_data *what)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good;

	good = ctx && EVP_DigestVerifyInit_ex(ctx, NULL, what->md, NULL, NULL,
					      key, NULL) > 0 &&
		EVP_DigestVerify(ctx, signature, len, what->data,
				 what->len) == 1;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return good;
}

/* OpenSSL wants r and s as DER.  Returns its length or 0. */
static int to_der(const uint8_t *r, const uint8_t *s, size_t len,
		  uint8_t **der)
{
	BIGNUM *big_r = BN_bin2bn(r, len, NULL);
	BIGNUM *big_s = BN_bin2bn(s, len, NULL);
	ECDSA_SIG *sig = ECDSA_SIG_new();
	int der_len = 0;

	if (big_r && big_s && sig && ECDSA_SIG_set0(sig, big_r, big_s)) {
		big_r = NULL;
		big_s = NULL;
		der_len = i2d_ECDSA_SIG(sig, der);
	}
	ECDSA_SIG_free(sig);
	BN_free(big_r);
	BN_free(big_s);
	return der_len > 0 ? der_len : 0;
}

bool signature_ecdsa(EVP_PKEY *key, const uint8_t *r, const uint8_t *s,
		     size_t len, const struct signed_data *what)
{
	uint8_t *der = NULL;
	int der_len;
	bool good;

	if (!key || !EVP_PKEY_is_a(key, "EC"))
		return false;
	der_len = to_der(r, s, len, &der);
	good = der_len && verify(key, der, der_len, what);
	OPENSSL_free(der);
	ERR_clear_error();
	return good;
}

/* A plain RSA key's signatures are PKCS #1 v1.5 unless told otherwise. */
bool signature_rsassa(EVP_PKEY *key, const uint8_t *signature, size_t len,
		      const struct signed_data *what)
{
	return key && EVP_PKEY_is_a(key, "RSA") &&
		verify(key, signature, len, what);
}
