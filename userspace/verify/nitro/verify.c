// SPDX-License-Identifier: MIT
/*
 * Verify a document: the steps, in order
 *
 * Copyright The dstack for Linux authors
 */
#include "nitro.h"

#include <cbor.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "../signature.h"

#define SIGNED_OVERHEAD	64	/* what Sig_structure adds */
#define CHAIN_MAX	8

/* SHA-256 of the DER of "aws.nitro-enclaves", G1. */
static const uint8_t aws_root[SHA256_DIGEST_LENGTH] = {
	0x64, 0x1a, 0x03, 0x21, 0xa3, 0xe2, 0x44, 0xef,
	0xe4, 0x56, 0x46, 0x31, 0x95, 0xd6, 0x06, 0x31,
	0x7e, 0xd7, 0xcd, 0xcc, 0x3c, 0x17, 0x56, 0xe0,
	0x98, 0x93, 0xf3, 0xc6, 0x8f, 0x79, 0xbb, 0x5b
};

int nitro_fail(struct nitro *n, enum libdstack_reason reason, const char *fmt,
	       ...)
{
	va_list args;
	int err;

	va_start(args, fmt);
	err = verify_failv(&n->verdict->failure, reason, fmt, args);
	va_end(args);
	return err;
}

/* The bundle begins with the root, which is believed only if it is AWS's. */
static int check_root(struct nitro *n)
{
	if (n->root_data) {
		n->root = certs_parse(n->root_data, n->root_len);
		if (!n->root)
			return nitro_fail(n, REASON(MALFORMED),
					  "neither DER nor PEM of a certificate");
		return 0;
	}
	n->root = sk_X509_value(n->bundle, 0);
	X509_up_ref(n->root);
	if (!certs_digest_is(n->root, aws_root))
		return nitro_fail(n, REASON(ROOT),
				  "the document's root is not AWS's, and no other was given");
	return 0;
}

static int check_chain(struct nitro *n)
{
	struct certs_path path = {
		.leaf = n->leaf, .others = n->bundle, .root = n->root,
		.min = 2, .max = CHAIN_MAX, .now = n->now,
	};

	/* One that may sign certificates signs no documents. */
	if (X509_check_ca(n->leaf) ||
	    !(X509_get_key_usage(n->leaf) & KU_DIGITAL_SIGNATURE))
		return nitro_fail(n, REASON(CHAIN),
				  "the certificate is not for signing documents");
	return certs_check(&path, &n->verdict->earliest_expiry,
			   &n->verdict->failure);
}

/* A byte string into @out, which has room. */
static size_t put_bytes(uint8_t *out, size_t size, const uint8_t *data,
			size_t len)
{
	size_t at = cbor_encode_bytestring_start(len, out, size);

	if (len)
		memcpy(out + at, data, len);
	return at + len;
}

/* RFC 9052, section 4.4: no external data. */
static size_t put_signed(const struct nitro *n, uint8_t *out, size_t size)
{
	static const uint8_t context[] = { 'S', 'i', 'g', 'n', 'a', 't', 'u',
					   'r', 'e', '1' };
	size_t len = cbor_encode_array_start(4, out, size);

	len += cbor_encode_string_start(sizeof(context), out + len,
					size - len);
	memcpy(out + len, context, sizeof(context));
	len += sizeof(context);
	len += put_bytes(out + len, size - len, n->protected.data,
			 n->protected.value);
	len += put_bytes(out + len, size - len, NULL, 0);
	return len + put_bytes(out + len, size - len, n->payload.data,
			       n->payload.value);
}

static int check_signature(struct nitro *n)
{
	uint8_t buf[LIBDSTACK_NITRO_DOCUMENT_MAX + SIGNED_OVERHEAD];
	struct signed_data what = { .data = buf, .md = "SHA384" };
	EVP_PKEY *key = X509_get0_pubkey(n->leaf);
	const size_t half = NITRO_SIGNATURE_SIZE / 2;

	if (!signature_key_is_on(key, SIGNATURE_P384))
		return nitro_fail(n, REASON(UNSUPPORTED),
				  "the key is not on P-384");
	what.len = put_signed(n, buf, sizeof(buf));
	if (!signature_ecdsa(key, n->signature.data, n->signature.data + half,
			     half, &what))
		return nitro_fail(n, REASON(SIGNATURE),
				  "the certificate's key did not sign the document");
	return 0;
}

static const struct step {
	const char *name;
	int (*check)(struct nitro *n);
} steps[] = {
	{ "document format", nitro_document_parse },
	{ "trusted root", check_root },
	{ "certificate chain", check_chain },
	{ "document signature", check_signature },
};

static int run_steps(struct nitro *n)
{
	size_t i;
	int err;

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		err = steps[i].check(n);
		if (!err)
			continue;
		verify_step(&n->verdict->failure, steps[i].name);
		return err;
	}
	return 0;
}

int libdstack_nitro_verify(const void *document, size_t len,
			   const void *root, size_t root_len, time_t now,
			   struct libdstack_nitro_verdict *verdict)
{
	struct nitro n = {
		.data = document, .len = len, .now = now, .verdict = verdict,
		.root_data = root, .root_len = root_len,
	};
	int err;

	memset(verdict, 0, sizeof(*verdict));
	verdict->earliest_expiry = INT64_MAX;
	err = run_steps(&n);
	X509_free(n.root);
	X509_free(n.leaf);
	certs_free(n.bundle);
	return err;
}
