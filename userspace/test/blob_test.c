// SPDX-License-Identifier: MIT
/*
 * Sealed blobs: what is one, and whose it is
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

#include "blob.h"

#define DATA_LEN 8
#define LEN	 (DSTACK_SEAL_OVERHEAD + DATA_LEN)

/* A blob whose data and tag are zeros: nobody here looks at them. */
union blob {
	struct dstack_blob head;
	uint8_t bytes[LEN];
};

static struct dstack_key_name key_name(void)
{
	struct dstack_key_name name = {
		.kind = DSTACK_KEY_AEAD, .scope = DSTACK_SCOPE_CONTAINER,
		.key_len = DSTACK_KEY_SIZE, .path_len = 4, .purpose_len = 3,
		.path = "disk", .purpose = "top",
	};

	memset(name.app_id, 0xa1, sizeof(name.app_id));
	memset(name.image, 0x17, sizeof(name.image));
	return name;
}

static void begin(union blob *blob)
{
	struct dstack_key_name name = key_name();

	memset(blob, 0, sizeof(*blob));
	assert_int_equal(dstack_blob_begin(&blob->head, &name, 7, DATA_LEN), 0);
}

/* With nothing behind it, so that a byte too far is noticed. */
static int check(const void *data, size_t len, size_t *data_len)
{
	void *copy = malloc(len + !len);
	int err;

	assert_non_null(copy);
	memcpy(copy, data, len);
	err = dstack_blob_check(copy, len, data_len);
	free(copy);
	return err;
}

static void new_blob_is_one_and_its_makers(void **state)
{
	static const uint8_t policy[DSTACK_DIGEST_SIZE];
	struct dstack_key_name name = key_name();
	size_t data_len = 0;
	union blob blob;

	(void)state;
	begin(&blob);
	assert_int_equal(check(&blob, LEN, &data_len), 0);
	assert_int_equal(data_len, DATA_LEN);
	assert_int_equal(le64_to_cpu(blob.head.epoch), 7);
	assert_int_equal(dstack_blob_belongs(&blob.head, &name, policy),
			 DSTACK_SEAL_OK);
}

static void what_is_cut_or_longer_is_no_blob(void **state)
{
	uint8_t longer[LEN + 1] = { 0 };
	size_t len, data_len = 42;
	union blob blob;

	(void)state;
	begin(&blob);
	for (len = 0; len < LEN; len++)
		assert_int_equal(check(&blob, len, &data_len), -EBADMSG);
	memcpy(longer, &blob, LEN);
	assert_int_equal(check(longer, sizeof(longer), &data_len), -EBADMSG);
	assert_int_equal(data_len, 42);
}

/* Every bit of magic, version, flags, length, reserved and unused policy. */
static void no_bit_of_the_form_can_be_another(void **state)
{
	static const struct {
		size_t from, len;
	} parts[] = {
		{ offsetof(struct dstack_blob, magic), 8 },
		{ offsetof(struct dstack_blob, version), 2 },
		{ offsetof(struct dstack_blob, data_len), 4 },
		{ offsetof(struct dstack_blob, __reserved), 4 },
		{ offsetof(struct dstack_blob, policy), DSTACK_DIGEST_SIZE },
	};
	size_t i, bit, data_len;
	union blob blob;

	(void)state;
	begin(&blob);
	for (i = 0; i < ARRAY_SIZE(parts); i++)
		for (bit = 0; bit < 8 * parts[i].len; bit++) {
			uint8_t *byte = &blob.bytes[parts[i].from + bit / 8];

			*byte ^= 1 << bit % 8;
			assert_int_equal(check(&blob, LEN, &data_len),
					 -EBADMSG);
			*byte ^= 1 << bit % 8;
		}
	assert_int_equal(check(&blob, LEN, &data_len), 0);
	for (bit = 1; bit < 16; bit++) {
		blob.head.flags = cpu_to_le16(1U << bit);
		assert_int_equal(check(&blob, LEN, &data_len), -EBADMSG);
	}
	blob.head.flags = cpu_to_le16(DSTACK_BLOB_F_POLICY);
	assert_int_equal(check(&blob, LEN, &data_len), 0);
}

