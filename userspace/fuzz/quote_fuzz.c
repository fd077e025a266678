// SPDX-License-Identifier: MIT
/*
 * Quotes, taken apart
 *
 * Copyright The dstack for Linux authors
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "../test/quote_fixture.h"
#include "dcap/dcap.h"

static bool is_within(const void *part, size_t len, const void *data,
		      size_t size)
{
	size_t at = (const uint8_t *)part - (const uint8_t *)data;

	return at <= size && len <= size - at;
}

/* What a quote is said to hold is in it. */
static void check(const struct dcap_quote *quote, const void *data,
		  size_t len)
{
	struct libdstack_enclave enclave;
	struct libdstack_td td;

	must(is_within(quote->signed_part, quote->signed_len, data, len) &&
	     is_within(quote->body, quote->body_len, data, len) &&
	     is_within(quote->signature, DCAP_SIGNATURE_SIZE, data, len) &&
	     is_within(quote->key, DCAP_KEY_SIZE, data, len) &&
	     is_within(quote->qe_report, DCAP_QE_REPORT_SIZE, data, len) &&
	     is_within(quote->qe_auth, quote->qe_auth_len, data, len) &&
	     is_within(quote->chain, quote->chain_len, data, len));
	if (quote->body_type == DCAP_BODY_SGX)
		dcap_enclave(quote->body, &enclave);
	else
		dcap_quote_td(quote, &td);
	dcap_enclave(quote->qe_report, &enclave);
	certs_free(dcap_chain_parse(quote->chain, quote->chain_len, 3));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *copy = fuzz_copy(data, len);
	struct dcap_quote quote;
	const char *why = NULL;

	if (!dcap_quote_parse(copy, len, &quote, &why))
		check(&quote, copy, len);
	else
		must(why);
	free(copy);
	return 0;
}

void fuzz_seeds(void)
{
	static const char chain[] =
		"-----BEGIN CERTIFICATE-----\nMAA=\n"
		"-----END CERTIFICATE-----\n";
	static const int kinds[][2] = {
		{ 3, FIXTURE_SGX }, { 4, FIXTURE_SGX }, { 4, FIXTURE_TD10 },
		{ 5, FIXTURE_SGX }, { 5, FIXTURE_TD10 }, { 5, FIXTURE_TD15 },
	};
	static struct fixture f;
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		fixture_make_body(&f, kinds[i][0], kinds[i][1], chain,
				  sizeof(chain) - 1);
		fuzz_seed(f.data, f.len);
	}
}
