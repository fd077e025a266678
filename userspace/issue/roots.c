// SPDX-License-Identifier: MIT
/*
 * The roots of a key epoch
 *
 * Copyright The dstack for Linux authors
 */
#include "room.h"

#include <errno.h>
#include <openssl/rand.h>
#include <string.h>

/* One in four billion numbers is no key of P-256, and fewer of the other. */
#define TRIES		4
#define BOOTSTRAP	"dstack-kms-genereted-keys-v1:"	/* as upstream has it */

static bool is_p256(const uint8_t scalar[DSTACK_KEY_SIZE])
{
	EVP_PKEY *key = p256_key(scalar);

	EVP_PKEY_free(key);
	return key;
}

static bool is_k256(const uint8_t scalar[DSTACK_KEY_SIZE])
{
	uint8_t public[AGENT_SECP256K1_SIZE];

	return !secp_public(scalar, public);
}

static int draw(uint8_t scalar[DSTACK_KEY_SIZE],
		bool (*is_key)(const uint8_t *scalar))
{
	int i;

	for (i = 0; i < TRIES; i++) {
		if (RAND_priv_bytes(scalar, DSTACK_KEY_SIZE) != 1)
			return -EIO;
		if (is_key(scalar))
			return 0;
	}
	return -EIO;
}

int issue_roots_new(struct issue_roots *roots)
{
	int err = draw(roots->ca, is_p256) ?: draw(roots->k256, is_k256) ?:
		draw(roots->temp_ca, is_p256);

	if (err)
		issue_roots_wipe(roots);
	return err;
}

void issue_roots_wipe(struct issue_roots *roots)
{
	explicit_bzero(roots, sizeof(*roots));
}

int issue_report_data(const struct issue_public *public,
		      uint8_t out[DSTACK_REPORT_DATA_SIZE])
{
	char ca[2 * ISSUE_SPKI_SIZE + 1], k256[2 * AGENT_SECP256K1_SIZE + 1];
	const struct part parts[] = {
		issue_text(BOOTSTRAP), { ca, sizeof(ca) - 1 }, { ";", 1 },
		{ k256, sizeof(k256) - 1 }, { ";", 1 },
	};

	libdstack_to_hex(public->ca, sizeof(public->ca), ca);
	libdstack_to_hex(public->k256, sizeof(public->k256), k256);
	memset(out, 0, DSTACK_REPORT_DATA_SIZE);
	return hash_parts(HASH_KECCAK256, parts, 5, out);
}
