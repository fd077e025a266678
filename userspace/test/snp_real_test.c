// SPDX-License-Identifier: MIT
/*
 * Reports of real SEV-SNP machines get the verdict that is due to them
 *
 * Copyright The dstack for Linux authors
 *
 * Reads $DSTACK_VECTORS/snp.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <libdstack_snp.h>
#include <string.h>

#include "vectors.h"

#define IN_2026		1790000000	/* 2026-09-21 */
#define IN_2025		1750000000	/* when the VLEK was valid */

static struct libdstack_snp_verdict v;

/* Verifies a report of $DSTACK_VECTORS/snp by these files. */
static int verify_files(const char *report, const char *leaf, const char *ca,
			const char *root, time_t now)
{
	struct libdstack_snp_chain chain = { .nr_certs = 3 };
	struct libdstack_snp_blob certs[3];
	const char *names[] = { leaf, ca, root, report };
	struct vector file[4];
	char path[256];
	int i, err;

	for (i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "snp/%s", names[i]);
		file[i] = vector_load(path);
		if (i == 3)
			break;
		certs[i].data = file[i].data;
		certs[i].len = file[i].len;
	}
	chain.certs = certs;
	err = libdstack_snp_verify(file[3].data, file[3].len, &chain, now, &v);
	for (i = 0; i < 4; i++)
		free(file[i].data);
	return err;
}

static void reports_of_real_machines_are_genuine(void **state)
{
	static const struct {
		const char *report, *leaf, *ca, *root;
		time_t now;
		unsigned int version;
		enum libdstack_snp_product product;
	} rows[] = {
		{ "milan-report.bin", "milan-vcek.pem", "milan-ask.pem",
		  "milan-ark.pem", IN_2026, 3, LIBDSTACK_SNP_MILAN },
		{ "genoa-report.bin", "genoa-vcek.pem", "genoa-ask.pem",
		  "genoa-ark.pem", IN_2026, 3, LIBDSTACK_SNP_GENOA },
		{ "turin-report.bin", "turin-vcek.pem", "turin-ask.pem",
		  "turin-ark.pem", IN_2026, 5, LIBDSTACK_SNP_TURIN },
		{ "milan-v2-report.bin", "milan-v2-vcek.der", "milan-ask.pem",
		  "milan-ark.pem", IN_2026, 2, LIBDSTACK_SNP_MILAN },
		{ "milan-vlek-report.bin", "milan-vlek.der", "milan-asvk.pem",
		  "milan-ark.pem", IN_2025, 3, LIBDSTACK_SNP_MILAN },
		{ "milan-debugpolicy-report.bin", "milan-debugpolicy-vcek.der",
		  "milan-ask.pem", "milan-ark.pem", IN_2026, 2,
		  LIBDSTACK_SNP_MILAN },
		{ "dstack-report.bin", "dstack-vcek.pem", "dstack-ask.pem",
		  "milan-ark.pem", IN_2026, 3, LIBDSTACK_SNP_MILAN },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (verify_files(rows[i].report, rows[i].leaf, rows[i].ca,
				 rows[i].root, rows[i].now))
			fail_msg("%s: %s: %s", rows[i].report, v.failure.step,
				 v.failure.text);
		assert_int_equal(v.report.version, rows[i].version);
		assert_int_equal(v.product, rows[i].product);
	}
}

static void real_report_of_a_cloud_is_of_no_chip(void **state)
{
	const uint8_t none[64] = { 0 };
	struct libdstack_snp_policy policy = { .max_vmpl = 1 };
	struct libdstack_failure why;

	(void)state;
	assert_int_equal(verify_files("milan-vlek-report.bin", "milan-vlek.der",
				      "milan-asvk.pem", "milan-ark.pem",
				      IN_2025), 0);
	assert_true(v.report.vlek);
	assert_int_equal(v.report.vmpl, 1);
	assert_memory_equal(v.report.chip_id, none, sizeof(none));
	assert_int_equal(libdstack_snp_check(&v.report, &policy, &why), 0);
	policy.max_vmpl = 0;
	assert_int_equal(libdstack_snp_check(&v.report, &policy, &why),
			 -EKEYREJECTED);
	assert_int_equal(verify_files("milan-vlek-report.bin", "milan-vlek.der",
				      "milan-asvk.pem", "milan-ark.pem",
				      IN_2026), -EKEYEXPIRED);
}

static void real_debugged_guest_fails_the_policy(void **state)
{
	struct libdstack_snp_policy policy = { .allow_debug = false };
	struct libdstack_failure why;

	(void)state;
	assert_int_equal(verify_files("milan-debugpolicy-report.bin",
				      "milan-debugpolicy-vcek.der",
				      "milan-ask.pem", "milan-ark.pem",
				      IN_2026), 0);
	assert_int_equal(libdstack_snp_check(&v.report, &policy, &why),
			 -EKEYREJECTED);
	assert_non_null(strstr(why.text, "debugged"));
}

static void real_host_data_is_that_of_the_report(void **state)
{
	static const uint8_t begin[] = { 0x78, 0x3f, 0x00, 0x57 };

	(void)state;
	assert_int_equal(verify_files("dstack-report.bin", "dstack-vcek.pem",
				      "dstack-ask.pem", "milan-ark.pem",
				      IN_2026), 0);
	assert_memory_equal(v.report.host_data, begin, sizeof(begin));
	assert_memory_equal(v.report.report_data, "attest-test-fixture-2026",
			    24);
}

static void real_certificates_of_others_are_rejected(void **state)
{
	static const struct {
		const char *leaf, *ca, *root;
	} rows[] = {
		{ "test-vcek-invalid-legacy.der", "milan-ask.pem",
		  "milan-ark.pem" },
		{ "test-vcek-invalid-new.der", "milan-ask.pem",
		  "milan-ark.pem" },
		{ "milan-vcek.pem", "milan-ask.pem", "milan-ark.pem" },
		{ "milan-v2-vcek.der", "genoa-ask.pem", "genoa-ark.pem" },
		{ "milan-v2-vcek.der", "milan-asvk.pem", "milan-ark.pem" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(verify_files("milan-v2-report.bin",
					      rows[i].leaf, rows[i].ca,
					      rows[i].root, IN_2026),
				 -EKEYREJECTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reports_of_real_machines_are_genuine),
		cmocka_unit_test(real_report_of_a_cloud_is_of_no_chip),
		cmocka_unit_test(real_debugged_guest_fails_the_policy),
		cmocka_unit_test(real_host_data_is_that_of_the_report),
		cmocka_unit_test(real_certificates_of_others_are_rejected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
