/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) The dstack for Linux authors
 *
 * OpenSSL in the shapes that TDX uses: raw digests, raw signatures.
 *
 * A digest or a MAC cannot fail short of a broken library, and a module that
 * cannot hash has no way to go on: those functions abort the process instead
 * of returning an error that no caller could handle.
 */
#ifndef TDX_CRYPTO_H
#define TDX_CRYPTO_H

#include <stddef.h>
#include <stdint.h>
#include <openssl/evp.h>

#define P256_RAW_SIZE	64	/* r || s, x || y */

void sha256(const void *data, size_t size, uint8_t digest[32]);
void sha384(const void *data, size_t size, uint8_t digest[48]);
void hmac_sha256(const uint8_t key[32], const void *data, size_t size,
		 uint8_t mac[32]);
void random_bytes(void *data, size_t size);

/* SHA-384 of a file. Return: 0 or -errno. */
int sha384_file(const char *path, uint8_t digest[48]);

/* The register operation of TDX: digest = SHA-384(digest || data). */
void sha384_extend(uint8_t digest[48], const uint8_t data[48]);

/* ECDSA P-256 over SHA-256. Return: 0, or -EIO when the library refuses. */
EVP_PKEY *p256_generate(void);
int p256_public_raw(EVP_PKEY *key, uint8_t raw[P256_RAW_SIZE]);
int p256_sign_raw(EVP_PKEY *key, const void *data, size_t size,
		  uint8_t raw[P256_RAW_SIZE]);

#endif
