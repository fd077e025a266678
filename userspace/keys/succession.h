/* SPDX-License-Identifier: MIT */
/*
 * Succession: who has the roots of one key epoch says which are the next
 *
 * Copyright The dstack for Linux authors
 *
 * A record proves itself to who knows one of the two roots that made it,
 * wherever it was read.  Documentation/admin-guide/kms.rst has what it means.
 */
#ifndef KEYS_SUCCESSION_H
#define KEYS_SUCCESSION_H

#include "claims.h"

#define KEY_CA_SIZE			91	/* SPKI on P-256, DER */
#define KEY_CA_HASH_SIZE		32
#define KEY_P256_SIGNATURE_MAX		72	/* DER */

struct key_succession {
	uint64_t epoch;				/* of the next */
	uint8_t k256[AGENT_SECP256K1_SIZE];	/* its root */
	uint8_t ca[KEY_CA_HASH_SIZE];		/* SHA-256 of its SPKI */
	uint8_t k256_signature[AGENT_LINK_SIZE];
	uint8_t ca_signature[KEY_P256_SIGNATURE_MAX];
	size_t ca_signature_len;
};

/* What both roots sign. */
#define KEY_SUCCESSION_CONTEXT		"dstack-kms-succession-v1:"
#define KEY_SUCCESSION_MESSAGE_SIZE	(sizeof(KEY_SUCCESSION_CONTEXT) - 1 + \
					 8 + AGENT_SECP256K1_SIZE + \
					 KEY_CA_HASH_SIZE)

void key_succession_message(const struct key_succession *record,
			    uint8_t out[KEY_SUCCESSION_MESSAGE_SIZE]);
/* Which root it names; 0 or -errno. */
int key_succession_name(struct key_succession *record, uint64_t epoch,
			const uint8_t k256[AGENT_SECP256K1_SIZE],
			const uint8_t ca[KEY_CA_SIZE]);

/*
 * For who pins the root on secp256k1, or that of certificates.  -EBADMSG: it
 * is no record; -EKEYREJECTED: another root made it; -EINVAL: @root is no key.
 */
int key_succession_check_k256(const struct key_succession *record,
			      const uint8_t root[AGENT_SECP256K1_SIZE]);
int key_succession_check_ca(const struct key_succession *record,
			    const uint8_t root[KEY_CA_SIZE]);

/*
 * As it is stored and sent, beside what it is about: both signatures, that by
 * secp256k1 first.
 */
#define KEY_SUCCESSION_MAX	(AGENT_LINK_SIZE + KEY_P256_SIGNATURE_MAX)

/* The bytes of it. */
size_t key_succession_write(const struct key_succession *record,
			    uint8_t out[KEY_SUCCESSION_MAX]);
/* False: it has another length.  Nothing of it is verified. */
bool key_succession_read(const uint8_t *data, size_t len,
			 struct key_succession *record);

#endif /* KEYS_SUCCESSION_H */
