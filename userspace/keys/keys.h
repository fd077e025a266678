/* SPDX-License-Identifier: MIT */
/*
 * Keys on their own: public keys, signatures
 *
 * Copyright The dstack for Linux authors
 *
 * Pure functions on bytes, for any number of threads: where keys come from is
 * not known here.  What a client may have done wrong is told in *@why, which
 * lives for ever.  Documentation/userspace-api/agent-keys.rst has the forms.
 */
#ifndef KEYS_H
#define KEYS_H

#include <libdstack.h>

#define AGENT_SIGNATURE_SIZE	64	/* r, s; or as RFC 8032 has it */
#define AGENT_SECP256K1_SIZE	33	/* of public keys */
#define AGENT_ED25519_SIZE	32
#define AGENT_PREHASHED_SIZE	32
#define AGENT_REPORT_DATA_SIZE	64

enum agent_algorithm {
	AGENT_UNSUPPORTED = 0,
	AGENT_SECP256K1,
	AGENT_SECP256K1_PREHASHED,
	AGENT_ED25519,
};

/* What clients know unsupported algorithms by. */
#define AGENT_UNSUPPORTED_TEXT	"Unsupported algorithm"

/* As v0's GetKey takes them: "" is secp256k1, "k256" is its other name. */
enum agent_algorithm agent_algorithm_of_key(const char *name);
/* As v0's Sign and Verify do: there is no default. */
enum agent_algorithm agent_algorithm_of_signature(const char *name);
/* As v1 does: neither default nor other names. */
enum agent_algorithm agent_algorithm_of_v1(const char *name);

struct agent_public {
	size_t len;
	uint8_t bytes[AGENT_SECP256K1_SIZE];
};

/* -EINVAL: @key, as a scalar of secp256k1, is 0 or not below the order. */
int agent_key_public(enum agent_algorithm algorithm,
		     const uint8_t key[DSTACK_KEY_SIZE],
		     struct agent_public *public);
/* What a quote of the key commits to: "dip1::", the algorithm, the key. */
int agent_key_report_data(enum agent_algorithm algorithm,
			  const struct agent_public *public,
			  uint8_t out[AGENT_REPORT_DATA_SIZE]);

/* -EINVAL: see *@why. */
int agent_sign(enum agent_algorithm algorithm,
	       const uint8_t key[DSTACK_KEY_SIZE], const void *data, size_t len,
	       uint8_t signature[AGENT_SIGNATURE_SIZE], const char **why);

/* What a client wants to be verified: nothing of it was looked at yet. */
struct agent_signed {
	enum agent_algorithm algorithm;
	const void *data;
	size_t len;
	const uint8_t *signature, *public_key;
	size_t signature_len, public_len;
};

/*
 * As upstream's Verify: -EINVAL is for what is no key or no signature at all,
 * and what is one that does not verify is 0 and not *@valid.
 */
int agent_verify(const struct agent_signed *what, bool *valid,
		 const char **why);

#endif /* KEYS_H */
