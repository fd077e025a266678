// SPDX-License-Identifier: MIT
/*
 * Verdicts that no public quote shows: every status, revocation, forged parts
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "pki_fixture.h"

/* Verify against collateral in a directory of mkpki's. */
static int verify_in(const char *name)
{
	struct libdstack_collateral *c = read_collateral(name);
	int err;

	err = libdstack_quote_verify(f.data, f.len, c, root, root_len,
				     time(NULL), &verdict);
	libdstack_collateral_free(c);
	return err;
}

/* Collateral of the same platform, made with @options. */
static int verify_with(const char *options)
{
	make_collateral(options, "other");
	return verify_in("other");
}

static void assert_rejected(const char *step)
{
	assert_int_equal(verify_in("base"), -EKEYREJECTED);
	assert_string_equal(verdict.failure.step, step);
	assert_string_not_equal(verdict.failure.text, "");
}

static void assert_status(enum libdstack_tcb_status status, const char *want)
{
	assert_string_equal(libdstack_tcb_status_name(status), want);
}

static void current_platform_is_up_to_date(void **state)
{
	static const int kinds[][2] = { { 4, 0 }, { 5, 0 }, { 5, 1 } };
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		make(kinds[i][0], kinds[i][1]);
		assert_int_equal(verify_in("base"), 0);
		assert_int_equal(verdict.status, LIBDSTACK_TCB_UP_TO_DATE);
		assert_int_equal(verdict.module_status,
				 LIBDSTACK_TCB_UP_TO_DATE);
		assert_int_equal(verdict.qe_status, LIBDSTACK_TCB_UP_TO_DATE);
		assert_int_equal(verdict.quote_version, kinds[i][0]);
		assert_string_equal(verdict.advisories, "");
		assert_string_equal(verdict.failure.step, "");
	}
}

/* Attack 52: every status, and what module and enclave make of it. */
static void attack_52_statuses_merge_as_intel_says(void **state)
{
	static const struct {
		const char *platform, *module, *qe, *want;
	} cases[] = {
		{ "SWHardeningNeeded", "UpToDate", "UpToDate",
		  "SWHardeningNeeded" },
		{ "ConfigurationNeeded", "UpToDate", "UpToDate",
		  "ConfigurationNeeded" },
		{ "ConfigurationAndSWHardeningNeeded", "UpToDate", "UpToDate",
		  "ConfigurationAndSWHardeningNeeded" },
		{ "OutOfDate", "UpToDate", "UpToDate", "OutOfDate" },
		{ "OutOfDateConfigurationNeeded", "UpToDate", "UpToDate",
		  "OutOfDateConfigurationNeeded" },
		{ "UpToDate", "OutOfDate", "UpToDate", "OutOfDate" },
		{ "UpToDate", "UpToDate", "OutOfDate", "OutOfDate" },
		{ "UpToDate", "OutOfDate", "OutOfDate", "OutOfDate" },
		{ "SWHardeningNeeded", "OutOfDate", "UpToDate", "OutOfDate" },
		{ "SWHardeningNeeded", "UpToDate", "OutOfDate", "OutOfDate" },
		{ "ConfigurationNeeded", "OutOfDate", "UpToDate",
		  "OutOfDateConfigurationNeeded" },
		{ "ConfigurationNeeded", "UpToDate", "OutOfDate",
		  "OutOfDateConfigurationNeeded" },
		{ "ConfigurationAndSWHardeningNeeded", "OutOfDate", "UpToDate",
		  "OutOfDateConfigurationNeeded" },
		{ "OutOfDate", "OutOfDate", "OutOfDate", "OutOfDate" },
	};
	char options[256];
	size_t i;

	(void)state;
	make(4, 0);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(options, sizeof(options),
			 "--status=%s --module-status=%s --qe-status=%s",
			 cases[i].platform, cases[i].module, cases[i].qe);
		assert_int_equal(verify_with(options), 0);
		assert_status(verdict.status, cases[i].want);
		assert_status(verdict.module_status, cases[i].module);
		assert_status(verdict.qe_status, cases[i].qe);
		assert_string_equal(verdict.advisories, "TEST-SA-00001");
	}
}

