// SPDX-License-Identifier: MIT
/*
 * Headers of LUKS2: of two, the one that was checked is the one that is left
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "luks_fixture.h"

#define SIZE		LUKS_TEST_SIZE
#define LEN		LUKS_TEST_LEN
#define GOOD	LUKS_JSON("aes-xts-plain64", LUKS_SLOT("0", "32768"))
/* What is written is readable to whose disk it is. */
#define NULL_CIPHER	LUKS_JSON("cipher_null-ecb", LUKS_SLOT("0", "32768"))
#define TWO_SLOTS	LUKS_JSON("aes-xts-plain64", LUKS_SLOT("0", "32768") \
				  "," LUKS_SLOT("1", "290816"))
/* Keys that would be written over a header, or over the data. */
#define ON_HEADER	LUKS_JSON("aes-xts-plain64", LUKS_SLOT("0", "16384"))
#define ON_DATA		LUKS_JSON("aes-xts-plain64", LUKS_SLOT("0", "16744448"))

static uint8_t *disk;
static struct luks luks;

static void put(bool second, uint64_t number, const char *json)
{
	luks_put(disk, second, number, json);
}

static int keep(void)
{
	return dstack_luks_keep_checked(disk, LEN, &luks);
}

static bool is_wiped(const uint8_t *at)
{
	size_t i;

	for (i = 0; i < SIZE; i++)
		if (at[i])
			return false;
	return true;
}

static int setup(void **state)
{
	(void)state;
	disk = calloc(1, LEN);
	assert_non_null(disk);
	put(false, 3, GOOD);
	put(true, 3, GOOD);
	memset(disk + 2 * SIZE, 0xaa, 4096);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(disk);
	return 0;
}

static void first_header_is_left_alone(void **state)
{
	(void)state;
	assert_int_equal(keep(), 0);
	assert_int_equal(luks.offset, LEN);
	assert_int_equal(luks.sector_size, 4096);
	assert_int_equal(luks.area, 32768);
	assert_int_equal(luks.area_size, 258048);
	assert_false(is_wiped(disk));
	assert_true(is_wiped(disk + SIZE));
	assert_int_equal(disk[2 * SIZE], 0xaa);
	assert_int_equal(dstack_luks_check(disk, SIZE, &luks), 0);
}

/* cryptsetup would take it, as its number is higher. */
static void attack_66_second_header_is_not_what_is_opened(void **state)
{
	(void)state;
	put(true, 99, NULL_CIPHER);
	assert_int_equal(keep(), 0);
	assert_true(is_wiped(disk + SIZE));
	put(true, 99, TWO_SLOTS);
	assert_int_equal(keep(), 0);
	assert_true(is_wiped(disk + SIZE));
}

static void second_header_serves_where_the_first_was_cut_short(void **state)
{
	(void)state;
	disk[5000] ^= 1;
	assert_int_equal(keep(), 0);
	assert_true(is_wiped(disk));
	assert_false(is_wiped(disk + SIZE));
	assert_int_equal(luks.offset, LEN);
}

static void attack_66_two_bad_headers_are_refused(void **state)
{
	static const char *const bad[] = {
		NULL_CIPHER, TWO_SLOTS, ON_HEADER, ON_DATA, "{}", "",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put(false, 3, bad[i]);
		put(true, 4, bad[i]);
		assert_int_equal(keep(), -EBADMSG);
	}
	put(false, 3, NULL_CIPHER);
	/* It must be where it says, and as long as that is far. */
	put(true, 4, GOOD);
	disk[SIZE + 263] = 1;
	assert_int_equal(keep(), -EBADMSG);
	memset(disk + SIZE, 0, SIZE);
	assert_int_equal(keep(), -EBADMSG);
	assert_int_equal(dstack_luks_keep_checked(disk, SIZE, &luks),
			 -EBADMSG);
}

#define CLAIM(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLAIM(first_header_is_left_alone),
		CLAIM(attack_66_second_header_is_not_what_is_opened),
		CLAIM(second_header_serves_where_the_first_was_cut_short),
		CLAIM(attack_66_two_bad_headers_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
