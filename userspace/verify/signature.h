/* SPDX-License-Identifier: MIT */
/*
 * Signatures in the forms that evidence has them, by OpenSSL
 *
 * Copyright The dstack for Linux authors
 */
#ifndef SIGNATURE_H
#define SIGNATURE_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIGNATURE_P256	"prime256v1"
#define SIGNATURE_P384	"secp384r1"

/* What was signed, and the hash that its signature is of. */
struct signed_data {
	const void *data;
	size_t len;
	const char *md;
};

bool signature_key_is_on(const EVP_PKEY *key, const char *group);
/* @r and @s: big-endian, @len bytes each. */
bool signature_ecdsa(EVP_PKEY *key, const uint8_t *r, const uint8_t *s,
		     size_t len, const struct signed_data *what);
/* PKCS #1 v1.5. */
bool signature_rsassa(EVP_PKEY *key, const uint8_t *signature, size_t len,
		      const struct signed_data *what);

#endif /* SIGNATURE_H */
