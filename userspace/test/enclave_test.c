// SPDX-License-Identifier: MIT
/*
 * Quotes of SGX enclaves, of every version that has them
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

/* Makes of the collateral of the test platform that of its enclaves. */
static const char * const for_sgx[][2] = {
	{ "\"id\":\"TDX\"", "\"id\":\"SGX\"" },
	{ "\"id\":\"TD_QE\"", "\"id\":\"QE\"" },
	/* as far as here, or with the next as well */
	{ "\"tcbStatus\":\"UpToDate\"",
	  "\"tcbStatus\":\"SWHardeningNeeded\"" },
};

static int verify(struct libdstack_collateral *c)
{
	int err = libdstack_quote_verify(f.data, f.len, c, root, root_len,
					 time(NULL), &verdict);

	libdstack_collateral_free(c);
	return err;
}

static void enclave_is_up_to_date_in_every_version(void **state)
{
	int version;

	(void)state;
	for (version = 3; version <= 5; version++) {
		make_body(version, FIXTURE_SGX);
		assert_int_equal(verify(edited_collateral(for_sgx, 2)), 0);
		assert_int_equal(verdict.kind, LIBDSTACK_QUOTE_ENCLAVE);
		assert_int_equal(verdict.quote_version, version);
		assert_int_equal(verdict.status, LIBDSTACK_TCB_UP_TO_DATE);
		assert_int_equal(verdict.qe_status, LIBDSTACK_TCB_UP_TO_DATE);
		assert_int_equal(verdict.module_status, LIBDSTACK_TCB_NONE);
		assert_memory_equal(verdict.enclave.mr_enclave,
				    f.data + f.body + 64, 32);
		assert_memory_equal(verdict.enclave.report_data,
				    f.data + f.body + 320, 64);
	}
}

static void status_is_of_platform_and_quoting_enclave(void **state)
{
	(void)state;
	make_body(3, FIXTURE_SGX);
	f.data[f.qe_report + QE_SVN_AT] = QE_SVN - 1;
	sign_all();
	assert_int_equal(verify(edited_collateral(for_sgx, 2)), 0);
	assert_int_equal(verdict.status, LIBDSTACK_TCB_OUT_OF_DATE);
	assert_int_equal(verdict.qe_status, LIBDSTACK_TCB_OUT_OF_DATE);
	make_body(3, FIXTURE_SGX);
	assert_int_equal(verify(edited_collateral(for_sgx, 3)), 0);
	assert_int_equal(verdict.status, LIBDSTACK_TCB_SW_HARDENING_NEEDED);
}

/* Enclaves do not answer for TDs, nor the other way round. */
static void collateral_of_the_other_kind_is_refused(void **state)
{
	static const char * const mixed[][2] = {
		{ "\"id\":\"TDX\"", "\"id\":\"SGX\"" },
	};

	(void)state;
	make_body(4, FIXTURE_SGX);
	assert_int_equal(verify(read_collateral("base")), -EKEYREJECTED);
	assert_string_equal(verdict.failure.step, "platform type");
	assert_int_equal(verdict.failure.reason, LIBDSTACK_REASON_MISMATCH);
	make(4, 0);
	assert_int_equal(verify(edited_collateral(for_sgx, 2)), -EKEYREJECTED);
	assert_string_equal(verdict.failure.step, "platform type");
	/* Nor does half of each. */
	assert_int_equal(verify(edited_collateral(mixed, 1)), -EKEYREJECTED);
	assert_string_equal(verdict.failure.step, "QE identity");
}

/* Attack 54. */
static void attack_54_enclave_as_td_is_refused(void **state)
{
	(void)state;
	make_body(5, FIXTURE_SGX);
	f.data[4] = 0x81;
	sign_all();
	assert_int_equal(verify(edited_collateral(for_sgx, 2)), -EBADMSG);
	make_body(3, FIXTURE_SGX);
	f.data[4] = 0x81;
	sign_all();
	assert_int_equal(verify(edited_collateral(for_sgx, 2)), -EOPNOTSUPP);
	assert_int_equal(verdict.failure.reason, LIBDSTACK_REASON_UNSUPPORTED);
	/* What version 4 adds is not there in version 3. */
	make_body(3, FIXTURE_SGX);
	f.data[0] = 4;
	sign_all();
	assert_int_equal(verify(edited_collateral(for_sgx, 2)), -EBADMSG);
}

static void changed_enclave_report_is_rejected(void **state)
{
	size_t i;

	(void)state;
	make_body(3, FIXTURE_SGX);
	for (i = 0; i < 384; i += 37) {
		f.data[f.body + i] ^= 1;
		assert_int_equal(verify(edited_collateral(for_sgx, 2)),
				 -EKEYREJECTED);
		assert_string_equal(verdict.failure.step, "quote signature");
		f.data[f.body + i] ^= 1;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(enclave_is_up_to_date_in_every_version),
		cmocka_unit_test(status_is_of_platform_and_quoting_enclave),
		cmocka_unit_test(collateral_of_the_other_kind_is_refused),
		cmocka_unit_test(attack_54_enclave_as_td_is_refused),
		cmocka_unit_test(changed_enclave_report_is_rejected),
	};

	return cmocka_run_group_tests_name("enclave", tests, NULL,
					   pki_teardown);
}
