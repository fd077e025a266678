// SPDX-License-Identifier: MIT
/*
 * Certificate chains, their revocation lists, and the trusted root
 *
 * Copyright The dstack for Linux authors
 */
#include "dcap.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509_vfy.h>
#include <string.h>

/* SHA-256 of the SubjectPublicKeyInfo of "Intel SGX Root CA". */
static const uint8_t intel_root_key[SHA256_DIGEST_LENGTH] = {
	0xa0, 0xaf, 0x03, 0x12, 0x89, 0xf5, 0xd5, 0xd4,
	0x13, 0x2f, 0x91, 0x86, 0x06, 0x8a, 0x7f, 0xc1,
	0x36, 0x28, 0x63, 0x3b, 0xa2, 0x35, 0x77, 0x74,
	0x72, 0xe2, 0x9b, 0x6b, 0x6c, 0x67, 0xa4, 0x9e
};

void dcap_chain_free(STACK_OF(X509) *chain)
{
	sk_X509_pop_free(chain, X509_free);
}

static STACK_OF(X509) *read_certs(const char *pem, size_t len, int nr)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	BIO *in = BIO_new_mem_buf(pem, len);
	X509 *cert;

	while (chain && in && sk_X509_num(chain) < nr) {
		cert = PEM_read_bio_X509(in, NULL, NULL, NULL);
		if (!cert)
			break;
		if (!sk_X509_push(chain, cert)) {
			X509_free(cert);
			break;
		}
	}
	BIO_free(in);
	return chain;
}

static bool is_newline(char c)
{
	return c == '\n' || c == '\r';
}

/* Equal but for line ends. */
static bool same_text(const char *a, size_t a_len, const char *b, size_t b_len)
{
	for (;;) {
		while (a_len && is_newline(*a))
			a++, a_len--;
		while (b_len && is_newline(*b))
			b++, b_len--;
		if (!a_len || !b_len)
			return a_len == b_len;
		if (*a++ != *b++)
			return false;
		a_len--;
		b_len--;
	}
}

/*
 * PEM readers skip what they don't understand, and base64 and BER have more
 * than one way to write the same.  Only the text that OpenSSL itself would
 * write is accepted, so nothing unsigned can be hidden in it.
 */
static bool is_canonical(STACK_OF(X509) *chain, const char *pem, size_t len)
{
	BIO *out = BIO_new(BIO_s_mem());
	bool same = out;
	char *text;
	long text_len;
	int i;

	for (i = 0; same && i < sk_X509_num(chain); i++)
		same = PEM_write_bio_X509(out, sk_X509_value(chain, i));
	if (same) {
		text_len = BIO_get_mem_data(out, &text);
		same = same_text(text, text_len, pem, len);
	}
	BIO_free(out);
	return same;
}

STACK_OF(X509) *dcap_chain_parse(const char *pem, size_t len, int nr)
{
	STACK_OF(X509) *chain;

	/* Quotes end their chain with a NUL, mostly. */
	if (len && !pem[len - 1])
		len--;
	chain = read_certs(pem, len, nr);
	if (!chain || sk_X509_num(chain) != nr ||
	    !is_canonical(chain, pem, len)) {
		dcap_chain_free(chain);
		chain = NULL;
	}
	ERR_clear_error();
	return chain;
}

X509 *dcap_root_parse(const void *data, size_t len)
{
	const unsigned char *p = data;
	BIO *in = BIO_new_mem_buf(data, len);
	X509 *root = NULL;

	if (in)
		root = PEM_read_bio_X509(in, NULL, NULL, NULL);
	if (!root)
		root = d2i_X509(NULL, &p, len);
	BIO_free(in);
	ERR_clear_error();
	return root;
}

bool dcap_root_is_intel(X509 *root)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	unsigned char *der = NULL;
	bool same;
	int len;

	len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(root), &der);
	same = len > 0 && SHA256(der, len, digest) &&
		!memcmp(digest, intel_root_key, sizeof(digest));
	OPENSSL_free(der);
	return same;
}

bool dcap_common_name_is(X509 *cert, const char *name)
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

int dcap_store_open(struct dcap *d)
{
	const struct libdstack_collateral *c = d->collateral;

	d->store = X509_STORE_new();
	if (!d->store || !X509_STORE_add_cert(d->store, d->root) ||
	    !X509_STORE_add_crl(d->store, c->root_crl) ||
	    !X509_STORE_add_crl(d->store, c->pck_crl))
		return dcap_fail(d, REASON(MEMORY), "out of memory");
	return 0;
}

static enum libdstack_reason chain_reason(int code)
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

static int check_links(struct dcap *d, STACK_OF(X509) *chain,
		       X509_STORE_CTX *ctx)
{
	const unsigned long flags = X509_V_FLAG_CRL_CHECK |
		X509_V_FLAG_CRL_CHECK_ALL | X509_V_FLAG_CHECK_SS_SIGNATURE;
	X509_VERIFY_PARAM *param;
	enum libdstack_reason reason;
	int code;

	if (!ctx || !X509_STORE_CTX_init(ctx, d->store, sk_X509_value(chain, 0),
					 chain))
		return dcap_fail(d, REASON(MEMORY), "out of memory");
	param = X509_STORE_CTX_get0_param(ctx);
	X509_VERIFY_PARAM_set_time(param, d->now);
	X509_VERIFY_PARAM_set_flags(param, flags);
	if (X509_verify_cert(ctx) <= 0) {
		code = X509_STORE_CTX_get_error(ctx);
		reason = chain_reason(code);
		return dcap_fail(d, reason, "certificate %d: %s%s",
				 X509_STORE_CTX_get_error_depth(ctx),
				 X509_verify_cert_error_string(code),
				 reason == REASON(EXPIRED) ||
				 reason == REASON(EARLY) ?
				 "; get collateral of the time to judge at" :
				 "");
	}
	if (sk_X509_num(X509_STORE_CTX_get0_chain(ctx)) != sk_X509_num(chain))
		return dcap_fail(d, REASON(CHAIN),
				 "not each certificate is signed by the next");
	return 0;
}

static int note_expiry(struct dcap *d, const ASN1_TIME *when)
{
	struct tm tm;

	if (!when || !ASN1_TIME_to_tm(when, &tm))
		return dcap_fail(d, REASON(MALFORMED),
				 "a certificate or CRL without an end");
	dcap_expires(d, timegm(&tm));
	return 0;
}

static int note_expiries(struct dcap *d, STACK_OF(X509) *chain)
{
	const struct libdstack_collateral *c = d->collateral;
	int i, err;

	err = note_expiry(d, X509_CRL_get0_nextUpdate(c->root_crl));
	if (!err)
		err = note_expiry(d, X509_CRL_get0_nextUpdate(c->pck_crl));
	for (i = 0; !err && i < sk_X509_num(chain); i++)
		err = note_expiry(d, X509_get0_notAfter(sk_X509_value(chain,
								      i)));
	return err;
}

int dcap_chain_check(struct dcap *d, STACK_OF(X509) *chain)
{
	X509_STORE_CTX *ctx;
	int err;

	/* The chain's own root is not trusted; but it must not lie either. */
	if (X509_cmp(sk_X509_value(chain, sk_X509_num(chain) - 1), d->root))
		return dcap_fail(d, REASON(ROOT),
				 "the chain does not end in the trusted root");
	ctx = X509_STORE_CTX_new();
	err = check_links(d, chain, ctx);
	X509_STORE_CTX_free(ctx);
	ERR_clear_error();
	return err ? err : note_expiries(d, chain);
}
