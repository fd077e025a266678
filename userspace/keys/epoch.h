/* SPDX-License-Identifier: MIT */
/*
 * Key epochs of a KMS: roots, and what is known of them in public
 *
 * Copyright The dstack for Linux authors
 *
 * All that a KMS gives comes of the roots of one epoch.  Epoch 0 has the values
 * that upstream derives.  An epoch that is retired has no roots any more, and
 * what was public stays.
 */
#ifndef KEYS_EPOCH_H
#define KEYS_EPOCH_H

#include "succession.h"

#define KEY_EPOCHS_MAX		64
#define KEY_EPOCH_CERT_MAX	2048	/* bytes of PEM, with NUL */
#define KEY_EPOCH_NUMBER_MAX	((1ULL << 53) - 1)	/* exact in JSON */

/* It has secrets: it belongs in memory of libdstack_secret_alloc(). */
struct key_epoch {
	uint64_t number;
	uint64_t created, retired;	/* s since 1970; 0: it is not retired */
	/* Scalars: of both CAs on P-256, of the other on secp256k1. */
	uint8_t ca[DSTACK_KEY_SIZE], temp_ca[DSTACK_KEY_SIZE];
	uint8_t k256[DSTACK_KEY_SIZE];
	uint8_t k256_public[AGENT_SECP256K1_SIZE];
	char ca_cert[KEY_EPOCH_CERT_MAX], temp_ca_cert[KEY_EPOCH_CERT_MAX];
	/*
	 * The epoch before it names it as its successor: the signatures of
	 * key_succession_write(), of old only the first; none: length 0.
	 */
	uint8_t succession[KEY_SUCCESSION_MAX];
	size_t succession_len;
};

/*
 * Whether the parts of each belong together, numbers rise, no root is there
 * twice, and one epoch at least is not retired.  -EINVAL: *@why says what is
 * wrong, and lives for ever.
 */
int key_epochs_check(const struct key_epoch *epochs, size_t nr,
		     const char **why);
/* The root of certificates, as others know it.  -EBADMSG: it is none. */
int key_epoch_ca(const struct key_epoch *epoch, uint8_t ca[KEY_CA_SIZE]);
/* The scalars, and nothing else. */
void key_epoch_wipe(struct key_epoch *epoch);

#endif /* KEYS_EPOCH_H */
