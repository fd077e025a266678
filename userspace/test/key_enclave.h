/* SPDX-License-Identifier: MIT */
/*
 * A stand-in for a host with a key enclave: its API, its PCCS, and their faults
 *
 * Copyright The dstack for Linux authors
 *
 * For tests.  It gives keys to whoever shows a well-formed quote of a TD,
 * genuine or not: a real enclave verifies it.  Its own quotes are of the
 * platform of tools/tdx-module.  What is wrong here ends the program.
 */
#ifndef KEY_ENCLAVE_H
#define KEY_ENCLAVE_H

#include <jansson.h>
#include <libdstack_verify.h>
#include <openssl/evp.h>
#include <stdatomic.h>

#include "need.h"

#define KEY_ENCLAVE_BOX		80	/* a key of 32 bytes in it */
#define KEY_ENCLAVE_CHAIN_MAX	8192

/* What is wrong with it. */
enum key_enclave_fault {
	KEY_ENCLAVE_GOOD,
	/* with how it answers */
	KEY_ENCLAVE_SILENT, KEY_ENCLAVE_CLOSES, KEY_ENCLAVE_TRUNCATES,
	KEY_ENCLAVE_OVERSIZE, KEY_ENCLAVE_REDIRECTS, KEY_ENCLAVE_ERROR,
	KEY_ENCLAVE_DENIES, KEY_ENCLAVE_GARBAGE, KEY_ENCLAVE_TWICE,
	KEY_ENCLAVE_NUMBER,
	/* with the box */
	KEY_ENCLAVE_SHORT_BOX, KEY_ENCLAVE_LONG_BOX, KEY_ENCLAVE_OTHER_READER,
	/* with the quote */
	KEY_ENCLAVE_NO_QUOTE, KEY_ENCLAVE_NO_ENCLAVE, KEY_ENCLAVE_OTHER_BOX,
	KEY_ENCLAVE_MORE_DATA, KEY_ENCLAVE_SIGNATURE, KEY_ENCLAVE_DEBUG,
	KEY_ENCLAVE_TD,
	/* with the collateral */
	KEY_ENCLAVE_NO_COLLATERAL, KEY_ENCLAVE_OUT_OF_DATE,
	__KEY_ENCLAVE_MAX
};

/* "silent" and so on; NULL for none. */
const char *key_enclave_fault_name(enum key_enclave_fault fault);

struct key_enclave_config {
	/*
	 * mkpki's; collateral of enclaves is in its "enclaves", and such of a
	 * platform that is out of date in its "old".
	 */
	const char *pki;
	const char *listen;		/* NULL: 127.0.0.1 */
	uint16_t port;			/* 0: any */
	const char *seed;		/* of its sealing key */
	const char *enclave;		/* SHA-256 of this is its MRENCLAVE */
};

/* key_enclave.c: what it is made of, and gives */

struct key_enclave_platform {
	EVP_PKEY *pck, *attest;
	char *chain;			/* with its NUL */
	size_t chain_len;
	json_t *td, *enclaves, *old;	/* collateral */
};

void key_enclave_open(struct key_enclave_platform *platform, const char *pki);
void key_enclave_close(struct key_enclave_platform *platform);
/* The key for who has this quote: what a machine must come to. */
bool key_enclave_key(const struct key_enclave_config *config,
		     const void *quote, size_t len, uint8_t key[32]);
/* An answer in JSON, for free(); NULL: that was no request. */
char *key_enclave_answer(const struct key_enclave_config *config,
			 const struct key_enclave_platform *platform,
			 enum key_enclave_fault fault, const char *request,
			 size_t len);

/* key_enclave_server.c: who serves it, on a thread of its own */

struct key_enclave {
	struct key_enclave_config config;
	struct key_enclave_platform platform;
	atomic_int fault, requests;
	char url[128];			/* of its PCCS; with /api of the host */
	struct key_enclave_server *server;
};

struct key_enclave *key_enclave_start(const struct key_enclave_config *config);
void key_enclave_stop(struct key_enclave *enclave);

#endif /* KEY_ENCLAVE_H */
