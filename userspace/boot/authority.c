// SPDX-License-Identifier: MIT
/*
 * The certificate of an application that is its own authority
 *
 * Copyright The dstack for Linux authors
 */
#include "seed.h"

#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#define SUBJECT		"App Root Cert"
#define NOT_BEFORE	157766400	/* 1975-01-01: clocks may be wrong */
#define SECONDS		(3650LL * 24 * 60 * 60)
#define SERIAL_SIZE	16

static bool set_serial(X509 *cert)
{
	uint8_t bytes[SERIAL_SIZE];
	BIGNUM *number;
	bool good;

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return false;
	/* Positive, and of this length. */
	bytes[0] = (bytes[0] & 0x3f) | 0x40;
	number = BN_bin2bn(bytes, sizeof(bytes), NULL);
	good = number && BN_to_ASN1_INTEGER(number,
					    X509_get_serialNumber(cert));
	BN_free(number);
	return good;
}

static bool add(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *extension;
	X509V3_CTX ctx;
	bool good;

	X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	good = extension && X509_add_ext(cert, extension, -1);
	X509_EXTENSION_free(extension);
	return good;
}

static bool fill(X509 *cert, EVP_PKEY *key)
{
	X509_NAME *name = X509_get_subject_name(cert);

	return X509_set_version(cert, X509_VERSION_3) && set_serial(cert) &&
		X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
					   (const uint8_t *)SUBJECT, -1, -1,
					   0) &&
		X509_set_issuer_name(cert, name) &&
		ASN1_TIME_set(X509_getm_notBefore(cert), NOT_BEFORE) &&
		ASN1_TIME_set(X509_getm_notAfter(cert),
			      time(NULL) + SECONDS) &&
		X509_set_pubkey(cert, key) &&
		add(cert, NID_basic_constraints,
		    "critical,CA:TRUE,pathlen:1") &&
		add(cert, NID_key_usage,
		    "critical,digitalSignature,keyCertSign,cRLSign") &&
		add(cert, NID_subject_key_identifier, "hash") &&
		X509_sign(cert, key, EVP_sha256()) > 0;
}

X509 *seed_authority(EVP_PKEY *key)
{
	X509 *cert = X509_new();

	if (cert && fill(cert, key))
		return cert;
	X509_free(cert);
	return NULL;
}
