// SPDX-License-Identifier: MIT
/*
 * Reports of SEV-SNP, and what certificates say of their platform
 *
 * Copyright The dstack for Linux authors
 */
#include "fuzz.h"

#include <stdlib.h>

#define assert_true(ok)		must(ok)
#define assert_non_null(p)	must(p)

#include "../test/snp_fixture.h"
#include "snp/snp.h"

/* Behind the report is a certificate, of which nobody checks the signature. */
static void check_platform(struct snp *s, const uint8_t *cert, size_t len)
{
	enum libdstack_snp_product product;

	s->leaf = certs_parse(cert, len);
	for (product = LIBDSTACK_SNP_MILAN;
	     s->leaf && product < __LIBDSTACK_SNP_PRODUCT_MAX; product++) {
		s->verdict->product = product;
		snp_report_levels(s);
		must(!snp_vcek_check(s) || *s->verdict->failure.text);
	}
	X509_free(s->leaf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const size_t size = len < LIBDSTACK_SNP_REPORT_SIZE ?
		len : LIBDSTACK_SNP_REPORT_SIZE;
	uint8_t *report = fuzz_copy(data, size);
	uint8_t *rest = fuzz_copy(data + size, len - size);
	static const struct libdstack_snp_policy policy;
	struct libdstack_snp_verdict v = { .earliest_expiry = 0 };
	struct snp s = { .data = report, .len = size, .verdict = &v };

	if (!snp_report_parse(&s)) {
		libdstack_snp_check(&v.report, &policy, &v.failure);
		check_platform(&s, rest, len - size);
	} else {
		must(*v.failure.text);
	}
	free(report);
	free(rest);
	return 0;
}

void fuzz_seeds(void)
{
	static struct snp_fixture f;
	uint8_t seed[LIBDSTACK_SNP_REPORT_SIZE + 4096];

	snp_fixture_make(&f);
	must(f.certs[0].len <= 4096);
	memcpy(seed, f.report, sizeof(f.report));
	memcpy(seed + sizeof(f.report), f.certs[0].data, f.certs[0].len);
	fuzz_seed(seed, sizeof(f.report) + f.certs[0].len);
	snp_fixture_free(&f);
}
