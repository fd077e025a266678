/* SPDX-License-Identifier: MIT */
/*
 * Evidence of the test platform, under certificates that are there already
 *
 * Copyright The dstack for Linux authors
 *
 * Programs that speak to one another have to agree on the platform: who starts
 * them makes it, with mkpki, and each signs its quotes with a key of its own.
 */
#ifndef KMSD_EVIDENCE_FIXTURE_H
#define KMSD_EVIDENCE_FIXTURE_H

#include "ratls_fixture.h"

/* The files of mkpki that quotes take, from @path. */
static inline void use_pki(const char *path)
{
	char name[4096];
	BIO *in;

	snprintf(name, sizeof(name), "%s/pck_chain.pem", path);
	assert_int_equal(dstack_file_read(name, 65536, &chain, &chain_len), 0);
	snprintf(name, sizeof(name), "%s/pck.key", path);
	in = BIO_new_file(name, "r");
	assert_non_null(in);
	pck = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
	BIO_free(in);
	assert_non_null(pck);
	attest = EVP_EC_gen("P-256");
	assert_non_null(attest);
}

#endif /* KMSD_EVIDENCE_FIXTURE_H */
