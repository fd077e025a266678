// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) The dstack for Linux authors
 *
 * Certificates and revocation lists in the form of Intel's SGX PKI.
 *
 * Common names are Intel's because verifiers compare them; the organisation
 * says whose they really are.
 */
#include "cert.h"

#include <errno.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "crypto.h"

#define DAY		86400L
#define VALID_DAYS	(30 * 365)
#define SERIAL_SIZE	20

static int set_name(X509 *cert, const char *cn)
{
	const struct {
		const char *field, *value;
	} parts[] = {
		{ "CN", cn },
		{ "O", "dstack test, not Intel" },
		{ "L", "Santa Clara" },
		{ "ST", "CA" },
		{ "C", "US" },
	};
	X509_NAME *name = X509_get_subject_name(cert);
	size_t i;

	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (!X509_NAME_add_entry_by_txt(name, parts[i].field,
						MBSTRING_UTF8,
						(const uint8_t *)parts[i].value,
						-1, -1, 0))
			return -EIO;
	return 0;
}

/* A positive number that needs all its bytes. */
static int set_serial(X509 *cert)
{
	uint8_t bytes[SERIAL_SIZE];
	BIGNUM *number;
	int err = -EIO;

	random_bytes(bytes, sizeof(bytes));
	bytes[0] = (bytes[0] & 0x7f) | 0x40;
	number = BN_bin2bn(bytes, sizeof(bytes), NULL);
	if (number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)))
		err = 0;
	BN_free(number);
	return err;
}

static int add_extension(X509V3_CTX *ctx, X509 *cert, int nid,
			 const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, ctx, nid, value);
	int err = ext && X509_add_ext(cert, ext, -1) ? 0 : -EIO;

	X509_EXTENSION_free(ext);
	return err;
}

static int add_extensions(X509 *cert, X509 *issuer,
			  const struct profile *profile)
{
	char constraints[64] = "critical,CA:FALSE";
	const char *usage = "critical,digitalSignature,nonRepudiation";
	char points[160];
	X509V3_CTX ctx;

	if (profile->path_len >= 0) {
		snprintf(constraints, sizeof(constraints),
			 "critical,CA:TRUE,pathlen:%d", profile->path_len);
		usage = "critical,keyCertSign,cRLSign";
	}
	snprintf(points, sizeof(points), "URI:%s", profile->crl_url);
	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	/* The subject's key identifier first: a root's authority copies it. */
	if (add_extension(&ctx, cert, NID_subject_key_identifier, "hash") ||
	    add_extension(&ctx, cert, NID_authority_key_identifier,
			  "keyid:always") ||
	    add_extension(&ctx, cert, NID_crl_distribution_points, points) ||
	    add_extension(&ctx, cert, NID_key_usage, usage) ||
	    add_extension(&ctx, cert, NID_basic_constraints, constraints))
		return -EIO;
	return profile->fmspc ? sgx_extension_add(cert, profile->fmspc) : 0;
}

static int fill_in(struct identity *subject, const struct identity *issuer,
		   const struct profile *profile)
{
	X509 *cert = subject->cert;

	if (!X509_set_version(cert, X509_VERSION_3) ||
	    set_serial(cert) || set_name(cert, profile->cn) ||
	    !X509_set_issuer_name(cert, X509_get_subject_name(issuer->cert)) ||
	    !X509_gmtime_adj(X509_getm_notBefore(cert), -DAY) ||
	    !X509_time_adj_ex(X509_getm_notAfter(cert), VALID_DAYS, 0, NULL) ||
	    !X509_set_pubkey(cert, subject->key) ||
	    add_extensions(cert, issuer->cert, profile) ||
	    !X509_sign(cert, issuer->key, EVP_sha256()))
		return -EIO;
	return 0;
}

int cert_issue(struct identity *subject, const struct identity *issuer,
	       const struct profile *profile)
{
	subject->key = p256_generate();
	subject->cert = X509_new();
	if (!subject->key || !subject->cert)
		return -EIO;
	return fill_in(subject, issuer ? issuer : subject, profile);
}

void identity_free(struct identity *identity)
{
	EVP_PKEY_free(identity->key);
	X509_free(identity->cert);
	identity->key = NULL;
	identity->cert = NULL;
}

static int revoke(X509_CRL *crl, X509 *cert, const ASN1_TIME *when)
{
	ASN1_ENUMERATED *reason = ASN1_ENUMERATED_new();
	X509_REVOKED *entry = X509_REVOKED_new();
	int err = -EIO;

	if (reason && entry &&
	    X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(cert)) &&
	    X509_REVOKED_set_revocationDate(entry, (ASN1_TIME *)when) &&
	    ASN1_ENUMERATED_set(reason, CRL_REASON_KEY_COMPROMISE) &&
	    X509_REVOKED_add1_ext_i2d(entry, NID_crl_reason, reason, 0, 0) &&
	    X509_CRL_add0_revoked(crl, entry)) {
		entry = NULL;	/* the list's now */
		err = 0;
	}
	ASN1_ENUMERATED_free(reason);
	X509_REVOKED_free(entry);
	return err;
}

static int add_crl_extensions(X509_CRL *crl, X509 *issuer)
{
	ASN1_INTEGER *number = ASN1_INTEGER_new();
	X509_EXTENSION *ext;
	X509V3_CTX ctx;
	int err = -EIO;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, NULL, NULL, crl, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, NID_authority_key_identifier,
				  "keyid:always");
	if (number && ext && ASN1_INTEGER_set(number, 1) &&
	    X509_CRL_add1_ext_i2d(crl, NID_crl_number, number, 0, 0) &&
	    X509_CRL_add_ext(crl, ext, -1))
		err = 0;
	X509_EXTENSION_free(ext);
	ASN1_INTEGER_free(number);
	return err;
}

X509_CRL *crl_issue(const struct identity *issuer, X509 *revoked,
		    long this_update, long next_update)
{
	ASN1_TIME *from = X509_gmtime_adj(NULL, this_update);
	ASN1_TIME *to = X509_gmtime_adj(NULL, next_update);
	X509_CRL *crl = X509_CRL_new();

	if (!from || !to || !crl ||
	    !X509_CRL_set_version(crl, X509_CRL_VERSION_2) ||
	    !X509_CRL_set_issuer_name(crl,
				      X509_get_subject_name(issuer->cert)) ||
	    !X509_CRL_set1_lastUpdate(crl, from) ||
	    !X509_CRL_set1_nextUpdate(crl, to) ||
	    (revoked && revoke(crl, revoked, from)) ||
	    add_crl_extensions(crl, issuer->cert) ||
	    !X509_CRL_sort(crl) ||
	    !X509_CRL_sign(crl, issuer->key, EVP_sha256())) {
		X509_CRL_free(crl);
		crl = NULL;
	}
	ASN1_TIME_free(from);
	ASN1_TIME_free(to);
	return crl;
}
