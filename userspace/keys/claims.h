/* SPDX-License-Identifier: MIT */
/*
 * The links of a key's signature chain: who vouches for whom
 *
 * Copyright The dstack for Linux authors
 *
 * The first is the application's key's word for a key that comes of it, the
 * second that of the KMS's root key for the application's.
 */
#ifndef KEYS_CLAIMS_H
#define KEYS_CLAIMS_H

#include "keys.h"

#define AGENT_LINK_SIZE	65	/* r, s, and which of four keys it is */

struct agent_claim {
	bool v1;
	enum agent_algorithm algorithm;	/* v0 leaves it out of the claim */
	const void *name;		/* v0: the purpose; v1: the domain */
	size_t name_len;
	struct agent_public public;
};

int agent_claim_sign(const struct agent_claim *claim,
		     const uint8_t app_key[DSTACK_KEY_SIZE],
		     uint8_t link[AGENT_LINK_SIZE]);
/* The key that made the link.  -EBADMSG: it is no link of a chain. */
int agent_claim_signer(const struct agent_claim *claim, const void *link,
		       size_t len, uint8_t signer[AGENT_SECP256K1_SIZE]);
/* The same of the second link, for the application and its key. */
int agent_issue_signer(const uint8_t app_id[DSTACK_APP_ID_SIZE],
		       const uint8_t app_public[AGENT_SECP256K1_SIZE],
		       const void *link, size_t len,
		       uint8_t signer[AGENT_SECP256K1_SIZE]);

struct agent_chain {
	const void *links[2];
	size_t lens[2];
};

/*
 * Whether @root vouches for the claim's key as one of the application's.
 * -EBADMSG: a link is none; -EKEYREJECTED: another root does; -ENODATA: the
 * application has its key from no KMS, so nobody vouches for it.
 */
int agent_chain_check(const struct agent_claim *claim,
		      const struct agent_chain *chain,
		      const uint8_t app_id[DSTACK_APP_ID_SIZE],
		      const uint8_t root[AGENT_SECP256K1_SIZE]);

#endif /* KEYS_CLAIMS_H */
