// SPDX-License-Identifier: MIT
/*
 * From a cloud's root to the key that signs quotes
 *
 * Copyright The dstack for Linux authors
 */
#include "tpm.h"

#include <openssl/x509v3.h>
#include <string.h>

#include "../certs.h"

#define CHAIN_MAX	6

/* SHA-256 of the DER of roots of virtual TPMs. */
static const uint8_t roots[][SHA256_DIGEST_LENGTH] = {
	/* Google's "EK/AK CA Root" of 2022 */
	{ 0x59, 0x47, 0x59, 0x59, 0x4b, 0x9b, 0x61, 0x52,
	  0x4f, 0x6c, 0x8e, 0xf6, 0x68, 0xf7, 0x17, 0x7f,
	  0x7b, 0x90, 0x66, 0xbc, 0x06, 0x74, 0xf2, 0xf4,
	  0x9f, 0xe9, 0xe0, 0x52, 0xbe, 0x78, 0xbe, 0xb2 },
	/* "Azure Virtual TPM Root Certificate Authority 2023" */
	{ 0xe6, 0xc5, 0x96, 0xb1, 0x7f, 0x8f, 0xfe, 0xfb,
	  0xa5, 0xc3, 0x00, 0xf7, 0x14, 0xcf, 0xb1, 0x26,
	  0x0c, 0x60, 0x28, 0x70, 0x4e, 0xcf, 0x7b, 0xec,
	  0xc4, 0xab, 0x50, 0x18, 0xef, 0xb0, 0x0e, 0x95 },
};

static bool is_pinned(X509 *cert)
{
	size_t i;

	for (i = 0; i < sizeof(roots) / sizeof(roots[0]); i++)
		if (certs_digest_is(cert, roots[i]))
			return true;
	return false;
}

static X509 *pinned_root(STACK_OF(X509) *certs)
{
	int i;

	for (i = 1; i < sk_X509_num(certs); i++) {
		if (!is_pinned(sk_X509_value(certs, i)))
			continue;
		X509_up_ref(sk_X509_value(certs, i));
		return sk_X509_value(certs, i);
	}
	return NULL;
}

/* What the caller frees. */
static int find_root(const struct libdstack_tpm_chain *chain,
		     STACK_OF(X509) *certs, X509 **root,
		     struct libdstack_failure *failure)
{
	if (!chain->root) {
		*root = pinned_root(certs);
		return *root ? 0 : verify_fail(failure, REASON(ROOT),
					       "none of the certificates is a known root of virtual TPMs: add it to them, or give another root");
	}
	*root = certs_parse(chain->root, chain->root_len);
	return *root ? 0 : verify_fail(failure, REASON(MALFORMED),
				       "the root is neither DER nor PEM of a certificate");
}

static int read_certs(const struct libdstack_tpm_chain *chain,
		      STACK_OF(X509) *certs, struct libdstack_failure *failure)
{
	size_t i;
	int err = 0;

	if (!certs)
		return verify_fail(failure, REASON(MEMORY), "out of memory");
	for (i = 0; !err && i < chain->nr_certs; i++)
		err = certs_add(certs, chain->certs[i].data,
				chain->certs[i].len, failure);
	if (!err && !sk_X509_num(certs))
		err = verify_fail(failure, REASON(CHAIN), "no certificates");
	return err;
}

static int check_certs(STACK_OF(X509) *certs, X509 *root, time_t now,
		       struct libdstack_failure *failure)
{
	int64_t expires = INT64_MAX;
	struct certs_path path = {
		.leaf = sk_X509_value(certs, 0), .others = certs, .root = root,
		.min = 2, .max = CHAIN_MAX, .now = now,
	};

	if (X509_check_ca(path.leaf) ||
	    !(X509_get_key_usage(path.leaf) & KU_DIGITAL_SIGNATURE))
		return verify_fail(failure, REASON(CHAIN),
				   "the first certificate is not of a key that signs quotes");
	return certs_check(&path, &expires, failure);
}

static int from_certs(const struct libdstack_tpm_chain *chain,
		      STACK_OF(X509) *certs, time_t now,
		      struct libdstack_tpm_key **key,
		      struct libdstack_failure *failure)
{
	X509 *root = NULL;
	int err;

	err = read_certs(chain, certs, failure);
	if (!err)
		err = find_root(chain, certs, &root, failure);
	if (!err)
		err = check_certs(certs, root, now, failure);
	if (!err)
		err = tpm_key_new(X509_get_pubkey(sk_X509_value(certs, 0)), key,
				  failure);
	X509_free(root);
	return err;
}

int libdstack_tpm_key_from_chain(const struct libdstack_tpm_chain *chain,
				 time_t now, struct libdstack_tpm_key **key,
				 struct libdstack_failure *failure)
{
	STACK_OF(X509) *certs = sk_X509_new_null();
	int err;

	*key = NULL;
	memset(failure, 0, sizeof(*failure));
	err = from_certs(chain, certs, now, key, failure);
	if (err)
		verify_step(failure, "attestation key");
	certs_free(certs);
	return err;
}
