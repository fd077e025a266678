// SPDX-License-Identifier: MIT
/*
 * Certificate chains, their revocation lists, and the trusted root
 *
 * Copyright The dstack for Linux authors
 *
 * Signatures are checked whatever the time is, and the time in which all of
 * them hold is remembered: so collateral is checked once, judged often, and a
 * verdict can say what a platform is worth even when collateral has expired.
 */
#include "dcap.h"

#include <errno.h>
#include <openssl/err.h>
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

X509_STORE *dcap_store_open(X509 *root, X509_CRL *root_crl)
{
	X509_STORE *store = X509_STORE_new();

	if (store && X509_STORE_add_cert(store, root) &&
	    (!root_crl || X509_STORE_add_crl(store, root_crl)))
		return store;
	X509_STORE_free(store);
	return NULL;
}

void dcap_window_open(struct dcap_window *window)
{
	window->from = INT64_MIN;
	window->to = INT64_MAX;
	window->from_what = "";
	window->to_what = "";
}

void dcap_window_narrow(struct dcap_window *window, const char *what,
			int64_t from, int64_t to)
{
	if (from > window->from) {
		window->from = from;
		window->from_what = what;
	}
	if (to < window->to) {
		window->to = to;
		window->to_what = what;
	}
}

void dcap_window_meet(struct dcap_window *window,
		      const struct dcap_window *other)
{
	dcap_window_narrow(window, other->from_what, other->from, INT64_MAX);
	dcap_window_narrow(window, other->to_what, INT64_MIN, other->to);
}

static int narrow(struct dcap *d, const char *what, const ASN1_TIME *from,
		  const ASN1_TIME *to, struct dcap_window *window)
{
	struct tm begin, end;

	/* No time at all would be that of now. */
	if (!from || !to || !ASN1_TIME_to_tm(from, &begin) ||
	    !ASN1_TIME_to_tm(to, &end))
		return dcap_fail(d, REASON(MALFORMED),
				 "%s: does not say when it is valid", what);
	dcap_window_narrow(window, what, timegm(&begin), timegm(&end));
	return 0;
}

int dcap_window_cert(struct dcap *d, X509 *cert, const char *what,
		     struct dcap_window *window)
{
	return narrow(d, what, X509_get0_notBefore(cert),
		      X509_get0_notAfter(cert), window);
}

static enum libdstack_reason chain_reason(int code)
{
	switch (code) {
	case X509_V_ERR_OUT_OF_MEM:
		return REASON(MEMORY);
	case X509_V_ERR_CERT_REVOKED:
		return REASON(REVOKED);
	default:
		return REASON(CHAIN);
	}
}

static int check_links(X509_STORE *store, STACK_OF(X509) *chain,
		       unsigned long flags, X509_STORE_CTX *ctx,
		       struct libdstack_failure *failure)
{
	int code;

	if (!ctx || !X509_STORE_CTX_init(ctx, store, sk_X509_value(chain, 0),
					 chain))
		return verify_fail(failure, REASON(MEMORY), "out of memory");
	X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(ctx), flags |
				    X509_V_FLAG_CHECK_SS_SIGNATURE |
				    X509_V_FLAG_NO_CHECK_TIME);
	if (X509_verify_cert(ctx) <= 0) {
		code = X509_STORE_CTX_get_error(ctx);
		return verify_fail(failure, chain_reason(code),
				   "certificate %d: %s",
				   X509_STORE_CTX_get_error_depth(ctx),
				   X509_verify_cert_error_string(code));
	}
	if (sk_X509_num(X509_STORE_CTX_get0_chain(ctx)) != sk_X509_num(chain))
		return verify_fail(failure, REASON(CHAIN),
				   "not each certificate is signed by the next");
	return 0;
}

int dcap_links_check(X509_STORE *store, STACK_OF(X509) *chain,
		     unsigned long flags, struct libdstack_failure *failure)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	int err;

	err = check_links(store, chain, flags, ctx, failure);
	X509_STORE_CTX_free(ctx);
	ERR_clear_error();
	return err;
}

int dcap_chain_check(struct dcap *d, STACK_OF(X509) *chain, const char *what,
		     struct dcap_window *window)
{
	const int nr = sk_X509_num(chain);
	int i, err;

	/* The chain's own root is not trusted; but it must not lie either. */
	if (X509_cmp(sk_X509_value(chain, nr - 1), d->trust->root))
		return dcap_fail(d, REASON(ROOT),
				 "the chain does not end in the trusted root");
	err = dcap_links_check(d->trust->store, chain, X509_V_FLAG_CRL_CHECK |
			       X509_V_FLAG_CRL_CHECK_ALL, d->failure);
	for (i = 0; !err && i < nr; i++)
		err = dcap_window_cert(d, sk_X509_value(chain, i), what,
				       window);
	return err;
}

/* What is critical asks for more than looking a number up. */
static bool has_critical(X509_CRL *crl)
{
	const STACK_OF(X509_REVOKED) *list = X509_CRL_get_REVOKED(crl);
	const X509_REVOKED *entry;
	int i;

	if (X509_CRL_get_ext_by_critical(crl, 1, -1) >= 0)
		return true;
	for (i = 0; i < sk_X509_REVOKED_num(list); i++) {
		entry = sk_X509_REVOKED_value(list, i);
		if (X509_REVOKED_get_ext_by_critical(entry, 1, -1) >= 0)
			return true;
	}
	return false;
}

int dcap_crl_check(struct dcap *d, X509_CRL *crl, X509 *issuer,
		   const char *what, struct dcap_window *window)
{
	bool good;

	if (X509_NAME_cmp(X509_CRL_get_issuer(crl),
			  X509_get_subject_name(issuer)))
		return dcap_fail(d, REASON(MISMATCH),
				 "%s: of another issuer", what);
	good = X509_CRL_verify(crl, X509_get0_pubkey(issuer)) == 1;
	ERR_clear_error();
	if (!good)
		return dcap_fail(d, REASON(SIGNATURE),
				 "%s: not signed by its issuer", what);
	if (has_critical(crl))
		return dcap_fail(d, REASON(UNSUPPORTED),
				 "%s: has critical extensions", what);
	return narrow(d, what, X509_CRL_get0_lastUpdate(crl),
		      X509_CRL_get0_nextUpdate(crl), window);
}
