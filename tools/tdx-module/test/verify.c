// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) The dstack for Linux authors
 *
 * A check of quotes that shares no code with what makes them: offsets are
 * plain numbers from the format's description, on purpose.
 */
#include "verify.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#define SIGNED_SIZE	632
#define QE_REPORT_SIZE	384
#define CHAIN_CERTS	3

struct parts {
	const uint8_t *signature;	/* 64 */
	const uint8_t *key;		/* 64 */
	const uint8_t *qe_report;	/* 384 */
	const uint8_t *qe_signature;	/* 64 */
	const uint8_t *auth;
	size_t auth_size;
	const uint8_t *chain;
	size_t chain_size;
};

static uint32_t le(const uint8_t *bytes, int count)
{
	uint32_t value = 0;

	while (count--)
		value = value << 8 | bytes[count];
	return value;
}

static const char *check_header(const uint8_t *quote)
{
	static const uint8_t vendor[16] = {
		0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
		0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07
	};

	if (le(quote, 2) != 4)
		return "version is not 4";
	if (le(quote + 2, 2) != 2)
		return "attestation key is not ECDSA P-256";
	if (le(quote + 4, 4) != 0x81)
		return "not a TDX quote";
	if (memcmp(quote + 12, vendor, sizeof(vendor)))
		return "QE vendor is not Intel's";
	return NULL;
}

static const char *parse(const uint8_t *quote, size_t size,
			 struct parts *parts)
{
	const uint8_t *p;
	size_t left;

	if (size < SIGNED_SIZE + 4 + 128 + 6 + QE_REPORT_SIZE + 64 + 2)
		return "quote is too short";
	left = le(quote + SIGNED_SIZE, 4);
	if (left != size - SIGNED_SIZE - 4)
		return "signature data does not end with the quote";
	p = quote + SIGNED_SIZE + 4;
	parts->signature = p;
	parts->key = p + 64;
	p += 128;
	left -= 128;
	if (le(p, 2) != 6 || le(p + 2, 4) != left - 6)
		return "certification data is not one QE report";
	p += 6;
	left -= 6;
	parts->qe_report = p;
	parts->qe_signature = p + QE_REPORT_SIZE;
	p += QE_REPORT_SIZE + 64;
	left -= QE_REPORT_SIZE + 64;
	parts->auth_size = le(p, 2);
	if (left < 2 + parts->auth_size + 6)
		return "QE authentication data is too long";
	parts->auth = p + 2;
	p += 2 + parts->auth_size;
	left -= 2 + parts->auth_size;
	if (le(p, 2) != 5 || le(p + 2, 4) != left - 6)
		return "no PCK chain at the end";
	parts->chain = p + 6;
	parts->chain_size = left - 6;
	return NULL;
}

static EVP_PKEY *raw_key(const uint8_t raw[64])
{
	uint8_t point[65] = { 4 };
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *key = NULL;
	OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
				       (char *)"prime256v1", 10),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, 65),
		OSSL_PARAM_END,
	};

	memcpy(point + 1, raw, 64);
	if (!ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(ctx);
	return key;
}

bool signature_holds(EVP_PKEY *key, const uint8_t raw[64],
		     const uint8_t *data, size_t size)
{
	ECDSA_SIG *sig = ECDSA_SIG_new();
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t *der = NULL;
	bool holds = false;
	int der_size;

	ECDSA_SIG_set0(sig, BN_bin2bn(raw, 32, NULL),
		       BN_bin2bn(raw + 32, 32, NULL));
	der_size = i2d_ECDSA_SIG(sig, &der);
	if (key && der_size > 0 &&
	    EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1)
		holds = EVP_DigestVerify(ctx, der, (size_t)der_size, data,
					 size) == 1;
	OPENSSL_free(der);
	EVP_MD_CTX_free(ctx);
	ECDSA_SIG_free(sig);
	return holds;
}

static BIO *open_file(const char *dir, const char *name)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return BIO_new_file(path, "r");
}

