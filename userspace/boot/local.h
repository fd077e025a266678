/* SPDX-License-Identifier: MIT */
/*
 * A key from an enclave of the host
 *
 * Copyright The dstack for Linux authors
 *
 * local_host.c asks the host's API, local_key.c judges what it answers, and
 * provider_local.c says for whom.  Functions return 0 or -errno, after a
 * message:
 *
 * -EINVAL	there is nobody to ask, or his address is none
 * -EHOSTUNREACH the host could not be reached, or not in time
 * -EACCES	it refused, and the message has its words
 * -EBADMSG	what it answered is no such answer
 * -EKEYREJECTED the enclave is not the right one, or can't show it
 * -ENODATA	nothing to judge its quote by could be had
 */
#ifndef BOOT_LOCAL_H
#define BOOT_LOCAL_H

#include <libdstack_collateral.h>
#include <libdstack_quote.h>

#include "boot.h"

#define LOCAL_ENCLAVE_SIZE	32	/* MRENCLAVE */
/* A key in a box of libsodium: a public key before it, a MAC around it. */
#define LOCAL_BOX_SIZE		(32 + 16 + DSTACK_KEY_SIZE)

/* local_host.c */

/* What the host answers; nothing of it is judged yet. */
struct local_answer {
	uint8_t box[LOCAL_BOX_SIZE];
	uint8_t *quote;			/* of the enclave; free() */
	size_t quote_len;
};

/* @url: vsock://CID:PORT/PATH, http:// or https://. */
int local_ask(const char *url, unsigned int timeout_s,
	      const struct libdstack_quote *quote, struct local_answer *answer);

/* local_key.c */

struct local {
	const char *url;
	unsigned int timeout_s;		/* of the host; 0: 60 */
	/* The only enclave that will do; of no length: any. */
	const uint8_t *enclave;
	size_t enclave_len;
	/* What its quote is judged by, and by whose root. */
	struct libdstack_collateral_source source;
	struct libdstack_quote_policy policy;
	/* A quote of this machine, for libdstack_quote_free(). */
	int (*attest)(void *arg,
		      const uint8_t report_data[DSTACK_REPORT_DATA_SIZE],
		      struct libdstack_quote *quote);
	void *arg;
};

/* The key, and which enclave gave it.  @seed: in memory that is wiped. */
int local_get(const struct local *local, uint8_t seed[DSTACK_KEY_SIZE],
	      uint8_t enclave[LOCAL_ENCLAVE_SIZE]);

#endif /* BOOT_LOCAL_H */