static void blob_of_too_much_data_is_refused(void **state)
{
	size_t len = DSTACK_SEAL_OVERHEAD + DSTACK_KEY_DATA_MAX, data_len;
	struct dstack_blob *blob = calloc(1, len + 1);

	(void)state;
	assert_non_null(blob);
	begin((union blob *)blob);
	blob->data_len = cpu_to_le32(DSTACK_KEY_DATA_MAX);
	assert_int_equal(dstack_blob_check(blob, len, &data_len), 0);
	assert_int_equal(data_len, DSTACK_KEY_DATA_MAX);
	blob->data_len = cpu_to_le32(DSTACK_KEY_DATA_MAX + 1);
	assert_int_equal(dstack_blob_check(blob, len + 1, &data_len),
			 -EBADMSG);
	free(blob);
}

static void empty_data_is_data(void **state)
{
	struct dstack_key_name name = key_name();
	uint8_t bytes[DSTACK_SEAL_OVERHEAD] = { 0 };
	struct dstack_blob blob;
	size_t data_len = 42;

	(void)state;
	assert_int_equal(dstack_blob_begin(&blob, &name, 0, 0), 0);
	memcpy(bytes, &blob, sizeof(blob));
	assert_int_equal(check(bytes, sizeof(bytes), &data_len), 0);
	assert_int_equal(data_len, 0);
}

/*
 * Whose it is: of several things that are wrong the first is told, from the
 * largest to the smallest.
 */
static void first_thing_that_is_wrong_is_told(void **state)
{
	static const uint8_t mine[DSTACK_DIGEST_SIZE] = { 1 };
	struct dstack_key_name name = key_name();
	union blob blob;

	(void)state;
	begin(&blob);
	blob.head.flags = cpu_to_le16(DSTACK_BLOB_F_POLICY);
	assert_int_equal(dstack_blob_belongs(&blob.head, &name, mine),
			 DSTACK_SEAL_POLICY);
	name.path[0] ^= 1;
	assert_int_equal(dstack_blob_belongs(&blob.head, &name, mine),
			 DSTACK_SEAL_NAME);
	name.image[0] ^= 1;
	assert_int_equal(dstack_blob_belongs(&blob.head, &name, mine),
			 DSTACK_SEAL_IMAGE);
	name.app_id[0] ^= 1;
	assert_int_equal(dstack_blob_belongs(&blob.head, &name, mine),
			 DSTACK_SEAL_APP);
}

static void policy_counts_only_if_the_blob_says_so(void **state)
{
	static const uint8_t mine[DSTACK_DIGEST_SIZE] = { 1 };
	struct dstack_key_name name = key_name();
	union blob blob;

	(void)state;
	begin(&blob);
	assert_int_equal(dstack_blob_belongs(&blob.head, &name, mine),
			 DSTACK_SEAL_OK);
	blob.head.flags = cpu_to_le16(DSTACK_BLOB_F_POLICY);
	memcpy(blob.head.policy, mine, sizeof(mine));
	assert_int_equal(dstack_blob_belongs(&blob.head, &name, mine),
			 DSTACK_SEAL_OK);
}

static void expect_other_name(const struct dstack_blob *blob,
			      const struct dstack_key_name *name)
{
	static const uint8_t policy[DSTACK_DIGEST_SIZE];

	assert_int_equal(dstack_blob_belongs(blob, name, policy),
			 DSTACK_SEAL_NAME);
}

static void name_is_scope_path_and_purpose(void **state)
{
	struct dstack_key_name name = key_name();
	union blob blob;

	(void)state;
	begin(&blob);
	name.scope = DSTACK_SCOPE_APP;
	expect_other_name(&blob.head, &name);
	name = key_name();
	name.purpose[2] ^= 1;
	expect_other_name(&blob.head, &name);
	/* The border moves, the bytes do not. */
	name = key_name();
	name.path[name.path_len++] = name.purpose[0];
	name.purpose_len--;
	memmove(name.purpose, name.purpose + 1, name.purpose_len);
	expect_other_name(&blob.head, &name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_blob_is_one_and_its_makers),
		cmocka_unit_test(what_is_cut_or_longer_is_no_blob),
		cmocka_unit_test(no_bit_of_the_form_can_be_another),
		cmocka_unit_test(blob_of_too_much_data_is_refused),
		cmocka_unit_test(empty_data_is_data),
		cmocka_unit_test(first_thing_that_is_wrong_is_told),
		cmocka_unit_test(policy_counts_only_if_the_blob_says_so),
		cmocka_unit_test(name_is_scope_path_and_purpose),
	};

	return cmocka_run_group_tests_name("blob", tests, NULL, NULL);
}