static void revoked_level_is_rejected_whoever_has_it(void **state)
{
	static const char * const options[] = {
		"--status=Revoked", "--module-status=Revoked",
		"--qe-status=Revoked",
		"--status=OutOfDate --module-status=Revoked",
	};
	size_t i;

	(void)state;
	make(4, 0);
	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		assert_int_equal(verify_with(options[i]), -EKEYREVOKED);
		assert_int_equal(verdict.status, LIBDSTACK_TCB_REVOKED);
		assert_string_equal(verdict.failure.step, "TCB level");
	}
}

static void platform_below_every_level_is_rejected(void **state)
{
	(void)state;
	make(4, 0);
	assert_int_equal(verify_with("--status=Unsupported"), -EKEYREJECTED);
	assert_int_equal(verdict.status, LIBDSTACK_TCB_NOT_SUPPORTED);
	assert_int_equal(verify_with("--module-status=Unsupported"),
			 -EKEYREJECTED);
	assert_int_equal(verdict.module_status, LIBDSTACK_TCB_NOT_SUPPORTED);
	assert_int_equal(verify_with("--qe-status=Unsupported"),
			 -EKEYREJECTED);
	assert_int_equal(verdict.qe_status, LIBDSTACK_TCB_NOT_SUPPORTED);
}

/* Attack 53. */
static void attack_53_revoked_certificate_is_rejected(void **state)
{
	static const struct {
		const char *option, *step;
	} cases[] = {
		{ "--revoked-pck", "platform certificate" },
		{ "--revoked-platform-ca", "platform revocation list" },
		{ "--revoked-tcb-signer", "TCB info" },
	};
	size_t i;

	(void)state;
	make(4, 0);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(verify_with(cases[i].option), -EKEYREVOKED);
		assert_string_equal(verdict.failure.step, cases[i].step);
	}
}

static void attack_53_expired_collateral_is_rejected(void **state)
{
	(void)state;
	make(4, 0);
	assert_int_equal(verify_with("--expired"), -EKEYEXPIRED);
}

static void collateral_of_another_platform_is_rejected(void **state)
{
	(void)state;
	make(4, 0);
	assert_int_equal(verify_with("--fmspc=00806F050000"), -EKEYREJECTED);
	assert_string_equal(verdict.failure.step, "platform type");
}

static void evaluation_number_is_reported(void **state)
{
	(void)state;
	make(4, 0);
	assert_int_equal(verify_with("--eval-number=7"), 0);
	assert_int_equal(verdict.tcb_eval_number, 7);
}

static void only_the_given_root_is_trusted(void **state)
{
	struct libdstack_collateral *c;

	(void)state;
	make(4, 0);
	/* Another PKI of the same names signs its own collateral. */
	shell("rm -rf %s/other && %s %s/other >%s/log 2>&1", dir, mkpki, dir,
	      dir);
	assert_true(verify_in("other") < 0);
	c = read_collateral("base");
	/* Without a root it is Intel's. */
	assert_int_equal(libdstack_quote_verify(f.data, f.len, c, NULL, 0,
						time(NULL), &verdict),
			 -EKEYREJECTED);
	assert_string_equal(verdict.failure.step, "trusted root");
	libdstack_collateral_free(c);
	free(root);
	root = load("other/root.der", &root_len);
	assert_rejected("root revocation list");
	free(root);
	root = load("base/root.pem", &root_len);
	assert_int_equal(verify_in("base"), 0);
}

static void forged_links_are_rejected(void **state)
{
	EVP_PKEY *stranger = EVP_EC_gen("P-256");

	(void)state;
	make(4, 0);
	sign_enclave(stranger);
	assert_rejected("quoting enclave's report");
	make(4, 0);
	sign_quote(stranger);
	assert_rejected("quote signature");
	/* A stranger's key, which the enclave never named. */
	make(4, 0);
	raw_public(stranger, f.data + f.key);
	sign_quote(stranger);
	assert_rejected("attestation key");
	make(4, 0);
	f.data[f.auth] ^= 1;
	assert_rejected("attestation key");
	/* Behind the hash there must be zeros. */
	make(4, 0);
	f.data[f.qe_report + QE_REPORT_DATA + 63] = 1;
	sign_all();
	assert_rejected("attestation key");
	EVP_PKEY_free(stranger);
}

static void point_off_the_curve_is_no_key(void **state)
{
	(void)state;
	make(4, 0);
	memset(f.data + f.key, 0, 64);
	name_key();
	sign_all();
	assert_rejected("quote signature");
	make(4, 0);
	f.data[f.key + 63] ^= 1;
	name_key();
	sign_all();
	assert_rejected("quote signature");
}

