// SPDX-License-Identifier: MIT
/*
 * Signature chains: who says that a key is whose
 *
 * Copyright The dstack for Linux authors
 *
 * Each link is a signature over one KECCAK-256 hash, from which the key that
 * made it can be computed.  So a link says who vouches, and it is for whoever
 * relies on it to know whether that is somebody to believe.
 */
#include "primitives.h"

#include <errno.h>
#include <string.h>

#define CLAIM_CONTEXT	"dstack-guest-v1-key-claim"
#define ISSUE_CONTEXT	"dstack-kms-issued:"
#define FIELDS		4	/* of a claim of v1 */
#define LEN_SIZE	4

/*
 * The purpose is the client's and not framed: it may have colons.  Hex digits
 * have none, so the last colon is where the key begins.
 */
static int hash_v0(const struct agent_claim *claim, uint8_t out[HASH_SIZE])
{
	char hex[2 * AGENT_SECP256K1_SIZE + 1];
	const struct part parts[] = {
		{ claim->name, claim->name_len }, { ":", 1 },
		{ hex, 2 * claim->public.len },
	};

	libdstack_to_hex(claim->public.bytes, claim->public.len, hex);
	return hash_parts(HASH_KECCAK256, parts, 3, out);
}

/* Each field behind its length, big-endian. */
static int hash_v1(const struct agent_claim *claim, uint8_t out[HASH_SIZE])
{
	const char *algorithm = claim->algorithm == AGENT_ED25519 ?
		"ed25519" : "secp256k1";
	const struct part fields[FIELDS] = {
		{ CLAIM_CONTEXT, strlen(CLAIM_CONTEXT) },
		{ algorithm, strlen(algorithm) },
		{ claim->name, claim->name_len },
		{ claim->public.bytes, claim->public.len },
	};
	uint8_t lens[FIELDS][LEN_SIZE];
	struct part parts[2 * FIELDS];
	size_t i;

	for (i = 0; i < FIELDS; i++) {
		size_t len = fields[i].len;
		const uint8_t be[] = { len >> 24, len >> 16, len >> 8, len };

		memcpy(lens[i], be, sizeof(be));
		parts[2 * i] = (struct part){ lens[i], sizeof(lens[i]) };
		parts[2 * i + 1] = fields[i];
	}
	return hash_parts(HASH_KECCAK256, parts, 2 * FIELDS, out);
}

/* A key of the wrong length would be another key's claim, or nobody's. */
static bool claim_ok(const struct agent_claim *claim)
{
	size_t len = claim->public.len;

	if (claim->name_len > UINT32_MAX)
		return false;
	if (!claim->v1)
		return len == AGENT_SECP256K1_SIZE || len == AGENT_ED25519_SIZE;
	return (claim->algorithm == AGENT_SECP256K1 &&
		len == AGENT_SECP256K1_SIZE) ||
		(claim->algorithm == AGENT_ED25519 &&
		 len == AGENT_ED25519_SIZE);
}

static int hash_claim(const struct agent_claim *claim, uint8_t out[HASH_SIZE])
{
	if (!claim_ok(claim))
		return -EINVAL;
	return claim->v1 ? hash_v1(claim, out) : hash_v0(claim, out);
}

int agent_claim_sign(const struct agent_claim *claim,
		     const uint8_t app_key[DSTACK_KEY_SIZE],
		     uint8_t link[AGENT_LINK_SIZE])
{
	uint8_t digest[HASH_SIZE];

	return hash_claim(claim, digest) ?:
		secp_sign_link(app_key, digest, link);
}

static int signer_of(const uint8_t digest[HASH_SIZE], const void *link,
		     size_t len, uint8_t signer[AGENT_SECP256K1_SIZE])
{
	int err = -EINVAL;

	if (len == AGENT_LINK_SIZE)
		err = secp_recover(link, digest, signer);
	return err == -EINVAL ? -EBADMSG : err;
}

int agent_claim_signer(const struct agent_claim *claim, const void *link,
		       size_t len, uint8_t signer[AGENT_SECP256K1_SIZE])
{
	uint8_t digest[HASH_SIZE];

	return hash_claim(claim, digest) ?:
		signer_of(digest, link, len, signer);
}

int agent_issue_signer(const uint8_t app_id[DSTACK_APP_ID_SIZE],
		       const uint8_t app_public[AGENT_SECP256K1_SIZE],
		       const void *link, size_t len,
		       uint8_t signer[AGENT_SECP256K1_SIZE])
{
	const struct part parts[] = {
		{ ISSUE_CONTEXT, strlen(ISSUE_CONTEXT) },
		{ app_id, DSTACK_APP_ID_SIZE },
		{ app_public, AGENT_SECP256K1_SIZE },
	};
	uint8_t digest[HASH_SIZE];

	return hash_parts(HASH_KECCAK256, parts, 3, digest) ?:
		signer_of(digest, link, len, signer);
}

int agent_chain_check(const struct agent_claim *claim,
		      const struct agent_chain *chain,
		      const uint8_t app_id[DSTACK_APP_ID_SIZE],
		      const uint8_t root[AGENT_SECP256K1_SIZE])
{
	uint8_t app[AGENT_SECP256K1_SIZE], issuer[AGENT_SECP256K1_SIZE];
	int err;

	err = agent_claim_signer(claim, chain->links[0], chain->lens[0], app);
	if (err)
		return err;
	if (!chain->lens[1])
		return -ENODATA;
	err = agent_issue_signer(app_id, app, chain->links[1], chain->lens[1],
				 issuer);
	if (err)
		return err;
	return memcmp(issuer, root, sizeof(issuer)) ? -EKEYREJECTED : 0;
}
