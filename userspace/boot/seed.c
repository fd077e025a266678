// SPDX-License-Identifier: MIT
/*
 * Keys of an application that is its own authority
 *
 * Copyright The dstack for Linux authors
 *
 * All of them come of one seed, by upstream's derivations: HKDF-SHA256 with
 * salt "RATLS" and the key's name as info, whose output is the key.
 */
#include "seed.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/kdf.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <string.h>

#define SALT		"RATLS"
#define POINT_SIZE	65		/* of P-256, uncompressed */

bool seed_derive(const uint8_t from[DSTACK_KEY_SIZE], const char *info,
		 size_t len, uint8_t key[DSTACK_KEY_SIZE])
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	char digest[] = "SHA256", salt[] = SALT;
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string("digest", digest, 0),
		OSSL_PARAM_construct_octet_string("key", (void *)from,
						  DSTACK_KEY_SIZE),
		OSSL_PARAM_construct_octet_string("salt", salt, strlen(salt)),
		OSSL_PARAM_construct_octet_string("info", (void *)info, len),
		OSSL_PARAM_construct_end()
	};
	bool good = ctx &&
		EVP_KDF_derive(ctx, key, DSTACK_KEY_SIZE, params) > 0;

	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return good;
}

/* The point of a scalar; an EVP_PKEY does not compute it by itself. */
static bool compute_public(const BIGNUM *scalar, uint8_t point[POINT_SIZE])
{
	EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	EC_POINT *p = group ? EC_POINT_new(group) : NULL;
	bool good = p && !BN_is_zero(scalar) &&
		BN_cmp(scalar, EC_GROUP_get0_order(group)) < 0 &&
		EC_POINT_mul(group, p, scalar, NULL, NULL, NULL) &&
		EC_POINT_point2oct(group, p, POINT_CONVERSION_UNCOMPRESSED,
				   point, POINT_SIZE, NULL) == POINT_SIZE;

	EC_POINT_free(p);
	EC_GROUP_free(group);
	return good;
}

static EVP_PKEY *make_pair(const BIGNUM *scalar, const uint8_t *point)
{
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	OSSL_PARAM *params = NULL;
	EVP_PKEY *key = NULL;

	if (build && ctx &&
	    OSSL_PARAM_BLD_push_utf8_string(build, "group", "P-256", 0) &&
	    OSSL_PARAM_BLD_push_BN(build, "priv", scalar) &&
	    OSSL_PARAM_BLD_push_octet_string(build, "pub", point, POINT_SIZE))
		params = OSSL_PARAM_BLD_to_param(build);
	if (params && EVP_PKEY_fromdata_init(ctx) > 0 &&
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) <= 0)
		key = NULL;
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

EVP_PKEY *seed_p256(const uint8_t from[DSTACK_KEY_SIZE], const char *info,
		    size_t len)
{
	uint8_t bytes[DSTACK_KEY_SIZE], point[POINT_SIZE];
	EVP_PKEY *key = NULL;
	BIGNUM *scalar;

	if (!seed_derive(from, info, len, bytes))
		return NULL;
	scalar = BN_secure_new();
	if (scalar && BN_bin2bn(bytes, sizeof(bytes), scalar) &&
	    compute_public(scalar, point))
		key = make_pair(scalar, point);
	BN_clear_free(scalar);
	OPENSSL_cleanse(bytes, sizeof(bytes));
	return key;
}

bool seed_dh_secret(const uint8_t from[DSTACK_KEY_SIZE], const char *info,
		    size_t len, uint8_t secret[DSTACK_KEY_SIZE])
{
	EVP_PKEY *key = seed_p256(from, info, len);
	PKCS8_PRIV_KEY_INFO *info8 = key ? EVP_PKEY2PKCS8(key) : NULL;
	uint8_t *der = NULL;
	int der_len = info8 ? i2d_PKCS8_PRIV_KEY_INFO(info8, &der) : -1;
	bool good = der_len > 0 && SHA256(der, der_len, secret);

	if (der_len > 0)
		OPENSSL_clear_free(der, der_len);
	PKCS8_PRIV_KEY_INFO_free(info8);
	EVP_PKEY_free(key);
	return good;
}

/* Into a struct of secrets, and nowhere else. */
static bool to_text(BIO *bio, char out[AGENT_PEM_MAX])
{
	int len = BIO_read(bio, out, AGENT_PEM_MAX - 1);

	if (len < 0)
		return false;
	out[len] = '\0';
	return BIO_pending(bio) == 0;
}

static bool write_authority(EVP_PKEY *key, struct agent_app_keys *keys)
{
	BIO *text = BIO_new(BIO_s_secmem());
	X509 *cert = seed_authority(key);
	bool good = text && cert &&
		PEM_write_bio_PKCS8PrivateKey(text, key, NULL, NULL, 0, NULL,
					      NULL) == 1 &&
		to_text(text, keys->ca_key) &&
		PEM_write_bio_X509(text, cert) == 1 &&
		to_text(text, keys->ca_cert);

	X509_free(cert);
	BIO_free(text);
	return good;
}

int seed_keys(const uint8_t seed[DSTACK_KEY_SIZE], struct agent_app_keys *keys)
{
	static const char ca[] = "app-key", disk[] = "app-disk-key",
			  k256[] = "app-k256-key";
	EVP_PKEY *key = seed_p256(seed, ca, strlen(ca));
	bool good = key && write_authority(key, keys) &&
		seed_dh_secret(seed, disk, strlen(disk), keys->disk_key) &&
		seed_derive(seed, k256, strlen(k256), keys->k256_key);

	EVP_PKEY_free(key);
	if (!good)
		return boot_fail(-EIO, "can't make keys of a seed");
	return agent_key_public(AGENT_SECP256K1, keys->k256_key,
				&keys->k256_public);
}
