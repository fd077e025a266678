/* SPDX-License-Identifier: MIT */
/*
 * Keys on P-256, from what others come of, as upstream derives them
 *
 * Copyright The dstack for Linux authors
 */
#ifndef KEYS_P256_H
#define KEYS_P256_H

#include <openssl/evp.h>

#include "primitives.h"

/*
 * HKDF-SHA256 of @ikm with upstream's salt; the parts of @context follow one
 * another without a mark between them.
 */
int p256_derive(const uint8_t ikm[DSTACK_KEY_SIZE], const struct part *context,
		size_t nr, uint8_t out[DSTACK_KEY_SIZE]);
/* With its public key.  NULL: as a number, @scalar is 0 or too large. */
EVP_PKEY *p256_key(const uint8_t scalar[DSTACK_KEY_SIZE]);
/* The scalar of such a key; -EINVAL: it is no private key on P-256. */
int p256_scalar(const EVP_PKEY *key, uint8_t out[DSTACK_KEY_SIZE]);
/* Is it one, public or private? */
bool p256_is(const EVP_PKEY *key);
/* PKCS #8 in PEM, for wiping and free(); or NULL. */
char *p256_pem(const EVP_PKEY *key);
/* SHA-256 of PKCS #8 in DER: upstream's secrets that are no keys of a curve. */
int p256_secret(const EVP_PKEY *key, uint8_t out[DSTACK_KEY_SIZE]);

#endif /* KEYS_P256_H */
