// SPDX-License-Identifier: MIT
/*
 * A part of a batch holds for one container's report data and for nothing else
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <libdstack.h>
#include <libdstack_batch.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANY	64
#define HASH	DSTACK_DIGEST_SIZE

static const struct dstack_digest program = {
	.alg = DSTACK_ALG_SHA256, .value = { 0xd5, 0x7a },
};

static struct libdstack_batch parts[LIBDSTACK_BATCH_MAX + 1];
static uint8_t nonce[DSTACK_REPORT_DATA_SIZE];
static uint8_t quoted[DSTACK_REPORT_DATA_SIZE];	/* what the quote carries */
static struct libdstack_failure failure;

static void make(size_t count)
{
	size_t i;

	memset(parts, 0, sizeof(parts));
	for (i = 0; i < count; i++) {
		snprintf(parts[i].id, sizeof(parts[i].id), "c%zu", i);
		memset(parts[i].salt, (int)i + 1, sizeof(parts[i].salt));
		parts[i].report_data[0] = i;
		parts[i].program = program;
		parts[i].epoch = 7;
	}
	assert_int_equal(libdstack_batch_make(parts, count, nonce), 0);
	assert_int_equal(libdstack_bound_report_data(nonce, DSTACK_HOST_ID,
						     &program, 7, quoted), 0);
}

static int check(const struct libdstack_batch *part)
{
	static const struct libdstack_batch_wanted anything;

	return libdstack_batch_check(part, &anything, quoted, &failure);
}

static void assert_refused(const struct libdstack_batch *part)
{
	int err = check(part);

	assert_true(err == -EKEYREJECTED || err == -EBADMSG);
	assert_true(failure.reason && *failure.step && *failure.text);
}

static void each_part_of_each_batch_holds(void **state)
{
	size_t count, i, longest = 0;

	(void)state;
	for (count = 1; count <= MANY; count++) {
		make(count);
		for (i = 0; i < count; i++) {
			assert_int_equal(parts[i].index, i);
			assert_int_equal(parts[i].count, count);
			assert_int_equal(check(&parts[i]), 0);
			assert_int_equal(failure.reason,
					 LIBDSTACK_REASON_NONE);
		}
	}
	make(LIBDSTACK_BATCH_MAX);
	for (i = 0; i < LIBDSTACK_BATCH_MAX; i++) {
		assert_int_equal(check(&parts[i]), 0);
		if (parts[i].nr > longest)
			longest = parts[i].nr;
	}
	assert_int_equal(longest, LIBDSTACK_BATCH_DEPTH);
}

static void batches_of_none_and_of_too_many_are_refused(void **state)
{
	(void)state;
	assert_int_equal(libdstack_batch_make(parts, 0, nonce), -EINVAL);
	assert_int_equal(libdstack_batch_make(parts, LIBDSTACK_BATCH_MAX + 1,
					      nonce), -EINVAL);
}

/* As batches.rst has it, written anew: hash, and the bytes before it. */
static void sha256(uint8_t as, const void *data, size_t len, uint8_t *out)
{
	uint8_t text[512];

	text[0] = as;
	memcpy(text + 1, data, len);
	assert_true(EVP_Digest(text, 1 + len, out, NULL, EVP_sha256(), NULL));
}

static void nonce_is_what_the_document_computes(void **state)
{
	uint8_t leaf[2][HASH], text[256], node[HASH], want[64] = { 0 };
	size_t i, len;

	(void)state;
	make(2);
	for (i = 0; i < 2; i++) {
		len = strlen(parts[i].id);
		text[0] = 'B';
		text[1] = len;
		memcpy(text + 2, parts[i].id, len);
		memcpy(text + 2 + len, parts[i].salt, 32);
		memcpy(text + 34 + len, parts[i].report_data, 64);
		sha256(0, text, 98 + len, leaf[i]);
	}
	memcpy(text, leaf, sizeof(leaf));
	sha256(1, text, sizeof(leaf), node);
	memset(text, 0, 8);
	text[0] = 2;
	memcpy(text + 8, node, HASH);
	memcpy(want, "dstack-batch-v1", 16);
	sha256(2, text, 8 + HASH, want + 32);
	assert_memory_equal(nonce, want, sizeof(want));
}

