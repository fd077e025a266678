/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) The dstack for Linux authors
 *
 * Certificates and revocation lists in the form of Intel's SGX PKI.
 */
#ifndef TDX_PKI_CERT_H
#define TDX_PKI_CERT_H

#include <stdint.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#define CN_ROOT		"Intel SGX Root CA"
#define CN_PLATFORM	"Intel SGX PCK Platform CA"
#define CN_PCK		"Intel SGX PCK Certificate"
#define CN_SIGNING	"Intel SGX TCB Signing"

struct identity {
	EVP_PKEY *key;
	X509 *cert;
};

/**
 * struct profile - what tells one certificate of the PKI from another
 * @cn: common name, which verifiers compare
 * @path_len: of a CA; negative for an end entity
 * @crl_url: where its issuer's revocation list would be
 * @fmspc: platform of a PCK certificate, else NULL
 */
struct profile {
	const char *cn;
	int path_len;
	const char *crl_url;
	const uint8_t *fmspc;
};

/* Makes key and certificate; issuer NULL: self-signed. Return: 0 or -EIO. */
int cert_issue(struct identity *subject, const struct identity *issuer,
	       const struct profile *profile);

/*
 * A list that revokes one certificate, or none. Times are seconds from now.
 * Return: the list, NULL when the library refuses.
 */
X509_CRL *crl_issue(const struct identity *issuer, X509 *revoked,
		    long this_update, long next_update);

/* The SGX extension of PCK certificates, see sgxext.c. */
int sgx_extension_add(X509 *cert, const uint8_t fmspc[6]);

void identity_free(struct identity *identity);

#endif
