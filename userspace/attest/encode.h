/* SPDX-License-Identifier: MIT */
/*
 * What the files share that write containers
 *
 * Copyright The dstack for Linux authors
 */
#ifndef ATTEST_ENCODE_H
#define ATTEST_ENCODE_H

#include <msgpack.h>

#include "attest.h"

#define ATTEST_RUNTIME_REGISTER	3

/* encode.c */

/*
 * The event log that is written, all or what certificates have of it: the event
 * at *@at, which counts all, or the next.  NULL: there are no more.
 */
const struct libdstack_event *
attest_next(const struct libdstack_attestation *parts, bool stripped,
	    size_t *at);
size_t attest_count(const struct libdstack_attestation *parts, bool stripped);
/* Bytes of its digest that are written. */
size_t attest_digest_len(const struct libdstack_event *event, bool stripped);

/* scale.c, msgpack.c: 0 or -ENOMEM */

int attest_write_scale(const struct libdstack_attestation *parts,
		       bool stripped, msgpack_sbuffer *out);
int attest_write_msgpack(const struct libdstack_attestation *parts,
			 bool stripped, msgpack_sbuffer *out);

#endif /* ATTEST_ENCODE_H */
