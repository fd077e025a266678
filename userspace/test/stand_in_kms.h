/* SPDX-License-Identifier: MIT */
/*
 * A stand-in for a KMS: the wire and the keys of a real one, and its faults
 *
 * Copyright The dstack for Linux authors
 *
 * For tests.  It gives keys to whoever shows well-formed evidence for its own
 * key, genuine or not: a real KMS verifies quotes and asks a contract.  What is
 * wrong here ends the program.
 */
#ifndef STAND_IN_KMS_H
#define STAND_IN_KMS_H

#include <libdstack_ratls.h>
#include <stdatomic.h>

#include "../issue/issue.h"
#include "../keys/epoch.h"
#include "need.h"

#define STAND_IN_SEED	32

/* What is wrong with it. */
enum stand_in_fault {
	STAND_IN_GOOD,
	/* with its certificate */
	STAND_IN_USAGE, STAND_IN_NO_USAGE, STAND_IN_OTHER_ISSUER,
	STAND_IN_OTHER_NAME, STAND_IN_EXPIRED, STAND_IN_BAD_EXTENSION,
	/* with how it answers */
	STAND_IN_SILENT, STAND_IN_CLOSES, STAND_IN_TRUNCATES,
	STAND_IN_OVERSIZE, STAND_IN_REDIRECTS, STAND_IN_ERROR,
	STAND_IN_DENIES, STAND_IN_GARBAGE, STAND_IN_NUMBER, STAND_IN_TWICE,
	/* with its temporary CA, and its root */
	STAND_IN_TEMP_CA, STAND_IN_ROOT, STAND_IN_ROOT_CHANGES,
	/* with keys */
	STAND_IN_SHORT_DISK, STAND_IN_LONG_ENV, STAND_IN_NO_K256,
	STAND_IN_ZERO_K256, STAND_IN_SHORT_SIGNATURE, STAND_IN_SHORT_IMAGE,
	STAND_IN_GATEWAY,
	/* with what it signs */
	STAND_IN_NO_CHAIN, STAND_IN_OTHER_KEY, STAND_IN_OTHER_CHAIN,
	/* with the keys of environments */
	STAND_IN_OLD, STAND_IN_AHEAD, STAND_IN_NO_NEW, STAND_IN_OTHER_APP,
	STAND_IN_TWO_ROOTS,
	/* with its own key, another for each connection */
	STAND_IN_KEY_CHANGES,
	/* with roots that it gives to KMSs */
	STAND_IN_NO_SET, STAND_IN_TWO_SETS, STAND_IN_OTHER_SET,
	STAND_IN_OTHER_TEMP, STAND_IN_SHORT_SET, STAND_IN_SHORT_EPOCH,
	STAND_IN_OTHER_EPOCH, STAND_IN_EPOCH_TWICE, STAND_IN_RETIRED_ROOTS,
	/* with what it says of who runs */
	STAND_IN_SHORT_POLICY, STAND_IN_LIVES_LATER,
	/* with key epochs */
	STAND_IN_WRONG_NUMBER, STAND_IN_BACKWARDS, STAND_IN_NONE_OF_THEM,
	__STAND_IN_MAX
};

/* "usage", "no-usage" and so on; NULL for none. */
const char *stand_in_fault_name(enum stand_in_fault fault);

/* Who succeeds whom, as GetMeta has it. */
struct stand_in_record {
	uint64_t epoch;
	struct issue_public next;
	uint8_t record[KEY_SUCCESSION_MAX];
	size_t len, ca_len;		/* of @record, and of next.ca */
};

struct stand_in_config {
	const char *name;		/* of the host; NULL: 127.0.0.1 */
	const char *listen;		/* NULL: 127.0.0.1 */
	uint16_t port;			/* 0: any */
	uint8_t seed[STAND_IN_SEED];	/* of its roots: who it is */
	const char *gateway_app_id;
	/* Evidence in its own certificate; NULL: none. */
	int (*attest)(const uint8_t report_data[64], uint8_t **data,
		      size_t *len);
	const char *image;	/* os_image_hash in hex, or NULL */
	/* It gives to KMSs; 0: its roots alone, as upstream. */
	size_t epochs;
	/* It says to everybody. */
	const struct stand_in_record *records;
	size_t nr_records;
};

/* stand_in_keys.c: what it is made of, and who asks */

struct stand_in_roots {
	struct issue *issue;
	uint8_t k256[DSTACK_KEY_SIZE];
	EVP_PKEY *ca_key, *temp_key;
	X509 *ca, *temp_ca;
};

/* @from vouches for @to. */
void stand_in_succeed(const struct issue *from, uint64_t epoch,
		      const struct issue *to, struct stand_in_record *record);
void stand_in_roots_init(struct stand_in_roots *roots, const uint8_t *seed);
void stand_in_roots_clear(struct stand_in_roots *roots);
/*
 * What its evidence says.  False, with why: there is none, or not for this
 * key.
 */
bool stand_in_client_read(const struct libdstack_attestation *att,
			  const void *spki, size_t len,
			  struct libdstack_identity *client, const char **why);

/* One of its epochs; its roots are epoch 0. */
void stand_in_epoch(const struct stand_in_roots *roots, uint64_t number,
		    struct key_epoch *epoch);

/* What a chain would say, at this block; a test changes it meanwhile. */
struct stand_in_state {
	atomic_bool denied;
	atomic_uint block, policy_epoch;
	/* 1: both of its epochs live, and the second is of the other roots. */
	atomic_uint key_epoch, previous_ends, first_live, app_first_live;
	uint8_t policy_root[32];
};

/* stand_in_methods.c: what it answers */

struct stand_in_call {
	const struct stand_in_config *config;
	const struct stand_in_roots *roots, *others;
	struct stand_in_state *state;
	enum stand_in_fault fault;
	X509 *client;			/* certificate, or NULL */
	const void *body;
	size_t len;
	/* What comes of it: malloc'ed. */
	int status;
	void *answer;
	size_t answer_len;
};

void stand_in_answer(struct stand_in_call *call, const char *method);

/* stand_in_kms.c: who serves it, on a thread of its own */

struct stand_in_kms {
	struct stand_in_config config;
	struct stand_in_roots roots, others;
	struct stand_in_state state;
	atomic_int fault, requests, connections;
	char url[128];
	struct stand_in_server *server;
};

struct stand_in_kms *stand_in_start(const struct stand_in_config *config);
void stand_in_stop(struct stand_in_kms *kms);

#endif /* STAND_IN_KMS_H */
