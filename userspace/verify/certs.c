// SPDX-License-Identifier: MIT
/*
 * Certificates that come with evidence, and the one root that they must lead to
 *
 * Copyright The dstack for Linux authors
 */
#include "certs.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <string.h>

#define DER_SEQUENCE	0x30

/* Without a passphrase, OpenSSL would ask the terminal for one. */
static char no_passphrase[] = "";

/* PEM may have other text before it. */
static bool is_pem(const void *data, size_t len)
{
	return len && *(const unsigned char *)data != DER_SEQUENCE;
}

/*
 * DER has one way to write a certificate; OpenSSL reads more.  What it would
 * not write itself might hold something that nobody signed.
 */
static X509 *read_der(const unsigned char *data, size_t len)
{
	const unsigned char *p = data;
	X509 *cert = d2i_X509(NULL, &p, len);
	unsigned char *again = NULL;
	int again_len;

	if (!cert)
		return NULL;
	again_len = i2d_X509(cert, &again);
	if (again_len < 0 || (size_t)again_len != len ||
	    memcmp(again, data, len)) {
		X509_free(cert);
		cert = NULL;
	}
	OPENSSL_free(again);
	return cert;
}

static bool push(STACK_OF(X509) *certs, X509 *cert)
{
	if (cert && sk_X509_num(certs) < CERTS_MAX && sk_X509_push(certs, cert))
		return true;
	X509_free(cert);
	return false;
}

/* All of them, up to where there is no further one. */
static bool read_pem(STACK_OF(X509) *certs, const void *data, size_t len)
{
	BIO *in = BIO_new_mem_buf(data, len);
	bool good = in;
	X509 *cert;

	while (good) {
		cert = PEM_read_bio_X509(in, NULL, NULL, no_passphrase);
		if (!cert)
			break;
		good = push(certs, cert);
	}
	good = good && ERR_GET_REASON(ERR_peek_last_error()) ==
		PEM_R_NO_START_LINE;
	BIO_free(in);
	return good;
}

int certs_add(STACK_OF(X509) *certs, const void *data, size_t len,
	      struct libdstack_failure *failure)
{
	bool good;

	ERR_clear_error();
	if (len > CERTS_SIZE_MAX)
		return verify_fail(failure, REASON(MALFORMED),
				   "%zu bytes of certificates: more than %u",
				   len, CERTS_SIZE_MAX);
	good = is_pem(data, len) ? read_pem(certs, data, len) :
		push(certs, read_der(data, len));
	ERR_clear_error();
	if (!good)
		return verify_fail(failure, REASON(MALFORMED),
				   "neither one certificate in DER nor up to %d in PEM",
				   CERTS_MAX);
	return 0;
}

X509 *certs_parse(const void *data, size_t len)
{
	X509 *cert = NULL;
	BIO *in;

	if (len > CERTS_SIZE_MAX)
		return NULL;
	if (is_pem(data, len)) {
		in = BIO_new_mem_buf(data, len);
		if (in)
			cert = PEM_read_bio_X509(in, NULL, NULL,
						 no_passphrase);
		BIO_free(in);
	} else {
		cert = read_der(data, len);
	}
	ERR_clear_error();
	return cert;
}

X509_CRL *certs_parse_crl(const void *data, size_t len)
{
	const unsigned char *p = data;
	X509_CRL *crl = NULL;
	BIO *in;

	if (len > LIBDSTACK_COLLATERAL_MAX)
		return NULL;
	if (is_pem(data, len)) {
		in = BIO_new_mem_buf(data, len);
		if (in)
			crl = PEM_read_bio_X509_CRL(in, NULL, NULL,
						    no_passphrase);
		BIO_free(in);
	} else {
		crl = d2i_X509_CRL(NULL, &p, len);
	}
	ERR_clear_error();
	return crl;
}

void certs_free(STACK_OF(X509) *certs)
{
	sk_X509_pop_free(certs, X509_free);
}

