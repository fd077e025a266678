/* SPDX-License-Identifier: MIT */
/*
 * Certificates that tests make themselves
 *
 * Copyright The dstack for Linux authors
 */
#ifndef PKI_H
#define PKI_H

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#ifndef PKI_NOW
#define PKI_NOW		1750000000	/* a time at which all is valid */
#endif
#define PKI_DAY		86400
#define PKI_EXTENSIONS	16

struct pki_extension {
	const char *oid;
	uint8_t value[80];
	size_t len;
};

/* What a certificate shall be like. */
struct pki_spec {
	const char *name;
	EVP_PKEY *key;
	X509 *issuer;		/* NULL: itself */
	EVP_PKEY *issuer_key;
	bool ca, pss;
	const char *md;		/* NULL: SHA384 */
	long from, to;		/* of PKI_NOW; 0 and 0: some days around it */
	struct pki_extension extension[PKI_EXTENSIONS];
	int nr_extensions;
};

static inline EVP_PKEY *pki_rsa_key(void)
{
	EVP_PKEY *key = EVP_RSA_gen(2048);

	assert_non_null(key);
	return key;
}

static inline EVP_PKEY *pki_ec_key(const char *group)
{
	EVP_PKEY *key = EVP_EC_gen(group);

	assert_non_null(key);
	return key;
}

/* RSA-PSS whose salt is as long as the hash, or what the key has. */
static inline EVP_MD_CTX *pki_signer(EVP_PKEY *key, const char *md, bool pss)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx;

	assert_non_null(ctx);
	assert_true(EVP_DigestSignInit_ex(ctx, &pctx, md ? md : "SHA384", NULL,
					  NULL, key, NULL) > 0);
	if (pss) {
		EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING);
		EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST);
	}
	return ctx;
}

static inline void pki_extend(X509 *cert, const struct pki_extension *e)
{
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
	ASN1_OBJECT *id = OBJ_txt2obj(e->oid, 1);
	X509_EXTENSION *ext;

	assert_true(value && id);
	ASN1_OCTET_STRING_set(value, e->value, e->len);
	ext = X509_EXTENSION_create_by_OBJ(NULL, id, 0, value);
	assert_true(ext && X509_add_ext(cert, ext, -1));
	X509_EXTENSION_free(ext);
	ASN1_OBJECT_free(id);
	ASN1_OCTET_STRING_free(value);
}

static inline void pki_constrain(X509 *cert, bool ca)
{
	X509_EXTENSION *ext;
	X509V3_CTX ctx;
	const struct {
		int nid;
		const char *value;
	} exts[] = {
		{ NID_basic_constraints, ca ? "critical,CA:TRUE" :
					      "critical,CA:FALSE" },
		{ NID_key_usage, ca ? "critical,keyCertSign,cRLSign" :
				      "critical,digitalSignature" },
	};
	size_t i;

	X509V3_set_ctx_nodb(&ctx);
	for (i = 0; i < sizeof(exts) / sizeof(exts[0]); i++) {
		ext = X509V3_EXT_conf_nid(NULL, &ctx, exts[i].nid,
					  exts[i].value);
		assert_true(ext && X509_add_ext(cert, ext, -1));
		X509_EXTENSION_free(ext);
	}
}

static inline X509 *pki_cert(const struct pki_spec *spec)
{
	static int serial;
	X509 *cert = X509_new();
	X509_NAME *name;
	EVP_MD_CTX *ctx;
	int i;

	assert_non_null(cert);
	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial);
	name = X509_get_subject_name(cert);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
				   (const unsigned char *)spec->name, -1, -1,
				   0);
	X509_set_issuer_name(cert, spec->issuer ?
			     X509_get_subject_name(spec->issuer) : name);
	ASN1_TIME_set(X509_getm_notBefore(cert), PKI_NOW +
		      (spec->from ? spec->from : -9 * PKI_DAY));
	ASN1_TIME_set(X509_getm_notAfter(cert), PKI_NOW +
		      (spec->to ? spec->to : 9 * PKI_DAY));
	X509_set_pubkey(cert, spec->key);
	pki_constrain(cert, spec->ca);
	for (i = 0; i < spec->nr_extensions; i++)
		pki_extend(cert, &spec->extension[i]);
	ctx = pki_signer(spec->issuer ? spec->issuer_key : spec->key, spec->md,
			 spec->pss);
	assert_true(X509_sign_ctx(cert, ctx) > 0);
	EVP_MD_CTX_free(ctx);
	return cert;
}

/* One that lists @revoked, if that is not NULL. */
static inline X509_CRL *pki_crl(X509 *issuer, EVP_PKEY *key, X509 *revoked,
				bool pss)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *from = ASN1_TIME_set(NULL, PKI_NOW - PKI_DAY);
	ASN1_TIME *to = ASN1_TIME_set(NULL, PKI_NOW + PKI_DAY);
	EVP_MD_CTX *ctx = pki_signer(key, NULL, pss);
	X509_REVOKED *entry;

	assert_true(crl && from && to);
	X509_CRL_set_version(crl, X509_CRL_VERSION_2);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer));
	X509_CRL_set1_lastUpdate(crl, from);
	X509_CRL_set1_nextUpdate(crl, to);
	if (revoked) {
		entry = X509_REVOKED_new();
		assert_non_null(entry);
		X509_REVOKED_set_serialNumber(entry,
					      X509_get_serialNumber(revoked));
		X509_REVOKED_set_revocationDate(entry, from);
		X509_CRL_add0_revoked(crl, entry);
	}
	assert_true(X509_CRL_sign_ctx(crl, ctx) > 0);
	EVP_MD_CTX_free(ctx);
	ASN1_TIME_free(from);
	ASN1_TIME_free(to);
	return crl;
}

/* Its DER, which the caller frees with OPENSSL_free(). */
static inline size_t pki_der(X509 *cert, uint8_t **der)
{
	int len;

	*der = NULL;
	len = i2d_X509(cert, der);
	assert_true(len > 0);
	return len;
}

#endif /* PKI_H */
