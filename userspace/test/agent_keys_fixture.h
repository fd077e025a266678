/* SPDX-License-Identifier: MIT */
/*
 * Keys as upstream derives them, and what is done with bytes and their hex
 *
 * Copyright The dstack for Linux authors
 *
 * In use the kernel derives them; here it is OpenSSL's HKDF, from an info that
 * is written out.
 */
#ifndef AGENT_KEYS_FIXTURE_H
#define AGENT_KEYS_FIXTURE_H

#include <libdstack.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/sha.h>
#include <string.h>

#include "../keys/keys.h"

#define BYTES_MAX	256

struct bytes {
	size_t len;
	uint8_t data[BYTES_MAX];
};

static inline struct bytes hex(const char *text)
{
	struct bytes bytes = { .len = strlen(text) / 2 };

	assert_true(bytes.len <= BYTES_MAX);
	assert_true(libdstack_from_hex(text, strlen(text), bytes.data,
				       bytes.len));
	return bytes;
}

static inline struct bytes text(const char *text)
{
	struct bytes bytes = { .len = strlen(text) };

	memcpy(bytes.data, text, bytes.len);
	return bytes;
}

static inline struct bytes flip(const struct bytes *bytes, size_t bit)
{
	struct bytes changed = *bytes;

	changed.data[bit / 8] ^= 1 << bit % 8;
	return changed;
}

static inline struct bytes sha256(const struct bytes *data)
{
	struct bytes hash = { .len = SHA256_DIGEST_LENGTH };

	SHA256(data->data, data->len, hash.data);
	return hash;
}

static inline void assert_hex(const void *data, size_t len, const char *want)
{
	char got[2 * BYTES_MAX + 1];

	assert_true(len <= BYTES_MAX);
	assert_string_equal(libdstack_to_hex(data, len, got), want);
}

static inline struct bytes public_of(enum agent_algorithm algorithm,
				     const char *key)
{
	struct agent_public public;
	struct bytes secret = hex(key), out;

	assert_int_equal(agent_key_public(algorithm, secret.data, &public), 0);
	out.len = public.len;
	memcpy(out.data, public.bytes, public.len);
	return out;
}

/* How many keys secp256k1 has, and one. */
#define ORDER	"fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"

/* The other s that the same r has. */
static inline struct bytes high_s(struct bytes signature)
{
	struct bytes order = hex(ORDER);
	BIGNUM *n = BN_bin2bn(order.data, order.len, NULL);
	BIGNUM *s = BN_bin2bn(signature.data + 32, 32, NULL);

	assert_int_equal(BN_sub(s, n, s), 1);
	assert_int_equal(BN_bn2binpad(s, signature.data + 32, 32), 32);
	BN_free(n);
	BN_free(s);
	return signature;
}

/* The key of upstream's tests, and what it makes of it. */
#define APP_KEY		"1a2b3c4d5e6f7a8b9c0d1e2f3a4b5c6d7e8f9a0b1c2d3e4f5a6b7c8d9e0f1a2b"
#define VMS_KEY		"9db79b3fefe69f2a7b7efbc908c854bf845a629023361f2c9cb3db09fb99010f"

static const struct key_case {
	bool v1;
	enum agent_algorithm algorithm;
	const char *path;		/* in hex */
	const char *public, *key;
} key_cases[] = {
	{ false, AGENT_SECP256K1, "766d73",
	  "03ab7f25d56455d300a1c1f77f57f6d16193e89cdd9edc5c5e2994b446b1f3373d",
	  VMS_KEY },
	{ false, AGENT_ED25519, "766d73",
	  "e4f6eb7b50267f586ba765766db7ca9487f1a506f6a49026ae09a1c605681bdb",
	  VMS_KEY },
	{ false, AGENT_SECP256K1, "74657374",
	  "02ead9e0064aad1bb151c270c78ef82a4caf6d3fc92c311804e79751deb3476919",
	  "52786aa123b0971e283af97f32e25767483d099d66e6c40afeb3a49046b5379e" },
	{ true, AGENT_SECP256K1, "",
	  "0377c7fb050db181d392266a3cee9adb2901c6d665f11bac68be5457f577ba4908",
	  "59f60584ce6fd2a3a31997256db9d77322463fc8a6b1520110401bcb1ee92387" },
	{ true, AGENT_ED25519, "",
	  "a3dc149fd5b765eab2eb7d3174fa939e39386898f10b15b7b146f6f1358ecf2a",
	  "b023493030669cf22e9cafa6a464d4cf3ae4edfe5474ec796710f21ea011946d" },
	{ true, AGENT_SECP256K1, "73746f726167652d656e6372797074696f6e",
	  "03d962450a41748021c8b02787ac36ce642ff0ae25f4c55019eb527e1112cfd764",
	  "5510330f86902ddae38c6d89c93a8408019332c17a429e1abd01c4a28d1544a6" },
	{ true, AGENT_ED25519, "73746f726167652d656e6372797074696f6e",
	  "2380c4a33a60b60613fa43866421e5b96eb8dcde211317200fd0d41e7e491288",
	  "3c4c3ece12fa99ccb93fc0090877f80e70545fdd971e2ac93d3398c4684538d3" },
	{ true, AGENT_SECP256K1, "612f622f63",
	  "02e9b1a61b6d70aa9b241753828c316bf90e33e77b2e113f9ba75a8b6dc3cde5c1",
	  "7f0973449298085d2d36a3b4c4d3243c100ba1981ffa885fe9e9dee883e69538" },
	{ true, AGENT_ED25519, "6b003a6579",
	  "c833107822b003ff5675b33b90b151d4315c3ab9162b17d876e8dffde41abf9b",
	  "42da8bf0b479ed125c370e3b91f982735bf08ff592abbd586985affa43ee96a1" },
};

static inline void add_field(struct bytes *info, const void *data, size_t len)
{
	const uint8_t be[] = { 0, 0, 0, len };

	assert_true(info->len + sizeof(be) + len <= BYTES_MAX);
	memcpy(info->data + info->len, be, sizeof(be));
	memcpy(info->data + info->len + sizeof(be), data, len);
	info->len += sizeof(be) + len;
}

static inline struct bytes info_of(const struct key_case *c)
{
	const char *algorithm = c->algorithm == AGENT_ED25519 ?
		"ed25519" : "secp256k1";
	struct bytes path = hex(c->path), info = { .len = 0 };

	if (!c->v1)
		return path;
	add_field(&info, "dstack-guest-v1-key", 19);
	add_field(&info, algorithm, strlen(algorithm));
	add_field(&info, path.data, path.len);
	return info;
}

static inline struct bytes derive(const char *root, const struct key_case *c)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
	const char *salt = c->v1 ? "dstack-guest-v1" : "RATLS";
	struct bytes ikm = hex(root), info = info_of(c);
	struct bytes out = { .len = DSTACK_KEY_SIZE };
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST,
						 (char *)"SHA256", 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY,
						  ikm.data, ikm.len),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT,
						  (char *)salt, strlen(salt)),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO,
						  info.data, info.len),
		OSSL_PARAM_construct_end(),
	};

	assert_int_equal(EVP_KDF_derive(ctx, out.data, out.len, params), 1);
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return out;
}

#endif /* AGENT_KEYS_FIXTURE_H */