static void other_enclave_is_rejected(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
	} cases[] = {
		{ QE_MISC, 1 }, { QE_MISC + 3, 0x80 },
		{ QE_ATTRIBUTES, 0x17 },	/* a debug enclave */
		{ QE_ATTRIBUTES + 7, 1 },
		{ QE_MRSIGNER, 0 }, { QE_MRSIGNER + 31, 0 },
		{ QE_PRODID_AT, 1 }, { QE_PRODID_AT + 1, 1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		make(4, 0);
		f.data[f.qe_report + cases[i].at] = cases[i].value;
		sign_all();
		assert_rejected("quoting enclave");
	}
}

/* Attack 51: the module must be Intel's, and of a version it published. */
static void attack_51_other_module_is_rejected(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
	} cases[] = {
		{ TD_SIGNER, 1 }, { TD_SIGNER + 47, 1 },
		{ TD_SEAM_ATTRIBUTES, 1 }, { TD_SEAM_ATTRIBUTES + 7, 0x80 },
		{ TD_SVN + 1, 2 }, { TD_SVN + 1, 255 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		make(4, 0);
		f.data[f.body + cases[i].at] = cases[i].value;
		sign_all();
		assert_rejected("TDX module");
	}
}

static void older_parts_lower_the_status(void **state)
{
	(void)state;
	/* The module, whose SVN is not compared as a TCB component. */
	make(4, 0);
	f.data[f.body + TD_SVN] = MODULE_SVN - 1;
	sign_all();
	assert_int_equal(verify_in("base"), 0);
	assert_int_equal(verdict.status, LIBDSTACK_TCB_OUT_OF_DATE);
	assert_int_equal(verdict.module_status, LIBDSTACK_TCB_OUT_OF_DATE);
	assert_string_equal(verdict.advisories, "TEST-SA-00002");
	/* The enclave. */
	make(4, 0);
	f.data[f.qe_report + QE_SVN_AT] = QE_SVN - 1;
	sign_all();
	assert_int_equal(verify_in("base"), 0);
	assert_int_equal(verdict.status, LIBDSTACK_TCB_OUT_OF_DATE);
	assert_int_equal(verdict.qe_status, LIBDSTACK_TCB_OUT_OF_DATE);
	/* Microcode below every level. */
	make(4, 0);
	f.data[f.body + TD_SVN + 2] = 0;
	sign_all();
	assert_rejected("TCB level");
	assert_int_equal(verdict.status, LIBDSTACK_TCB_NOT_SUPPORTED);
}

static int relaunch_case(int version, int td15, uint8_t svn, uint8_t module,
			 uint8_t ucode, const char *options)
{
	make(version, td15);
	if (td15) {
		f.data[f.body + TD_SVN2] = svn;
		f.data[f.body + TD_SVN2 + 1] = module;
		f.data[f.body + TD_SVN2 + 2] = ucode;
		sign_all();
	}
	assert_int_equal(verify_with(options), 0);
	return verdict.status;
}

/* Updated under a running TD: the module of its launch is out of date. */
static void update_under_a_running_td_advises_a_relaunch(void **state)
{
	const char *old = "--module-status=OutOfDate";
	const char *old_and_bare =
		"--module-status=OutOfDate --status=ConfigurationNeeded";
	const char *old_twice =
		"--module-status=OutOfDate --qe-status=OutOfDate";
	const uint8_t svn = MODULE_SVN + 1;	/* what is newest then */

	(void)state;
	assert_status(relaunch_case(5, 1, svn, 1, UCODE_SVN, old),
		      "TDRelaunchAdvised");
	assert_status(relaunch_case(5, 1, svn, 1, UCODE_SVN, old_and_bare),
		      "TDRelaunchAdvisedConfigurationNeeded");
	/* Not when it runs on the old module or microcode, */
	assert_int_equal(relaunch_case(5, 1, MODULE_SVN, 1, UCODE_SVN, old),
			 LIBDSTACK_TCB_OUT_OF_DATE);
	assert_int_equal(relaunch_case(5, 1, svn, 1, UCODE_SVN - 1, old),
			 LIBDSTACK_TCB_OUT_OF_DATE);
	/* on a module that nobody knows, */
	assert_int_equal(relaunch_case(5, 1, svn, 9, UCODE_SVN, old),
			 LIBDSTACK_TCB_OUT_OF_DATE);
	/* when more than the module is old, */
	assert_int_equal(relaunch_case(5, 1, svn, 1, UCODE_SVN, old_twice),
			 LIBDSTACK_TCB_OUT_OF_DATE);
	assert_int_equal(relaunch_case(5, 1, svn, 1, UCODE_SVN,
				       "--status=OutOfDate"),
			 LIBDSTACK_TCB_OUT_OF_DATE);
	/* nor when the report can't tell. */
	assert_int_equal(relaunch_case(5, 0, 0, 0, 0, old),
			 LIBDSTACK_TCB_OUT_OF_DATE);
	assert_int_equal(relaunch_case(4, 0, 0, 0, 0, old),
			 LIBDSTACK_TCB_OUT_OF_DATE);
}

