/* SPDX-License-Identifier: MIT */
/*
 * Public keys from their numbers, as evidence writes them
 *
 * Copyright The dstack for Linux authors
 */
#ifndef KEYS_H
#define KEYS_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Big-endian numbers.  NULL, with the error cleared, if it is no key. */
EVP_PKEY *keys_rsa(const uint8_t *n, size_t n_len, const uint8_t *e,
		   size_t e_len);
/* @x and @y: @len bytes each, which must be a point on the curve. */
EVP_PKEY *keys_ec(const char *group, const uint8_t *x, const uint8_t *y,
		  size_t len);
/* RSA with 2,048 to 4,096 bits, or EC on P-256 or P-384. */
bool keys_is_strong(const EVP_PKEY *key);

#endif /* KEYS_H */
