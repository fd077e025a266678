// SPDX-License-Identifier: MIT
/*
 * Succession records: who may follow an epoch
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "issue_fixture.h"

static struct key_succession record;

static int check_k256(void)
{
	return key_succession_check_k256(&record, issue_public(issue)->k256);
}

static int check_ca(void)
{
	return key_succession_check_ca(&record, issue_public(issue)->ca);
}

static int make_record(void **state)
{
	(void)state;
	return issue_succession_make(issue, 1, issue_public(other), &record);
}

static void record_leads_from_either_root_to_the_next(void **state)
{
	const struct part spki = { issue_public(other)->ca, ISSUE_SPKI_SIZE };
	uint8_t hash[32];

	(void)state;
	assert_int_equal(check_k256(), 0);
	assert_int_equal(check_ca(), 0);
	assert_int_equal(record.epoch, 1);
	assert_memory_equal(record.k256, issue_public(other)->k256, 33);
	assert_int_equal(hash_parts(HASH_SHA256, &spki, 1, hash), 0);
	assert_memory_equal(record.ca, hash, 32);
}

/* For who reads the page alone: what is signed, computed by another program. */
static void what_is_signed_is_as_documented(void **state)
{
	uint8_t digest[32], signer[33];

	(void)state;
	assert_int_equal(issue_succession_make(issue, 1, issue_public(issue),
					       &record), 0);
	unhex("e4e5dee51770a8f810d4f3ae32c0786f1472a8687ee2e80cf314995ed8a7b2ac",
	      digest, 32);
	assert_int_equal(secp_recover(record.k256_signature, digest, signer),
			 0);
	assert_memory_equal(signer, issue_public(issue)->k256, 33);
}

static void record_of_another_root_is_rejected(void **state)
{
	(void)state;
	assert_int_equal(issue_succession_make(other, 1, issue_public(issue),
					       &record), 0);
	assert_int_equal(check_k256(), -EKEYREJECTED);
	assert_int_equal(check_ca(), -EKEYREJECTED);
}

/* What was signed for one epoch, or key, does not speak for another. */
static void record_with_a_flipped_bit_is_rejected(void **state)
{
	const struct key_succession good = record;
	const struct {
		size_t at, len;
	} parts[] = {
		{ offsetof(struct key_succession, epoch), 8 },
		{ offsetof(struct key_succession, k256), 33 },
		{ offsetof(struct key_succession, ca), 32 },
	};
	size_t i, j;

	(void)state;
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		for (j = 0; j < 8 * parts[i].len; j++) {
			record = good;
			((uint8_t *)&record)[parts[i].at + j / 8] ^= 1 << j % 8;
			assert_int_not_equal(check_k256(), 0);
			assert_int_not_equal(check_ca(), 0);
		}
	for (j = 0; j < 8 * sizeof(record.k256_signature); j++) {
		record = good;
		record.k256_signature[j / 8] ^= 1 << j % 8;
		assert_int_not_equal(check_k256(), 0);
	}
	for (j = 0; j < 8 * good.ca_signature_len; j++) {
		record = good;
		record.ca_signature[j / 8] ^= 1 << j % 8;
		assert_int_equal(check_ca(), -EKEYREJECTED);
	}
}

static void what_is_no_record_is_refused(void **state)
{
	const struct key_succession good = record;
	struct issue_public none = *issue_public(other);
	uint8_t root[ISSUE_SPKI_SIZE] = { 0 };

	(void)state;
	assert_int_equal(issue_succession_make(issue, 0, issue_public(other),
					       &record), -EINVAL);
	none.k256[0] = 4;
	assert_int_equal(issue_succession_make(issue, 1, &none, &record),
			 -EINVAL);
	record = good;
	record.epoch = 0;
	assert_int_equal(check_k256(), -EBADMSG);
	assert_int_equal(check_ca(), -EBADMSG);
	record = good;
	record.ca_signature_len = sizeof(record.ca_signature) + 1;
	assert_int_equal(check_ca(), -EBADMSG);
	record.ca_signature_len = 0;
	assert_int_equal(check_ca(), -EBADMSG);
	record = good;
	record.k256_signature[64] = 4;
	assert_int_equal(check_k256(), -EBADMSG);
	assert_int_equal(key_succession_check_ca(&good, root), -EINVAL);
}

/* Where it is kept, only the signatures are beside what they are about. */
static void signatures_are_read_as_they_are_written(void **state)
{
	const struct issue_public *next = issue_public(other);
	const struct key_succession good = record;
	uint8_t data[KEY_SUCCESSION_MAX + 1];
	size_t len = key_succession_write(&record, data), wrong;

	(void)state;
	assert_int_equal(len, 65 + record.ca_signature_len);
	memset(&record, 0, sizeof(record));
	assert_true(key_succession_read(data, len, &record));
	assert_int_equal(key_succession_name(&record, 1, next->k256, next->ca),
			 0);
	assert_memory_equal(&record, &good, sizeof(good));
	for (wrong = 0; wrong <= 65; wrong++)
		assert_false(key_succession_read(data, wrong, &record));
	assert_false(key_succession_read(data, sizeof(data), &record));
}

int main(void)
{
#define ONE(name) cmocka_unit_test_setup(name, make_record)
	const struct CMUnitTest tests[] = {
		ONE(record_leads_from_either_root_to_the_next),
		ONE(what_is_signed_is_as_documented),
		ONE(record_of_another_root_is_rejected),
		ONE(record_with_a_flipped_bit_is_rejected),
		ONE(what_is_no_record_is_refused),
		ONE(signatures_are_read_as_they_are_written),
	};

	return cmocka_run_group_tests_name("issue_succession", tests,
					   issue_setup, issue_teardown);
}