static void any_flipped_bit_is_refused(void **state)
{
	struct libdstack_batch other;
	size_t i, bit;
	struct {
		void *data;
		size_t len;
	} fields[] = {
		{ other.id, 2 },
		{ other.report_data, sizeof(other.report_data) },
		{ other.salt, sizeof(other.salt) },
		{ other.path, 6 * HASH },
		{ other.program.value, HASH },
		{ &other.program.alg, sizeof(other.program.alg) },
		{ &other.epoch, sizeof(other.epoch) },
		{ &other.index, sizeof(other.index) },
		{ &other.count, sizeof(other.count) },
		{ &other.nr, sizeof(other.nr) },
	};

	(void)state;
	make(MANY);
	assert_int_equal(parts[33].nr, 6);
	for (i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		for (bit = 0; bit < 8 * fields[i].len; bit++) {
			other = parts[33];
			((uint8_t *)fields[i].data)[bit / 8] ^= 1 << bit % 8;
			assert_refused(&other);
		}
	}
	for (bit = 0; bit < 8 * sizeof(quoted); bit++) {
		quoted[bit / 8] ^= 1 << bit % 8;
		assert_refused(&parts[33]);
		quoted[bit / 8] ^= 1 << bit % 8;
	}
	assert_int_equal(check(&parts[33]), 0);
}

/* Whatever index, count and path are made of what is there. */
static void attack_49_part_is_no_other_containers(void **state)
{
	struct libdstack_batch other;
	size_t i, at, count;

	(void)state;
	make(6);
	for (i = 0; i < 6; i++) {
		other = parts[i];
		strcpy(other.id, i ? "c0" : "c1");
		assert_refused(&other);
		strcpy(other.id, DSTACK_HOST_ID);
		assert_refused(&other);
		/* One character more, or less, of the salt. */
		strcpy(other.id, "c");
		assert_refused(&other);
		for (at = 0; at < 8; at++) {
			for (count = 0; count < 10; count++) {
				other = parts[i];
				other.index = at;
				other.count = count;
				if (at != i || count != 6)
					assert_refused(&other);
			}
		}
	}
}

static void inner_node_is_no_part(void **state)
{
	struct libdstack_batch forged;
	size_t i;

	(void)state;
	make(4);
	/* What a part is has 99 bytes and more, two hashes have 64. */
	memset(&forged, 0, sizeof(forged));
	memcpy(forged.report_data, parts[1].path[0], HASH);
	memcpy(forged.report_data + HASH, parts[0].path[0], HASH);
	forged.program = program;
	forged.epoch = 7;
	forged.count = 2;
	forged.nr = 1;
	memcpy(forged.path[0], parts[0].path[1], HASH);
	assert_refused(&forged);
	for (i = 0; i < 4; i++) {
		forged = parts[i];
		forged.count = 2;
		forged.index /= 2;
		forged.nr = 1;
		memcpy(forged.path[0], parts[i].path[1], HASH);
		assert_refused(&forged);
	}
}

/* Only the kernel makes report data with its tag, and it says for whom. */
static void attack_49_batch_of_another_maker_is_refused(void **state)
{
	struct dstack_digest other = program;

	(void)state;
	make(3);
	/* The nonce as report data of anybody. */
	memcpy(quoted, nonce, sizeof(quoted));
	assert_refused(&parts[0]);
	/* Bound to a container, or to another program. */
	libdstack_bound_report_data(nonce, "c0", &program, 7, quoted);
	assert_refused(&parts[0]);
	other.value[5]++;
	libdstack_bound_report_data(nonce, DSTACK_HOST_ID, &other, 7, quoted);
	assert_refused(&parts[0]);
	libdstack_bound_report_data(nonce, DSTACK_HOST_ID, &program, 7, quoted);
	assert_int_equal(check(&parts[0]), 0);
}

static void what_is_not_wanted_is_refused_by_name(void **state)
{
	uint8_t report_data[DSTACK_REPORT_DATA_SIZE] = { 1 };
	struct dstack_digest other = program;
	struct libdstack_batch_wanted wanted = { .id = "c1" };

	(void)state;
	make(3);
	wanted.report_data = report_data;
	wanted.program = &other;
	assert_int_equal(libdstack_batch_check(&parts[1], &wanted, quoted,
					       &failure), 0);
	wanted.id = "c2";
	assert_int_equal(libdstack_batch_check(&parts[1], &wanted, quoted,
					       &failure), -EKEYREJECTED);
	assert_string_equal(failure.step, "batch container");
	wanted.id = NULL;
	report_data[63] = 1;
	assert_int_equal(libdstack_batch_check(&parts[1], &wanted, quoted,
					       &failure), -EKEYREJECTED);
	assert_string_equal(failure.step, "batch report data");
	report_data[63] = 0;
	other.alg = DSTACK_ALG_FSVERITY_SHA256;
	assert_int_equal(libdstack_batch_check(&parts[1], &wanted, quoted,
					       &failure), -EKEYREJECTED);
	assert_string_equal(failure.step, "batch program");
}

