/* SPDX-License-Identifier: MIT */
/*
 * Certificates that come with evidence, and the one root that they must lead to
 *
 * Copyright The dstack for Linux authors
 */
#ifndef CERTS_H
#define CERTS_H

#include <openssl/sha.h>
#include <openssl/x509.h>

#include "failure.h"

#define CERTS_MAX	16	/* with one piece of evidence */
#define CERTS_SIZE_MAX	65536U	/* bytes of one blob */

/* A path to check: @leaf, @len - 2 others, @root. */
struct certs_path {
	X509 *leaf, *root;
	STACK_OF(X509) *others;	/* may hold more, in any order */
	X509_CRL *crl;		/* of who issued the leaf, or NULL */
	int min, max;		/* certificates, with leaf and root */
	time_t now;
};

/*
 * Adds what @data holds, one certificate in DER or some in PEM.  -EBADMSG with
 * the reason.
 */
int certs_add(STACK_OF(X509) *certs, const void *data, size_t len,
	      struct libdstack_failure *failure);
/* One certificate, DER or PEM, or NULL. */
X509 *certs_parse(const void *data, size_t len);
X509_CRL *certs_parse_crl(const void *data, size_t len);
void certs_free(STACK_OF(X509) *certs);
/* SHA-256 of its DER. */
bool certs_digest_is(X509 *cert, const uint8_t sha256[SHA256_DIGEST_LENGTH]);
/* Of subjects that have exactly one common name. */
bool certs_name_is(X509 *cert, const char *name);
/*
 * Each certificate is signed by the next and valid at that time, and the leaf
 * not revoked.  @expires becomes the earliest end.
 */
int certs_check(const struct certs_path *path, int64_t *expires,
		struct libdstack_failure *failure);

#endif /* CERTS_H */
