// SPDX-License-Identifier: MIT
/*
 * Make a certificate that carries evidence for its key
 *
 * Copyright The dstack for Linux authors
 */
#include "ratls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#define SERIAL_SIZE	16
#define KEY_ID_SIZE	20		/* of a hash of the SPKI */

/* The bytes as an OCTET STRING, in DER. */
static ASN1_OCTET_STRING *wrap(const void *data, size_t len)
{
	ASN1_OCTET_STRING *inner = ASN1_OCTET_STRING_new();
	ASN1_OCTET_STRING *outer = ASN1_OCTET_STRING_new();
	uint8_t *der = NULL;
	int der_len = -1;

	if (inner && outer && len <= LIBDSTACK_ATTESTATION_MAX &&
	    ASN1_OCTET_STRING_set(inner, data, (int)len))
		der_len = i2d_ASN1_OCTET_STRING(inner, &der);
	ASN1_OCTET_STRING_free(inner);
	if (der_len > 0 && ASN1_OCTET_STRING_set(outer, der, der_len)) {
		OPENSSL_free(der);
		return outer;
	}
	OPENSSL_free(der);
	ASN1_OCTET_STRING_free(outer);
	return NULL;
}

static bool add_slot(X509 *cert, int slot, const void *data, size_t len)
{
	ASN1_OCTET_STRING *value;
	X509_EXTENSION *ext;
	ASN1_OBJECT *id;
	char oid[32];
	bool good;

	if (!len)
		return true;
	snprintf(oid, sizeof(oid), RATLS_ARC "%d", slot);
	id = OBJ_txt2obj(oid, 1);
	value = wrap(data, len);
	ext = id && value ? X509_EXTENSION_create_by_OBJ(NULL, id, 0, value) :
			    NULL;
	good = ext && X509_add_ext(cert, ext, -1);
	X509_EXTENSION_free(ext);
	ASN1_OCTET_STRING_free(value);
	ASN1_OBJECT_free(id);
	return good;
}

static bool add_span(X509 *cert, int slot, const struct libdstack_span *span)
{
	return add_slot(cert, slot, span->data, span->len);
}

static bool add_known(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	bool good = ext && X509_add_ext(cert, ext, -1);

	X509_EXTENSION_free(ext);
	return good;
}

/* By it a chain is found where several authorities have one name. */
static bool add_key_id(X509 *cert, EVP_PKEY *key)
{
	ASN1_OCTET_STRING *id = ASN1_OCTET_STRING_new();
	uint8_t hash[EVP_MAX_MD_SIZE], *spki = NULL;
	int len = i2d_PUBKEY(key, &spki);
	bool good;

	good = id && len > 0 &&
		EVP_Digest(spki, len, hash, NULL, EVP_sha256(), NULL) &&
		ASN1_OCTET_STRING_set(id, hash, KEY_ID_SIZE) &&
		X509_add1_ext_i2d(cert, NID_subject_key_identifier, id, 0,
				  X509V3_ADD_DEFAULT) == 1;
	OPENSSL_free(spki);
	ASN1_OCTET_STRING_free(id);
	return good;
}

static bool add_ca(X509 *cert, const struct libdstack_ratls_request *r)
{
	char constraints[48];

	snprintf(constraints, sizeof(constraints), "critical,CA:TRUE,pathlen:%u",
		 r->ca_level);
	return add_known(cert, NID_key_usage,
			 "critical,digitalSignature,keyCertSign,cRLSign") &&
		add_key_id(cert, r->key) &&
		add_known(cert, NID_basic_constraints, constraints);
}

static bool add_usages(X509 *cert, const struct libdstack_ratls_request *r)
{
	if (r->ca)
		return add_ca(cert, r);
	if (!add_known(cert, NID_key_usage, "critical,digitalSignature"))
		return false;
	if (!r->server && !r->client)
		return true;
	return add_known(cert, NID_ext_key_usage, r->server && r->client ?
			 "serverAuth,clientAuth" :
			 r->server ? "serverAuth" : "clientAuth");
}

