// SPDX-License-Identifier: MIT
/*
 * What a platform's certificate says of it is read in one way, or not at all
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "dcap/dcap.h"
#include "pck_fixture.h"

static uint8_t data[2048];

/* A copy that is exactly as long, so that a byte too far is noticed. */
static bool reads(size_t len, struct dcap_pck *pck)
{
	uint8_t *copy = malloc(len ? len : 1);
	bool good;

	memcpy(copy, data, len);
	good = dcap_pck_read(copy, len, pck);
	free(copy);
	return good;
}

static void parts_are_found(void **state)
{
	static const uint8_t fmspc[6] = { 1, 2, 3, 4, 5, 6 };
	struct dcap_pck pck;
	int i;

	(void)state;
	assert_true(reads(pck_extension(data, 0, 0), &pck));
	assert_memory_equal(pck.ppid, "platform's name", 16);
	assert_memory_equal(pck.fmspc, fmspc, 6);
	assert_int_equal(pck.pcesvn, 0x0102);
	for (i = 0; i < DCAP_SVNS; i++)
		assert_int_equal(pck.svn[i], i + 1);
}

static void each_part_comes_once(void **state)
{
	struct dcap_pck pck;
	int part;

	(void)state;
	for (part = 1; part <= 16 + 17; part++) {
		if (part > PCK_PARTS && part <= 16)
			continue;
		assert_false(reads(pck_extension(data, part, 0), &pck));
		assert_false(reads(pck_extension(data, 0, part), &pck));
	}
	/* The CPUSVN is not looked at, but does not come twice either. */
	assert_true(reads(pck_extension(data, 16 + 18, 0), &pck));
	assert_false(reads(pck_extension(data, 0, 16 + 18), &pck));
}

static void cut_off_anywhere_is_refused(void **state)
{
	size_t len = pck_extension(data, 0, 0), i;
	struct dcap_pck pck;

	(void)state;
	for (i = 0; i < len; i++)
		assert_false(reads(i, &pck));
	data[len] = 0;
	assert_false(reads(len + 1, &pck));
}

/* Nothing but the values may change without notice. */
static void changed_structure_is_refused(void **state)
{
	size_t len = pck_extension(data, 0, 0), i, accepted = 0;
	struct dcap_pck pck;

	(void)state;
	for (i = 0; i < len; i++) {
		data[i] ^= 0x40;
		accepted += reads(len, &pck);
		data[i] ^= 0x40;
	}
	/*
	 * PPID, PCEID, FMSPC, the components and PCESVN; and all of the
	 * CPUSVN's pair but the heads of pair and id: it is not looked at.
	 */
	assert_in_range(accepted, 42, 42 + 40);
}

static void numbers_have_one_form(void **state)
{
	static const struct {
		uint8_t value[4];
		size_t len;
		bool good;
	} cases[] = {
		{ { 0 }, 1, true }, { { 0x7f }, 1, true },
		{ { 0, 0x80 }, 2, true }, { { 0, 0xff }, 2, true },
		{ { 0x80 }, 1, false }, { { 0, 0x7f }, 2, false },
		{ { 1, 0 }, 2, false }, { { 0, 1, 0 }, 3, false },
		{ { 0 }, 0, false }, { { 0, 0, 0, 1 }, 4, false },
	};
	uint8_t list[2048], part = 2, svn[2] = { 2, 1 };
	struct dcap_pck pck;
	size_t i, n, len, at;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		/* All parts but the TCB, then one with this component 1. */
		len = pck_extension(data, 2, 0);
		at = 2;
		n = pck_pair(list, svn, 2, 2, cases[i].value, cases[i].len);
		n += pck_tcb(list + n, 1, 0);
		n = pck_pair(data + len, &part, 1, 0x30, list, n);
		memmove(list, data + at, len - at + n);
		n = pck_wrap(data, 0x30, list, len - at + n);
		assert_int_equal(reads(n, &pck), cases[i].good);
		if (cases[i].good)
			assert_int_equal(pck.svn[0],
					 cases[i].value[cases[i].len - 1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_are_found),
		cmocka_unit_test(each_part_comes_once),
		cmocka_unit_test(cut_off_anywhere_is_refused),
		cmocka_unit_test(changed_structure_is_refused),
		cmocka_unit_test(numbers_have_one_form),
	};

	return cmocka_run_group_tests_name("pck", tests, NULL, NULL);
}
