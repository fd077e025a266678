/* SPDX-License-Identifier: MIT */
/*
 * What the rooms of the TPM verifier share
 *
 * Copyright The dstack for Linux authors
 *
 * message.c takes a quote apart, public.c and chain.c say which key to believe,
 * verify.c puts the steps in order, and policy.c judges what is genuine.
 */
#ifndef TPM_H
#define TPM_H

#include <libdstack_tpm.h>
#include <openssl/evp.h>

#include "../failure.h"

struct libdstack_tpm_key {
	EVP_PKEY *pkey;
};

/* Signature in the form that signature.h wants. */
struct tpm_signature {
	bool ecdsa;
	const char *md;
	uint16_t hash;			/* its number */
	uint8_t data[512];		/* RSASSA, or r and s */
	size_t len;			/* of all, or of each */
};

/* message.c */

int tpm_message_parse(const void *message, size_t len,
		      struct libdstack_tpm_verdict *v);
/* @key_size: of a signature that is RSASSA alone, with SHA-256. */
int tpm_signature_parse(const void *data, size_t len, size_t key_size,
			struct tpm_signature *signature,
			struct libdstack_failure *failure);

/* public.c */

/* Takes over @pkey, whether it is good or not. */
int tpm_key_new(EVP_PKEY *pkey, struct libdstack_tpm_key **key,
		struct libdstack_failure *failure);

#endif /* TPM_H */
