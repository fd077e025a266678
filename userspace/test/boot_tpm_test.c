// SPDX-License-Identifier: MIT
/*
 * What of a TPM needs none: the form of what is sealed, and a register's value
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../boot/tpm.h"

static uint8_t data[TPM_BLOB_MAX], blob[TPM_BLOB_MAX];

/* Lengths of both, joined: how long that is, or 0. */
static size_t join(size_t first, size_t second)
{
	const struct libdstack_span parts[] = {
		{ data, first }, { data, second },
	};
	size_t len;

	return tpm_blob_join(parts, blob, &len) ? len : 0;
}

static void form_is_upstreams(void **state)
{
	const uint8_t want[] = { 3 << 2, 1, 2, 3, 2 << 2, 1, 2 };

	(void)state;
	data[0] = 1;
	data[1] = 2;
	data[2] = 3;
	assert_int_equal(join(3, 2), sizeof(want));
	assert_memory_equal(blob, want, sizeof(want));
	/* From 64 on the length has two bytes. */
	assert_int_equal(join(63, 64), 1 + 63 + 2 + 64);
	assert_int_equal(blob[64], 0x01);
	assert_int_equal(blob[65], 0x01);
}

static void what_is_joined_comes_apart(void **state)
{
	static const size_t sizes[] = { 1, 63, 64, 255, 256, 500 };
	struct libdstack_span parts[2];
	size_t i, j, len;

	(void)state;
	for (i = 0; i < 6; i++) {
		for (j = 0; j < 6; j++) {
			len = join(sizes[i], sizes[j]);
			assert_int_not_equal(len, 0);
			assert_true(tpm_blob_split(blob, len, parts));
			assert_int_equal(parts[0].len, sizes[i]);
			assert_int_equal(parts[1].len, sizes[j]);
			/* An index that is larger than what is in it. */
			assert_true(tpm_blob_split(blob, TPM_BLOB_MAX, parts));
			assert_false(tpm_blob_split(blob, len - 1, parts));
		}
	}
}

static void what_is_too_long_is_not_joined(void **state)
{
	(void)state;
	assert_int_equal(join(510, 510), 1024);
	assert_int_equal(join(510, 511), 0);
	assert_int_equal(join(TPM_BLOB_MAX, 1), 0);
	assert_int_equal(join(1, SIZE_MAX), 0);
}

static void nothing_is_no_blob(void **state)
{
	const uint8_t odd[] = { 0, 0 }, huge[] = { 0xff, 0xff, 0xff, 0xff };
	struct libdstack_span parts[2];

	(void)state;
	assert_false(tpm_blob_split(odd, 0, parts));
	assert_false(tpm_blob_split(odd, 2, parts));
	assert_false(tpm_blob_split(huge, 4, parts));
}

/* Computed elsewhere, for the two events below. */
#define FOLDED \
	"e8a78121849d0e2d92b01a29ccfb2180a087c9c448d06215058739e98f087f4d"

static void register_follows_upstreams_digests(void **state)
{
	static const char want[] = FOLDED;
	uint8_t dead[] = { 0xde, 0xad };
	struct boot_event items[] = {
		{ .name = "system-preparing" },
		{ .name = "app-id", .payload = dead, .len = sizeof(dead) },
	};
	const struct boot_events events = { items, 2 };
	char hex[2 * TPM_PCR_SIZE + 1];
	uint8_t value[TPM_PCR_SIZE];

	(void)state;
	assert_true(tpm_fold(&events, 0, value));
	assert_string_equal(libdstack_to_hex(value, 2, hex), "0000");
	assert_true(tpm_fold(&events, 2, value));
	assert_string_equal(libdstack_to_hex(value, sizeof(value), hex), want);
}

static void only_a_missing_handle_is_absent(void **state)
{
	(void)state;
	assert_true(tpm_is_absent(TPM2_RC_HANDLE | TPM2_RC_1));
	assert_true(tpm_is_absent(TPM2_RC_HANDLE | TPM2_RC_P | TPM2_RC_2));
	assert_false(tpm_is_absent(TPM2_RC_SUCCESS));
	assert_false(tpm_is_absent(TPM2_RC_NV_UNINITIALIZED));
	assert_false(tpm_is_absent(TPM2_RC_POLICY_FAIL));
	assert_false(tpm_is_absent(TSS2_TCTI_RC_IO_ERROR));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(form_is_upstreams),
		cmocka_unit_test(what_is_joined_comes_apart),
		cmocka_unit_test(what_is_too_long_is_not_joined),
		cmocka_unit_test(nothing_is_no_blob),
		cmocka_unit_test(register_follows_upstreams_digests),
		cmocka_unit_test(only_a_missing_handle_is_absent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
