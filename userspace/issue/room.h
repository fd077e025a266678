/* SPDX-License-Identifier: MIT */
/*
 * What the files of this room share
 *
 * Copyright The dstack for Linux authors
 */
#ifndef ISSUE_ROOM_H
#define ISSUE_ROOM_H

#include "../keys/p256.h"
#include "issue.h"

#define ISSUE_ORGANISATION	"Dstack"
/* 1975, where upstream's library of certificates begins, and ten years. */
#define ISSUE_NOT_BEFORE	157766400
#define ISSUE_VALID_S		(3650 * 86400LL)

struct issue_authority {
	EVP_PKEY *key;
	X509 *cert;
	char *pem;
	int64_t not_before, not_after;
};

struct issue {
	struct issue_roots *roots;	/* libdstack_secret_alloc() */
	struct issue_public public;
	struct issue_authority ca[__ISSUE_CA_MAX];
};

/* Returns @err. */
static inline int issue_fail(const char **why, int err, const char *text)
{
	*why = text;
	return err;
}

static inline struct part issue_text(const char *text)
{
	return (struct part){ text, strlen(text) };
}

#define ISSUE_BE64_SIZE		8

/* Big-endian, as numbers are signed. */
static inline void issue_put_be64(uint64_t value, uint8_t out[ISSUE_BE64_SIZE])
{
	int i;

	for (i = ISSUE_BE64_SIZE; i--; value >>= 8)
		out[i] = value;
}

/* app.c: by a root on secp256k1, over the KECCAK-256 hash of the parts */
int issue_vouch(const uint8_t k256[DSTACK_KEY_SIZE], const struct part *parts,
		size_t nr, uint8_t link[AGENT_LINK_SIZE]);

/* ca.c: -EIO: no memory, or a part that OpenSSL does not take */
int issue_make_cert(const struct libdstack_ratls_request *request,
		    X509 **cert, char **pem);

/* cert.c */

/* How long what the root signs is valid: as long as the root at most. */
int issue_validity(const struct issue *issue, time_t now,
		   struct libdstack_ratls_request *request, const char **why);

/* name.c */

/* A host's name, in letters, digits and hyphens, or an address. */
bool issue_is_host(const char *name);
/* The same, and what else is met in certificates: "*." and underscores. */
bool issue_is_alt_name(const char *name);
/*
 * A name of X.520, of at most 64 characters, none of them for control, as a
 * string in @out.
 */
#define ISSUE_X520_SIZE		(64 * 4 + 1)
bool issue_copy_x520(const struct libdstack_span *span,
		     char out[ISSUE_X520_SIZE]);

#endif /* ISSUE_ROOM_H */
