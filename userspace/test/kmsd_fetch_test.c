// SPDX-License-Identifier: MIT
/*
 * KMSs of the same roots learn of each other's key epochs
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kmsd_epochs_fixture.h"

static void same_keys(int number)
{
	yyjson_doc *a = keys_of(&one, number);
	yyjson_doc *b = keys_of(&other, number);

	assert_true(*text_of(a, "disk_crypt_key"));
	assert_string_equal(text_of(a, "disk_crypt_key"),
			    text_of(b, "disk_crypt_key"));
	assert_string_equal(text_of(a, "k256_key"), text_of(b, "k256_key"));
	yyjson_doc_free(a);
	yyjson_doc_free(b);
}

static void other_kms_fetches_what_was_started_and_retired(void **state)
{
	(void)state;
	begin_both();
	start(&one);
	start(&one);
	no_keys_of(&other, 1, "this KMS has no key epoch 1");
	fetch(&other, one.url);
	assert_int_equal(status, 200);
	assert_non_null(strstr(answered, "\"added\":[1,2]"));
	same_keys(0);
	same_keys(1);
	same_keys(2);
	retire(&one, 0);
	assert_int_equal(status, 200);
	fetch(&other, one.url);
	assert_refused("does not lead to its root");
	node_renew(&one);
	fetch(&other, one.url);
	assert_non_null(strstr(answered, "\"added\":[]"));
	assert_non_null(strstr(answered, "\"retired\":[0]"));
	no_keys_of(&other, 0, "key epoch 0 is retired");
	fetch(&other, one.url);
	assert_non_null(strstr(answered, "\"retired\":[]"));
}

/* A peer that is behind brings nothing back. */
static void attack_63_what_is_retired_here_stays_so(void **state)
{
	(void)state;
	begin_both();
	start(&one);
	fetch(&other, one.url);
	retire(&other, 0);
	assert_int_equal(status, 200);
	fetch(&other, one.url);
	assert_int_equal(status, 200);
	no_keys_of(&other, 0, "key epoch 0 is retired");
}

static void two_that_were_started_apart_are_noticed(void **state)
{
	(void)state;
	begin_both();
	start(&one);
	start(&one);
	start(&other);
	fetch(&other, one.url);
	assert_refused("its key epoch 1 is not ours");
	assert_int_equal(state_count(other.kmsd.state), 2);
}

static void kms_of_other_roots_is_refused(void **state)
{
	(void)state;
	begin();
	node_serve(&one);
	node_open(&other, "other");
	assert_int_equal(kmsd_make_roots(&other.kmsd, "other.example"), 0);
	fetch(&other, one.url);
	assert_refused("its key epoch 0 is not ours");
}

static void epoch_that_nobody_vouches_for_is_refused(void **state)
{
	static struct key_epoch epoch;

	(void)state;
	begin_both();
	epoch_make(1, &epoch);
	assert_int_equal(state_add_epoch(one.kmsd.state, &epoch), 0);
	fetch(&other, one.url);
	assert_refused("the roots before key epoch 1 do not vouch for it");
	assert_int_equal(state_count(other.kmsd.state), 1);
}

static void what_the_contract_has_ended_is_given_to_no_kms(void **state)
{
	static struct key_epoch epoch;

	(void)state;
	begin_both();
	start(&one);
	at(100, 1, 0, 1);
	admin(&one, "Status", "null");
	node_renew(&one);
	fetch(&other, one.url);
	assert_int_equal(status, 200);
	assert_non_null(strstr(answered, "\"added\":[1]"));
	assert_non_null(strstr(answered, "\"retired\":[0]"));
	state_get_epoch(other.kmsd.state, 0, &epoch);
	assert_int_equal(epoch.retired, 100);
	/* Who gave it has it still: its operator retires it. */
	state_get_epoch(one.kmsd.state, 0, &epoch);
	assert_int_equal(epoch.retired, 0);
}

int main(void)
{
#define ONE(name) cmocka_unit_test_teardown(name, end)
	const struct CMUnitTest tests[] = {
		ONE(other_kms_fetches_what_was_started_and_retired),
		ONE(attack_63_what_is_retired_here_stays_so),
		ONE(two_that_were_started_apart_are_noticed),
		ONE(kms_of_other_roots_is_refused),
		ONE(epoch_that_nobody_vouches_for_is_refused),
		ONE(what_the_contract_has_ended_is_given_to_no_kms),
	};

	return cmocka_run_group_tests_name("kmsd_fetch", tests, kmsd_setup,
					   guests_teardown);
}