/* The chain is exactly three certificates, written as OpenSSL writes them. */
static void chain_with_anything_else_in_it_is_refused(void **state)
{
	const char *end = "-----END CERTIFICATE-----\n";
	char *text, *second, *third;

	(void)state;
	need_pki();
	second = strstr(chain, end) + strlen(end);
	third = strstr(second, end) + strlen(end);
	text = malloc(2 * chain_len + 64);
	/* another order */
	sprintf(text, "%.*s%s%.*s", (int)(third - second), second, third,
		(int)(second - chain), chain);
	make(4, 0);
	fixture_make(&f, 4, 0, text, strlen(text));
	assert_true(verify_in("base") < 0);
	/* a word between, one certificate less, one more */
	sprintf(text, "%.*shello\n%s", (int)(second - chain), chain, second);
	fixture_make(&f, 4, 0, text, strlen(text));
	assert_int_equal(verify_in("base"), -EBADMSG);
	sprintf(text, "%.*s", (int)(third - chain), chain);
	fixture_make(&f, 4, 0, text, strlen(text));
	assert_int_equal(verify_in("base"), -EBADMSG);
	sprintf(text, "%s%s", chain, third);
	fixture_make(&f, 4, 0, text, strlen(text));
	assert_int_equal(verify_in("base"), -EBADMSG);
	fixture_make(&f, 4, 0, "", 0);
	assert_int_equal(verify_in("base"), -EBADMSG);
	free(text);
}

/* Attack 54: well signed, but the certificates would have to be fetched. */
static void attack_54_other_certification_is_unsupported(void **state)
{
	int type;

	(void)state;
	for (type = 1; type <= 8; type++) {
		make(4, 0);
		put_le(f.data + f.chain_cert, type, 2);
		sign_all();
		if (type == 5) {
			assert_int_equal(verify_in("base"), 0);
			continue;
		}
		assert_int_equal(verify_in("base"), -EOPNOTSUPP);
		assert_int_equal(verdict.failure.reason,
				 LIBDSTACK_REASON_UNSUPPORTED);
		assert_string_equal(verdict.failure.step, "quote format");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(current_platform_is_up_to_date),
		cmocka_unit_test(attack_52_statuses_merge_as_intel_says),
		cmocka_unit_test(revoked_level_is_rejected_whoever_has_it),
		cmocka_unit_test(platform_below_every_level_is_rejected),
		cmocka_unit_test(attack_53_revoked_certificate_is_rejected),
		cmocka_unit_test(attack_53_expired_collateral_is_rejected),
		cmocka_unit_test(collateral_of_another_platform_is_rejected),
		cmocka_unit_test(evaluation_number_is_reported),
		cmocka_unit_test(only_the_given_root_is_trusted),
		cmocka_unit_test(forged_links_are_rejected),
		cmocka_unit_test(point_off_the_curve_is_no_key),
		cmocka_unit_test(other_enclave_is_rejected),
		cmocka_unit_test(attack_51_other_module_is_rejected),
		cmocka_unit_test(older_parts_lower_the_status),
		cmocka_unit_test(update_under_a_running_td_advises_a_relaunch),
		cmocka_unit_test(attack_54_other_certification_is_unsupported),
		cmocka_unit_test(chain_with_anything_else_in_it_is_refused),
	};

	return cmocka_run_group_tests_name("tcb", tests, NULL,
					   pki_teardown);
}
