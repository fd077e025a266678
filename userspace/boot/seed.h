/* SPDX-License-Identifier: MIT */
/*
 * Upstream's derivations, and the authority that an application is to itself
 *
 * Copyright The dstack for Linux authors
 */
#ifndef BOOT_SEED_H
#define BOOT_SEED_H

#include "boot.h"

#include <openssl/x509.h>

bool seed_derive(const uint8_t from[DSTACK_KEY_SIZE], const char *info,
		 size_t len, uint8_t key[DSTACK_KEY_SIZE]);
/* The key whose scalar that is; NULL if it can't be one. */
EVP_PKEY *seed_p256(const uint8_t from[DSTACK_KEY_SIZE], const char *info,
		    size_t len);
/* SHA-256 of that key as PKCS #8, in DER, with its public key. */
bool seed_dh_secret(const uint8_t from[DSTACK_KEY_SIZE], const char *info,
		    size_t len, uint8_t secret[DSTACK_KEY_SIZE]);

/* authority.c */

/* A certificate of its own that may issue others; or NULL. */
X509 *seed_authority(EVP_PKEY *key);

#endif /* BOOT_SEED_H */