static bool add_crl(X509_STORE *store, const char *pki, const char *name)
{
	BIO *bio = open_file(pki, name);
	X509_CRL *crl = bio ? d2i_X509_CRL_bio(bio, NULL) : NULL;
	bool ok = crl && X509_STORE_add_crl(store, crl) == 1;

	X509_CRL_free(crl);
	BIO_free(bio);
	return ok;
}

/* The root of PKI's directory, and both revocation lists. */
X509_STORE *open_store(const char *pki)
{
	X509_STORE *store = X509_STORE_new();
	BIO *bio = open_file(pki, "root.pem");
	X509 *root = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	bool ok = store && root && X509_STORE_add_cert(store, root) == 1 &&
		  add_crl(store, pki, "root_crl.der") &&
		  add_crl(store, pki, "pck_crl.der");

	X509_free(root);
	BIO_free(bio);
	if (ok) {
		X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK |
					    X509_V_FLAG_CRL_CHECK_ALL);
		return store;
	}
	X509_STORE_free(store);
	return NULL;
}

static STACK_OF(X509) *read_chain(const struct parts *parts)
{
	STACK_OF(X509) *certs = sk_X509_new_null();
	BIO *bio = BIO_new_mem_buf(parts->chain, (int)parts->chain_size);
	X509 *cert;

	while ((cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
		sk_X509_push(certs, cert);
	BIO_free(bio);
	return certs;
}

static bool has_cn(X509 *cert, const char *cn)
{
	char text[128] = "";

	X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName,
				  text, sizeof(text));
	return !strcmp(text, cn);
}

static const char *check_chain(STACK_OF(X509) *certs, const char *pki)
{
	X509_STORE *store = open_store(pki);
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	const char *problem = "PCK chain does not lead to the root";

	if (!store)
		problem = "PKI directory cannot be read";
	else if (sk_X509_num(certs) != CHAIN_CERTS)
		problem = "PCK chain has not three certificates";
	else if (!has_cn(sk_X509_value(certs, 0), "Intel SGX PCK Certificate"))
		problem = "leaf is not a PCK certificate";
	else if (X509_STORE_CTX_init(ctx, store, sk_X509_value(certs, 0),
				     certs) == 1 &&
		 X509_verify_cert(ctx) == 1)
		problem = NULL;
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	return problem;
}

/* The QE report's data: SHA-256 of key and auth data, then zeroes. */
static bool key_is_named(const struct parts *parts)
{
	uint8_t expect[64] = { 0 };
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 &&
		  EVP_DigestUpdate(ctx, parts->key, 64) == 1 &&
		  EVP_DigestUpdate(ctx, parts->auth, parts->auth_size) == 1 &&
		  EVP_DigestFinal_ex(ctx, expect, NULL) == 1;

	EVP_MD_CTX_free(ctx);
	return ok && !memcmp(expect, parts->qe_report + 320, 64);
}

static const char *check_signatures(const uint8_t *quote,
				    const struct parts *parts,
				    STACK_OF(X509) *certs)
{
	EVP_PKEY *key = raw_key(parts->key);
	const char *problem = NULL;

	if (!key)
		problem = "attestation key is no point of P-256";
	else if (!signature_holds(X509_get0_pubkey(sk_X509_value(certs, 0)),
				  parts->qe_signature, parts->qe_report,
				  QE_REPORT_SIZE))
		problem = "QE report's signature is wrong";
	else if (!key_is_named(parts))
		problem = "QE report does not name the attestation key";
	else if (!signature_holds(key, parts->signature, quote, SIGNED_SIZE))
		problem = "quote's signature is wrong";
	EVP_PKEY_free(key);
	return problem;
}

const char *verify_quote(const uint8_t *quote, size_t size, const char *pki)
{
	STACK_OF(X509) *certs;
	struct parts parts;
	const char *problem;

	problem = parse(quote, size, &parts);
	if (!problem)
		problem = check_header(quote);
	if (problem)
		return problem;
	certs = read_chain(&parts);
	problem = check_chain(certs, pki);
	if (!problem)
		problem = check_signatures(quote, &parts, certs);
	sk_X509_pop_free(certs, X509_free);
	return problem;
}