static GENERAL_NAME *make_name(const char *text)
{
	uint8_t address[16];
	int len = inet_pton(AF_INET, text, address) == 1 ? 4 :
		inet_pton(AF_INET6, text, address) == 1 ? 16 : 0;
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_STRING *value = len ? ASN1_OCTET_STRING_new() :
				   ASN1_IA5STRING_new();

	if (name && value &&
	    ASN1_STRING_set(value, len ? (const char *)address : text,
			    len ? len : (int)strlen(text))) {
		GENERAL_NAME_set0_value(name, len ? GEN_IPADD : GEN_DNS, value);
		return name;
	}
	ASN1_STRING_free(value);
	GENERAL_NAME_free(name);
	return NULL;
}

static bool add_names(X509 *cert, const char *const *texts)
{
	GENERAL_NAMES *names;
	GENERAL_NAME *name;
	bool good;

	if (!texts || !*texts)
		return true;
	names = GENERAL_NAMES_new();
	for (good = names; good && *texts; texts++) {
		name = make_name(*texts);
		good = name && sk_GENERAL_NAME_push(names, name);
		if (!good)
			GENERAL_NAME_free(name);
	}
	good = good && X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0,
					 X509V3_ADD_DEFAULT) == 1;
	GENERAL_NAMES_free(names);
	return good;
}

static bool add_text(X509_NAME *name, const char *field, const char *text)
{
	return !text || X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
						   (const uint8_t *)text, -1,
						   -1, 0);
}

static bool set_names(X509 *cert, const struct libdstack_ratls_request *r)
{
	X509_NAME *name = X509_get_subject_name(cert);

	return add_text(name, "O", r->org_name) &&
		add_text(name, "CN", r->subject) &&
		X509_set_issuer_name(cert, r->issuer ?
				     X509_get_subject_name(r->issuer) : name);
}

static bool set_head(X509 *cert, const struct libdstack_ratls_request *r)
{
	uint8_t serial[SERIAL_SIZE];
	ASN1_INTEGER *number;
	BIGNUM *bn;
	bool good;

	if (RAND_bytes(serial, sizeof(serial)) != 1)
		return false;
	serial[0] = (serial[0] & 0x7f) | 0x40;
	bn = BN_bin2bn(serial, sizeof(serial), NULL);
	number = bn ? BN_to_ASN1_INTEGER(bn, NULL) : NULL;
	good = number && X509_set_serialNumber(cert, number) &&
		X509_set_version(cert, X509_VERSION_3) &&
		X509_set_pubkey(cert, r->key) &&
		ASN1_TIME_set(X509_getm_notBefore(cert), r->not_before) &&
		ASN1_TIME_set(X509_getm_notAfter(cert), r->not_after);
	ASN1_INTEGER_free(number);
	BN_free(bn);
	return good;
}

static bool add_evidence(X509 *cert, const struct libdstack_ratls_request *r)
{
	const char *usage = r->usage ? r->usage : "";

	return add_span(cert, RATLS_QUOTE, &r->quote) &&
		add_span(cert, RATLS_EVENT_LOG, &r->event_log) &&
		add_span(cert, RATLS_APP_ID, &r->app_id) &&
		add_span(cert, RATLS_APP_INFO, &r->app_info) &&
		add_slot(cert, RATLS_USAGE, usage, strlen(usage)) &&
		add_span(cert, RATLS_ATTESTATION, &r->evidence);
}

/* Extensions in the order in which upstream writes them. */
X509 *libdstack_ratls_make(const struct libdstack_ratls_request *request)
{
	EVP_PKEY *signer = request->issuer ? request->issuer_key : request->key;
	X509 *cert = X509_new();

	if (cert && set_head(cert, request) && set_names(cert, request) &&
	    add_names(cert, request->alt_names) &&
	    add_usages(cert, request) &&
	    add_evidence(cert, request) &&
	    X509_sign(cert, signer, EVP_sha256()))
		return cert;
	X509_free(cert);
	ERR_clear_error();
	return NULL;
}
