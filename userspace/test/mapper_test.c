// SPDX-License-Identifier: MIT
/*
 * What holds for tables of device-mapper: a device counts only if every read
 * is checked
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

#include "mapper.h"

#define HASH	"4fd2b1c34fd2b1c34fd2b1c34fd2b1c34fd2b1c34fd2b1c34fd2b1c34fd2b1c3"
#define VERITY	"1 253:1 253:2 4096 4096 512 1 sha256 " HASH
#define CRYPT	"capi:gcm(aes)-random 00112233 0 253:3 0"
#define DISK	"253:4 0 32 J"
#define HMAC	"internal_hash:hmac(sha256):00112233"

static char said[LIBDSTACK_MESSAGE_MAX];

static void on_message(const char *message)
{
	snprintf(said, sizeof(said), "%s", message);
}

/* Exactly as long as the table, so that a byte too far is noticed. */
static int judge(const char *type, const char *table,
		 struct libdstack_device *device)
{
	char *params = strdup(table);
	size_t len = strlen(table), i;
	int err;

	assert_non_null(params);
	*said = '\0';
	memset(device, 0, sizeof(*device));
	err = dstack_mapper_judge(type, params, device);
	for (i = 0; i < len; i++)
		assert_int_equal(params[i], 0);	/* it may have held a key */
	free(params);
	return err;
}

static void tables_that_check_every_read_count(void **state)
{
	static const struct {
		const char *type, *table;
		enum dstack_storage storage;
	} good[] = {
		{ "verity", VERITY " aabb", DSTACK_STORAGE_DMVERITY },
		{ "verity", VERITY " -", DSTACK_STORAGE_DMVERITY },
		{ "verity", VERITY " - 2 ignore_zero_blocks panic_on_corruption",
		  DSTACK_STORAGE_DMVERITY },
		{ "crypt", CRYPT " 1 integrity:28:aead",
		  DSTACK_STORAGE_AUTHENTICATED },
		{ "crypt", CRYPT " 2 same_cpu_crypt integrity:48:hmac(sha256)",
		  DSTACK_STORAGE_AUTHENTICATED },
		{ "integrity", DISK " 2 block_size:4096 " HMAC,
		  DSTACK_STORAGE_AUTHENTICATED },
		{ "integrity", "253:4 0 32 D 1 " HMAC,
		  DSTACK_STORAGE_AUTHENTICATED },
	};
	struct libdstack_device device;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(judge(good[i].type, good[i].table, &device),
				 0);
		assert_int_equal(device.storage, good[i].storage);
		assert_string_equal(said, "");
	}
}

static void root_hash_is_the_tables(void **state)
{
	struct libdstack_device device;
	char hex[2 * DSTACK_ROOT_MAX + 1];

	(void)state;
	assert_int_equal(judge("verity", VERITY " -", &device), 0);
	assert_int_equal(device.root_len, 32);
	assert_string_equal(libdstack_to_hex(device.root, device.root_len, hex),
			    HASH);
	assert_int_equal(judge("crypt", CRYPT " 1 integrity:28:aead", &device),
			 0);
	assert_int_equal(device.root_len, 0);
}

static void tables_that_check_less_do_not_count(void **state)
{
	static const struct {
		const char *type, *table, *why;
	} bad[] = {
		{ "linear", "253:1 0", "only dm-verity" },
		{ "error", "", "only dm-verity" },
		{ "verity", "1 253:1", "not understood" },
		{ "verity", "1 253:1 253:2 4096 4096 512 1 sha1 "
		  "4fd2b1c34fd2b1c34fd2b1c34fd2b1c34fd2b1c3 -", "32 to 64" },
		{ "verity", VERITY " - 1 ignore_corruption",
		  "ignore_corruption" },
		{ "verity", VERITY " - 1 check_at_most_once",
		  "check_at_most_once" },
		{ "crypt", "aes-xts-plain64 00 0 253:3 0", "not authenticate" },
		{ "crypt", CRYPT " 1 allow_discards", "not authenticate" },
		{ "crypt", CRYPT " 1 integrity:16:none", "not authenticate" },
		{ "integrity", DISK " 1 internal_hash:crc32c", "no key" },
		{ "integrity", DISK " 0", "no key" },
		{ "integrity", "253:4 0 32 R 1 " HMAC, "mode" },
		{ "integrity", "253:4 0 32 B 1 " HMAC, "mode" },
		{ "integrity", DISK " 2 recalculate " HMAC, "recalculates" },
		{ "integrity", DISK " 2 legacy_recalculate " HMAC,
		  "recalculates" },
		{ "integrity", DISK " 2 allow_discards " HMAC, "discards" },
		{ "integrity", "253:4", "not understood" },
	};
	struct libdstack_device device;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(judge(bad[i].type, bad[i].table, &device),
				 -EBADMSG);
		assert_non_null(strstr(said, bad[i].why));
		assert_null(strstr(said, "00112233"));
	}
}

static void tables_without_end_do_not_count(void **state)
{
	struct libdstack_device device;
	char table[4096];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(table) - 1; i++)
		table[i] = i % 2 ? ' ' : 'x';
	table[i] = '\0';
	assert_int_equal(judge("verity", table, &device), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_that_check_every_read_count),
		cmocka_unit_test(root_hash_is_the_tables),
		cmocka_unit_test(tables_that_check_less_do_not_count),
		cmocka_unit_test(tables_without_end_do_not_count),
	};

	libdstack_set_message_callback(on_message);
	return cmocka_run_group_tests_name("mapper", tests, NULL, NULL);
}
