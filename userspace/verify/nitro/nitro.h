/* SPDX-License-Identifier: MIT */
/*
 * What the rooms of the Nitro verifier share
 *
 * Copyright The dstack for Linux authors
 *
 * document.c takes a document apart, verify.c puts the steps in order, and
 * policy.c judges what is genuine.
 */
#ifndef NITRO_H
#define NITRO_H

#include <libdstack_nitro.h>

#include "../cbor_in.h"
#include "../certs.h"
#include "../failure.h"

#define NITRO_SIGNATURE_SIZE	96	/* r, s on P-384 */

/* One verification; pointers lead into the document. */
struct nitro {
	const uint8_t *data;
	size_t len;
	const void *root_data;
	size_t root_len;
	time_t now;
	struct libdstack_nitro_verdict *verdict;

	struct cbor_item protected, payload, signature, certificate;
	STACK_OF(X509) *bundle;
	X509 *leaf, *root;
};

/* verify_fail() for the verdict. */
int nitro_fail(struct nitro *n, enum libdstack_reason reason, const char *fmt,
	       ...)
	__attribute__((format(printf, 3, 4)));

/* document.c */

int nitro_document_parse(struct nitro *n);

#endif /* NITRO_H */
