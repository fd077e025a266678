/* SPDX-License-Identifier: MIT */
/*
 * What a KMS issues: keys, signatures and certificates
 *
 * Copyright The dstack for Linux authors
 *
 * Everything follows from three numbers, the roots of one key epoch, and for
 * the same roots it is what upstream's KMS gives.  Here is neither a socket
 * nor a file nor a clock: who may have what, and what time it is, was decided
 * before.  Functions return 0 or -errno, and may be called by many threads at
 * once; @why is a static text for whoever gets an error.
 * Documentation/admin-guide/kms.rst has the derivations and the formats.
 */
#ifndef ISSUE_H
#define ISSUE_H

#include <libdstack_ratls.h>

#include "../keys/succession.h"

#define ISSUE_SPKI_SIZE		KEY_CA_SIZE
#define ISSUE_PEM_MAX		8192	/* of a CA's certificate, with NUL */
#define ISSUE_HOST_MAX		253
#define ISSUE_CHAIN		3

/*
 * roots.c: numbers, big-endian
 */

struct issue_roots {
	uint8_t ca[DSTACK_KEY_SIZE];		/* on P-256 */
	uint8_t k256[DSTACK_KEY_SIZE];		/* on secp256k1 */
	uint8_t temp_ca[DSTACK_KEY_SIZE];	/* on P-256; no secret */
};

/* By chance.  -EIO: there was none to be had, or a library failed. */
int issue_roots_new(struct issue_roots *roots);
void issue_roots_wipe(struct issue_roots *roots);

/* By what others know an epoch. */
struct issue_public {
	uint8_t k256[AGENT_SECP256K1_SIZE];
	uint8_t ca[ISSUE_SPKI_SIZE];
};

/* What the quote of a KMS's first start commits to. */
int issue_report_data(const struct issue_public *public,
		      uint8_t out[DSTACK_REPORT_DATA_SIZE]);

/*
 * ca.c: an epoch that is ready to issue
 */

struct issue;

enum issue_ca { ISSUE_ROOT_CA, ISSUE_TEMP_CA, __ISSUE_CA_MAX };

/*
 * @certs: of each CA its certificate in PEM, or NULL for one to be made that
 * ends in ten years.  -EINVAL: one of the roots is no key of its curve;
 * -EBADMSG: a certificate is none of such a CA; -EKEYREJECTED: it is another
 * key's.
 */
int issue_open(const struct issue_roots *roots,
	       const char *const certs[__ISSUE_CA_MAX], time_t now,
	       struct issue **issue, const char **why);
/* Wipes; @issue may be NULL. */
void issue_close(struct issue *issue);

const struct issue_public *issue_public(const struct issue *issue);
/* PEM. */
const char *issue_cert(const struct issue *issue, enum issue_ca which);
/* PKCS #8 in PEM, for wiping and free(); NULL: no memory. */
char *issue_key(const struct issue *issue, enum issue_ca which);
/* Less than 365 days are left: open without it, and its key gets another. */
bool issue_cert_is_due(const struct issue *issue, enum issue_ca which,
		       time_t now);

/*
 * app.c: keys of applications
 */

struct issue_app_keys {
	uint8_t disk[DSTACK_KEY_SIZE];
	uint8_t env[DSTACK_KEY_SIZE];		/* X25519, not clamped */
	uint8_t k256[DSTACK_KEY_SIZE];
	uint8_t k256_signature[AGENT_LINK_SIZE];
};

/* @instance_id: 20 bytes, or none.  @keys are to be wiped. */
int issue_app_keys(const struct issue *issue,
		   const uint8_t app_id[DSTACK_APP_ID_SIZE],
		   const struct libdstack_id *instance_id,
		   struct issue_app_keys *keys);
void issue_app_keys_wipe(struct issue_app_keys *keys);

/* For whom a person encrypts what an application finds in its environment. */
struct issue_env_key {
	uint8_t public[DSTACK_KEY_SIZE];		/* X25519 */
	uint8_t signature[AGENT_LINK_SIZE];		/* without a time */
	uint8_t signature_v1[AGENT_LINK_SIZE];
};

int issue_env_key(const struct issue *issue,
		  const uint8_t app_id[DSTACK_APP_ID_SIZE],
		  uint64_t timestamp, struct issue_env_key *key);

/*
 * cert.c, sign.c: certificates.  -EKEYEXPIRED: by @now, that of the root is
 * not valid.
 */

/*
 * The KMS's own, in PEM, for free().  @evidence: a container for its key, or
 * empty.  -EINVAL: @domain is no host's name or address; -EOPNOTSUPP: @key is
 * not on P-256.
 */
int issue_rpc_cert(const struct issue *issue, EVP_PKEY *key,
		   const char *domain, const struct libdstack_span *evidence,
		   time_t now, char **pem, const char **why);

/* All of this was verified: libdstack_csr_verify(). */
struct issue_request {
	const struct libdstack_csr *csr;
	const struct libdstack_attestation *attestation;	/* in it */
	const struct libdstack_identity *identity;	/* who is behind it */
};

/* PEM: what was asked for, the application's CA, the root. */
struct issue_chain {
	char *pem[ISSUE_CHAIN];
};

/* -EINVAL: it asks for what no certificate can have. */
int issue_sign(const struct issue *issue, const struct issue_request *request,
	       time_t now, struct issue_chain *chain, const char **why);
void issue_chain_free(struct issue_chain *chain);

/*
 * succession.c: the roots of an epoch vouch for those of the next
 */

/* -EINVAL: @epoch is 0, which follows no other. */
int issue_succession_make(const struct issue *issue, uint64_t epoch,
			  const struct issue_public *next,
			  struct key_succession *record);

#endif /* ISSUE_H */
