// SPDX-License-Identifier: MIT
/*
 * Which collateral a quote needs, and whether this is it
 *
 * Copyright The dstack for Linux authors
 */
#include "source.h"

#include <errno.h>
#include <string.h>

#define PROCESSOR_CA	"Intel SGX PCK Processor CA"

/* The certificates lead to the root, whether or not they still hold. */
static int check_chain(const struct libdstack_collateral_source *source,
		       STACK_OF(X509) *chain,
		       struct libdstack_failure *failure)
{
	X509 *last = sk_X509_value(chain, DCAP_CHAIN_LENGTH - 1), *root;
	X509_STORE *store;
	int err;

	if (source->root) {
		root = certs_parse(source->root, source->root_len);
		if (!root)
			return verify_fail(failure, REASON(MALFORMED),
					   "the root is neither DER nor PEM of a certificate");
	} else {
		if (!dcap_root_is_intel(last))
			return verify_fail(failure, REASON(ROOT),
					   "the quote's root is not Intel's, and no other was given");
		root = last;
		X509_up_ref(root);
	}
	store = dcap_store_open(root, NULL);
	if (!store)
		err = verify_fail(failure, REASON(MEMORY), "out of memory");
	else if (X509_cmp(last, root))
		err = verify_fail(failure, REASON(ROOT),
				  "the chain does not end in the trusted root");
	else
		err = dcap_links_check(store, chain, 0, failure);
	X509_STORE_free(store);
	X509_free(root);
	return err;
}

/* @source: NULL, and the certificates are taken as they are. */
static int read_chain(const struct libdstack_collateral_source *source,
		      const struct dcap_quote *quote, struct dcap_key *key,
		      struct libdstack_failure *failure)
{
	STACK_OF(X509) *chain;
	struct dcap_pck pck;
	const char *why;
	int err;

	chain = dcap_chain_parse(quote->chain, quote->chain_len,
				 DCAP_CHAIN_LENGTH);
	if (!chain)
		return verify_fail(failure, REASON(MALFORMED),
				   "the certificates are not exactly three in PEM");
	err = source ? check_chain(source, chain, failure) : 0;
	if (!err && dcap_pck_parse(sk_X509_value(chain, 0), &pck, &why))
		err = verify_fail(failure, REASON(MALFORMED), "%s", why);
	if (!err) {
		memcpy(key->fmspc, pck.fmspc, sizeof(key->fmspc));
		key->processor = certs_name_is(sk_X509_value(chain, 1),
					       PROCESSOR_CA);
		key->tdx = quote->body_type != DCAP_BODY_SGX;
	}
	certs_free(chain);
	return err;
}

int dcap_key_of_quote(const struct libdstack_collateral_source *source,
		      const void *quote, size_t len, struct dcap_key *key,
		      struct libdstack_failure *failure)
{
	struct dcap_quote parts;
	const char *why;
	int err;

	err = dcap_quote_parse(quote, len, &parts, &why);
	if (err) {
		verify_step(failure, "quote format");
		return verify_fail(failure, err == -EOPNOTSUPP ?
				   REASON(UNSUPPORTED) : REASON(MALFORMED),
				   "%s", why);
	}
	verify_step(failure, "platform certificate");
	return read_chain(source, &parts, key, failure);
}

int dcap_key_claimed(const void *quote, size_t len, struct dcap_key *key,
		     struct libdstack_failure *failure)
{
	return dcap_key_of_quote(NULL, quote, len, key, failure);
}

int dcap_key_check(const struct libdstack_collateral_source *source,
		   const struct dcap_key *key, struct libdstack_collateral *c,
		   time_t now, struct libdstack_failure *failure)
{
	const struct dcap_trust *t;
	int err;

	err = libdstack_collateral_check(c, source->root, source->root_len,
					 failure);
	if (err)
		return err;
	t = c->trust;
	if (t->tcb_info.tdx != key->tdx ||
	    memcmp(t->tcb_info.fmspc, key->fmspc, sizeof(key->fmspc)))
		return verify_fail(failure, REASON(MISMATCH),
				   "the collateral is of another platform type");
	if (certs_name_is(t->pck_ca, PROCESSOR_CA) != key->processor)
		return verify_fail(failure, REASON(MISMATCH),
				   "the revocation list is of another CA");
	if (now > t->window.to)
		return verify_fail(failure, REASON(EXPIRED), "%s has expired",
				   t->window.to_what);
	if (now < t->window.from)
		return verify_fail(failure, REASON(EARLY),
				   "%s is not yet valid", t->window.from_what);
	return 0;
}