/* What the agent writes. */

#define H32	"0123abcd0123abcd0123abcd0123abcd"
#define H64	H32 "0123abcd0123abcd0123abcd0123abcd"
#define PART(index, count, path, id, end) \
	"{\"index\":" index ",\"count\":" count ",\"path\":[" path "]," \
	"\"container\":\"" id "\",\"salt\":\"" H64 "\",\"report_data\":\"" \
	H64 H64 "\",\"program\":\"sha256:" H64 "\",\"policy_epoch\":7" end "}"

static int parse(const char *text, struct libdstack_batch *part)
{
	return libdstack_batch_parse(text, strlen(text), part, &failure);
}

static void reply_and_part_alone_are_read(void **state)
{
	static const char reply[] =
		"{\"quote\":\"00\",\"event_log\":\"[]\",\"report_data\":\"\","
		"\"vm_config\":\"\",\"batch\":"
		PART("1", "3", "\"" H64 "\",\"" H64 "\"", "c.1", "") "}";
	struct libdstack_batch part, alone;

	(void)state;
	assert_int_equal(parse(reply, &part), 0);
	assert_int_equal(part.index, 1);
	assert_int_equal(part.count, 3);
	assert_int_equal(part.nr, 2);
	assert_int_equal(part.epoch, 7);
	assert_string_equal(part.id, "c.1");
	assert_int_equal(part.path[1][31], 0xcd);
	assert_int_equal(part.program.alg, DSTACK_ALG_SHA256);
	assert_int_equal(parse(PART("1", "3", "\"" H64 "\",\"" H64 "\"", "c.1",
				    ""), &alone), 0);
	assert_memory_equal(&part, &alone, sizeof(part));
}

static void what_is_no_part_is_refused(void **state)
{
	static const char *const texts[] = {
		"", "[]", "{}", "{\"batch\":1}", "{\"batch\":{}}",
		PART("1", "1", "", "c", ""), PART("-1", "1", "", "c", ""),
		PART("0", "0", "", "c", ""), PART("0", "1025", "", "c", ""),
		PART("\"0\"", "1", "", "c", ""), PART("0.0", "1", "", "c", ""),
		PART("0", "18446744073709551616", "", "c", ""),
		PART("0", "1", "\"" H32 "\"", "c", ""),
		PART("0", "1", "1", "c", ""), PART("0", "1", "", "", ""),
		PART("0", "1", "", "c\\u0000d", ""),
		PART("0", "1", "", H64 H64, ""),
		PART("0", "1", "", "c", ",\"more\":1"),
		PART("0", "1", "\"" H64 "\",\"" H64 "\",\"" H64 "\",\"" H64
		     "\",\"" H64 "\",\"" H64 "\",\"" H64 "\",\"" H64 "\",\""
		     H64 "\",\"" H64 "\",\"" H64 "\"", "c", ""),
	};
	struct libdstack_batch part;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		assert_int_equal(parse(texts[i], &part), -EBADMSG);
		assert_int_equal(failure.reason, LIBDSTACK_REASON_MALFORMED);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_part_of_each_batch_holds),
		cmocka_unit_test(batches_of_none_and_of_too_many_are_refused),
		cmocka_unit_test(nonce_is_what_the_document_computes),
		cmocka_unit_test(any_flipped_bit_is_refused),
		cmocka_unit_test(attack_49_part_is_no_other_containers),
		cmocka_unit_test(inner_node_is_no_part),
		cmocka_unit_test(attack_49_batch_of_another_maker_is_refused),
		cmocka_unit_test(what_is_not_wanted_is_refused_by_name),
		cmocka_unit_test(reply_and_part_alone_are_read),
		cmocka_unit_test(what_is_no_part_is_refused),
	};

	return cmocka_run_group_tests_name("batch", tests, NULL, NULL);
}