bool certs_digest_is(X509 *cert, const uint8_t sha256[SHA256_DIGEST_LENGTH])
{
	uint8_t digest[EVP_MAX_MD_SIZE];

	return X509_digest(cert, EVP_sha256(), digest, NULL) == 1 &&
		!memcmp(digest, sha256, SHA256_DIGEST_LENGTH);
}

bool certs_name_is(X509 *cert, const char *name)
{
	X509_NAME *subject = X509_get_subject_name(cert);
	const ASN1_STRING *text;
	int i;

	i = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	if (i < 0 ||
	    X509_NAME_get_index_by_NID(subject, NID_commonName, i) >= 0)
		return false;
	text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, i));
	return (size_t)ASN1_STRING_length(text) == strlen(name) &&
		!memcmp(ASN1_STRING_get0_data(text), name, strlen(name));
}

static enum libdstack_reason reason_of(int code)
{
	switch (code) {
	case X509_V_ERR_OUT_OF_MEM:
		return REASON(MEMORY);
	case X509_V_ERR_CERT_REVOKED:
		return REASON(REVOKED);
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CRL_HAS_EXPIRED:
		return REASON(EXPIRED);
	case X509_V_ERR_CERT_NOT_YET_VALID:
	case X509_V_ERR_CRL_NOT_YET_VALID:
		return REASON(EARLY);
	default:
		return REASON(CHAIN);
	}
}

static bool set_up(const struct certs_path *path, X509_STORE *store,
		   X509_STORE_CTX *ctx)
{
	unsigned long flags = X509_V_FLAG_CHECK_SS_SIGNATURE;
	X509_VERIFY_PARAM *param;

	if (!store || !ctx || !X509_STORE_add_cert(store, path->root) ||
	    (path->crl && !X509_STORE_add_crl(store, path->crl)) ||
	    !X509_STORE_CTX_init(ctx, store, path->leaf, path->others))
		return false;
	if (path->crl)
		flags |= X509_V_FLAG_CRL_CHECK;
	param = X509_STORE_CTX_get0_param(ctx);
	X509_VERIFY_PARAM_set_time(param, path->now);
	X509_VERIFY_PARAM_set_flags(param, flags);
	return true;
}

static bool note_end(const ASN1_TIME *when, int64_t *expires)
{
	struct tm tm;

	if (!when || !ASN1_TIME_to_tm(when, &tm))
		return false;
	if (timegm(&tm) < *expires)
		*expires = timegm(&tm);
	return true;
}

static int check_chain(const struct certs_path *path, X509_STORE_CTX *ctx,
		       int64_t *expires, struct libdstack_failure *failure)
{
	STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(ctx);
	int i, nr = sk_X509_num(chain);
	bool good = true;

	if (nr < path->min || nr > path->max)
		return verify_fail(failure, REASON(CHAIN),
				   "%d certificates up to the root: %d to %d are possible",
				   nr, path->min, path->max);
	for (i = 0; good && i < nr; i++)
		good = note_end(X509_get0_notAfter(sk_X509_value(chain, i)),
				expires);
	if (path->crl)
		good = good && note_end(X509_CRL_get0_nextUpdate(path->crl),
					expires);
	return good ? 0 : verify_fail(failure, REASON(MALFORMED),
				      "a certificate or CRL without an end");
}

static int check(const struct certs_path *path, X509_STORE *store,
		 X509_STORE_CTX *ctx, int64_t *expires,
		 struct libdstack_failure *failure)
{
	int code;

	if (!set_up(path, store, ctx))
		return verify_fail(failure, REASON(MEMORY), "out of memory");
	if (X509_verify_cert(ctx) > 0)
		return check_chain(path, ctx, expires, failure);
	code = X509_STORE_CTX_get_error(ctx);
	return verify_fail(failure, reason_of(code), "certificate %d: %s",
			   X509_STORE_CTX_get_error_depth(ctx),
			   X509_verify_cert_error_string(code));
}

int certs_check(const struct certs_path *path, int64_t *expires,
		struct libdstack_failure *failure)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_STORE *store = X509_STORE_new();
	int err = check(path, store, ctx, expires, failure);

	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	ERR_clear_error();
	return err;
}
