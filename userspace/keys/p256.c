// SPDX-License-Identifier: MIT
/*
 * Keys on P-256, from what others come of, as upstream derives them
 *
 * Copyright The dstack for Linux authors
 */
#include "p256.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#define GROUP		"prime256v1"
#define SALT		"RATLS"
#define POINT_SIZE	65		/* uncompressed */
#define CONTEXT_MAX	4096
#define DER_SIZE	138
#define GROUP_NAME_MAX	32

static int expand(EVP_KDF_CTX *ctx, const uint8_t *ikm, void *info, size_t len,
		  uint8_t *out)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST,
						 (char[]){ "SHA256" }, 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT,
						  (char[]){ SALT },
						  strlen(SALT)),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY,
						  (void *)ikm, DSTACK_KEY_SIZE),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info,
						  len),
		OSSL_PARAM_construct_end()
	};

	return EVP_KDF_derive(ctx, out, DSTACK_KEY_SIZE, params) == 1 ?
		0 : -EIO;
}

int p256_derive(const uint8_t ikm[DSTACK_KEY_SIZE], const struct part *context,
		size_t nr, uint8_t out[DSTACK_KEY_SIZE])
{
	uint8_t info[CONTEXT_MAX];
	EVP_KDF_CTX *ctx;
	size_t i, len = 0;
	EVP_KDF *kdf;
	int err;

	for (i = 0; i < nr; i++) {
		if (context[i].len > sizeof(info) - len)
			return -EINVAL;
		memcpy(info + len, context[i].data, context[i].len);
		len += context[i].len;
	}
	kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	err = ctx ? expand(ctx, ikm, info, len, out) : -ENOMEM;
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	ERR_clear_error();
	return err;
}

static bool get_point(const EC_GROUP *group, const BIGNUM *number,
		      uint8_t out[POINT_SIZE])
{
	EC_POINT *point = EC_POINT_new(group);
	bool good;

	good = point && EC_POINT_mul(group, point, number, NULL, NULL, NULL) &&
		EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED,
				   out, POINT_SIZE, NULL) == POINT_SIZE;
	EC_POINT_free(point);
	return good;
}

static EVP_PKEY *from_parts(const BIGNUM *number, const uint8_t *point)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	OSSL_PARAM *params = NULL;
	EVP_PKEY *key = NULL;

	if (ctx && build &&
	    OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME,
					    GROUP, 0) &&
	    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, number) &&
	    OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY,
					     point, POINT_SIZE))
		params = OSSL_PARAM_BLD_to_param(build);
	if (params && EVP_PKEY_fromdata_init(ctx) == 1 &&
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) != 1)
		key = NULL;
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

/* @number is of the secure heap, if there is one, and constant in time. */
static EVP_PKEY *from_number(const EC_GROUP *group, const BIGNUM *number)
{
	uint8_t point[POINT_SIZE];

	if (BN_is_zero(number) ||
	    BN_cmp(number, EC_GROUP_get0_order(group)) >= 0 ||
	    !get_point(group, number, point))
		return NULL;
	return from_parts(number, point);
}

EVP_PKEY *p256_key(const uint8_t scalar[DSTACK_KEY_SIZE])
{
	EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	BIGNUM *number = BN_secure_new();
	EVP_PKEY *key = NULL;

	if (group && number && BN_bin2bn(scalar, DSTACK_KEY_SIZE, number)) {
		BN_set_flags(number, BN_FLG_CONSTTIME);
		key = from_number(group, number);
	}
	BN_clear_free(number);
	EC_GROUP_free(group);
	ERR_clear_error();
	return key;
}

bool p256_is(const EVP_PKEY *key)
{
	char group[GROUP_NAME_MAX];
	size_t len;

	return EVP_PKEY_is_a(key, "EC") &&
		EVP_PKEY_get_group_name(key, group, sizeof(group), &len) > 0 &&
		!strcmp(group, GROUP);
}

int p256_scalar(const EVP_PKEY *key, uint8_t out[DSTACK_KEY_SIZE])
{
	BIGNUM *number = NULL;
	bool good;

	good = p256_is(key) &&
		EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY,
				      &number) == 1 &&
		BN_bn2binpad(number, out, DSTACK_KEY_SIZE) == DSTACK_KEY_SIZE;
	BN_clear_free(number);
	ERR_clear_error();
	return good ? 0 : -EINVAL;
}

/*
 * PKCS #8, of which two parts vary, in one place that is wiped: OpenSSL's
 * encoders leave copies in memory that they free.
 */
static int write_der(const EVP_PKEY *key, uint8_t der[DER_SIZE])
{
	static const uint8_t head[] = {
		0x30, 0x81, 0x87, 0x02, 0x01, 0x00,	/* version 0 */
		0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02,
		0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01,
		0x07,			/* ecPublicKey on prime256v1 */
		0x04, 0x6d, 0x30, 0x6b, 0x02, 0x01, 0x01, 0x04, 0x20,
	}, middle[] = {
		0xa1, 0x44, 0x03, 0x42, 0x00,	/* the public key, as bits */
	};
	uint8_t *p = der + sizeof(head), *point;
	size_t len;

	_Static_assert(sizeof(head) + DSTACK_KEY_SIZE + sizeof(middle) +
		       POINT_SIZE == DER_SIZE, "PKCS #8 of P-256");
	memcpy(der, head, sizeof(head));
	memcpy(p + DSTACK_KEY_SIZE, middle, sizeof(middle));
	point = p + DSTACK_KEY_SIZE + sizeof(middle);
	if (!p256_scalar(key, p) &&
	    EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY,
					    point, POINT_SIZE, &len) == 1 &&
	    len == POINT_SIZE)
		return 0;
	ERR_clear_error();
	return -EIO;
}

char *p256_pem(const EVP_PKEY *key)
{
	BIO *out = BIO_new(BIO_s_secmem());
	char *text = NULL, *data;
	uint8_t der[DER_SIZE];
	long len;

	if (out && !write_der(key, der) &&
	    PEM_write_bio(out, PEM_STRING_PKCS8INF, "", der, DER_SIZE) > 0) {
		len = BIO_get_mem_data(out, &data);
		text = strndup(data, len);
	}
	OPENSSL_cleanse(der, sizeof(der));
	BIO_free(out);
	ERR_clear_error();
	return text;
}

int p256_secret(const EVP_PKEY *key, uint8_t out[DSTACK_KEY_SIZE])
{
	uint8_t der[DER_SIZE];
	const struct part part = { der, sizeof(der) };
	int err = write_der(key, der) ?:
		hash_parts(HASH_SHA256, &part, 1, out);

	OPENSSL_cleanse(der, sizeof(der));
	return err;
}
