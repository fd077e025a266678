/* SPDX-License-Identifier: MIT */
/*
 * What is in certificates that were issued
 *
 * Copyright The dstack for Linux authors
 */
#ifndef ISSUE_CERT_FIXTURE_H
#define ISSUE_CERT_FIXTURE_H

#include <openssl/x509v3.h>

#include "issue_fixture.h"

#define SLOT(nr)	"1.3.6.1.4.1.62397.1." nr

static inline X509 *read_cert(const char *pem)
{
	X509 *cert = pem_read_cert(pem);

	assert_non_null(cert);
	return cert;
}

/* "CN=a,O=b", as RFC 2253 writes it: the last part first. */
static inline void assert_name(X509_NAME *name, const char *want)
{
	BIO *out = BIO_new(BIO_s_mem());
	char *text;
	long len;

	assert_true(X509_NAME_print_ex(out, name, 0, XN_FLAG_RFC2253 &
				       ~ASN1_STRFLGS_ESC_MSB) >= 0);
	len = BIO_get_mem_data(out, &text);
	assert_int_equal(len, strlen(want));
	assert_memory_equal(text, want, len);
	BIO_free(out);
}

static inline int64_t seconds_of(const ASN1_TIME *time)
{
	struct tm tm;

	assert_int_equal(ASN1_TIME_to_tm(time, &tm), 1);
	return timegm(&tm);
}

static inline void assert_times(const X509 *cert, int64_t from, int64_t to)
{
	assert_int_equal(seconds_of(X509_get0_notBefore(cert)), from);
	assert_int_equal(seconds_of(X509_get0_notAfter(cert)), to);
}

/* The value of an extension, or NULL; none occurs twice. */
static inline const ASN1_OCTET_STRING *extension(const X509 *cert,
						 const char *oid)
{
	ASN1_OBJECT *id = OBJ_txt2obj(oid, 1);
	int at = X509_get_ext_by_OBJ(cert, id, -1);

	if (at >= 0) {
		assert_true(X509_get_ext_by_OBJ(cert, id, at) < 0);
		assert_false(X509_EXTENSION_get_critical(X509_get_ext(cert,
								      at)));
	}
	ASN1_OBJECT_free(id);
	return at < 0 ? NULL :
		X509_EXTENSION_get_data(X509_get_ext(cert, at));
}

/* It is an OCTET STRING with these bytes, whose length is in DER. */
static inline void assert_slot(const X509 *cert, const char *oid,
			       const void *data, size_t len)
{
	const ASN1_OCTET_STRING *value = extension(cert, oid);
	uint8_t head[4] = { 4, len };
	size_t head_len = 2;

	assert_non_null(value);
	if (len > 255) {
		head[1] = 0x82;
		head[2] = len >> 8;
		head[3] = len;
		head_len = 4;
	} else if (len > 127) {
		head[1] = 0x81;
		head[2] = len;
		head_len = 3;
	}
	assert_int_equal(value->length, head_len + len);
	assert_memory_equal(value->data, head, head_len);
	assert_memory_equal(value->data + head_len, data, len);
}

static inline void assert_text_slot(const X509 *cert, const char *oid,
				    const char *text)
{
	assert_slot(cert, oid, text, strlen(text));
}

static inline bool verifies(X509 *root, X509 *between, X509 *leaf,
			    int purpose, time_t at)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	STACK_OF(X509) *more = sk_X509_new_null();
	bool good;

	assert_int_equal(X509_STORE_add_cert(store, root), 1);
	if (between)
		sk_X509_push(more, between);
	assert_int_equal(X509_STORE_CTX_init(ctx, store, leaf, more), 1);
	X509_STORE_CTX_set_purpose(ctx, purpose);
	X509_STORE_CTX_set_time(ctx, 0, at);
	good = X509_verify_cert(ctx) == 1;
	sk_X509_free(more);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	return good;
}

#endif /* ISSUE_CERT_FIXTURE_H */
