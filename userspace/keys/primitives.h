/* SPDX-License-Identifier: MIT */
/*
 * What the libraries do for keys, in the forms that are needed here
 *
 * Copyright The dstack for Linux authors
 *
 * 0 or -errno: -EIO is a library that failed.
 */
#ifndef KEYS_PRIMITIVES_H
#define KEYS_PRIMITIVES_H

#include "claims.h"

#define HASH_SIZE	32
#define SECP_POINT_SIZE	64	/* x, y */

enum hash { HASH_SHA256, HASH_KECCAK256 };

struct part {
	const void *data;
	size_t len;
};

/* hash.c: of the parts, one behind the other. */
int hash_parts(enum hash which, const struct part *parts, size_t nr,
	       uint8_t out[HASH_SIZE]);

/* secp256k1.c: -EINVAL is what is no key, or no signature */
int secp_public(const uint8_t key[DSTACK_KEY_SIZE],
		uint8_t public[AGENT_SECP256K1_SIZE]);
/* All of the point, as a chain hashes it to an address. */
int secp_public_point(const uint8_t key[DSTACK_KEY_SIZE],
		      uint8_t point[SECP_POINT_SIZE]);
int secp_sign(const uint8_t key[DSTACK_KEY_SIZE],
	      const uint8_t digest[HASH_SIZE],
	      uint8_t signature[AGENT_SIGNATURE_SIZE]);
int secp_sign_link(const uint8_t key[DSTACK_KEY_SIZE],
		   const uint8_t digest[HASH_SIZE],
		   uint8_t link[AGENT_LINK_SIZE]);
/* Compressed, or 65 bytes. */
bool secp_is_public(const uint8_t *public, size_t len);
/* r and s are from 1 to below the order. */
bool secp_is_signature(const uint8_t signature[AGENT_SIGNATURE_SIZE]);
/* False also if s is in the upper half.  Both are what they should be. */
int secp_verify(const uint8_t *public, size_t len,
		const uint8_t digest[HASH_SIZE],
		const uint8_t signature[AGENT_SIGNATURE_SIZE], bool *valid);
/* Who made it; -EINVAL also if s is in the upper half. */
int secp_recover(const uint8_t link[AGENT_LINK_SIZE],
		 const uint8_t digest[HASH_SIZE],
		 uint8_t public[AGENT_SECP256K1_SIZE]);

/* ed25519.c */
int ed_public(const uint8_t key[DSTACK_KEY_SIZE],
	      uint8_t public[AGENT_ED25519_SIZE]);
int ed_sign(const uint8_t key[DSTACK_KEY_SIZE], const void *data, size_t len,
	    uint8_t signature[AGENT_SIGNATURE_SIZE]);
bool ed_is_public(const uint8_t *public, size_t len);
int ed_verify(const uint8_t public[AGENT_ED25519_SIZE], const void *data,
	      size_t len, const uint8_t signature[AGENT_SIGNATURE_SIZE],
	      bool *valid);

#endif /* KEYS_PRIMITIVES_H */
