// SPDX-License-Identifier: MIT
/*
 * Who pins a root, and meets the KMS under one that succeeds it, or does not
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kms_fixture.h"

#define RECORDS	1000

/* The KMS was at the first of these roots, and is at the second, another's. */
static const struct issue *a, *b, *c;
static struct stand_in_roots third;
static struct stand_in_record records[RECORDS];
static struct kms_app_keys keys;

static void pin(const struct issue *to)
{
	kms.provider_id = issue_public(to)->ca;
	kms.provider_id_len = ISSUE_SPKI_SIZE;
}

/* One more of them, in which @from vouches for @to. */
static struct stand_in_record *add(const struct issue *from, uint64_t epoch,
				   const struct issue *to)
{
	struct stand_in_record *record;

	record = &records[another->config.nr_records++];
	stand_in_succeed(from, epoch, to, record);
	return record;
}

static int begin(void **state)
{
	kms_reset(state);
	if (!third.issue)
		stand_in_roots_init(&third, (const uint8_t *)
				    "the third of them, of 32 bytes..");
	a = first->roots.issue;
	b = another->roots.issue;
	c = third.issue;
	another->config.records = records;
	another->config.nr_records = 0;
	first->config.records = records;
	first->config.nr_records = 0;
	urls[0] = another->url;
	pin(a);
	return 0;
}

static int get(void)
{
	kms_app_keys_wipe(&keys);
	nr_told = 0;
	another->requests = 0;
	return kms_get_app_keys(&kms, KMS_EPOCH_OLDEST, &keys);
}

/* The keys of another, as one that succeeds the pinned root. */
static void assert_followed(void)
{
	assert_int_equal(get(), 0);
	assert_true(keys.followed);
	assert_int_equal(keys.provider_id_len, ISSUE_SPKI_SIZE);
	assert_memory_equal(keys.provider_id, issue_public(b)->ca,
			    ISSUE_SPKI_SIZE);
	assert_string_equal(keys.ca_cert, issue_cert(b, ISSUE_ROOT_CA));
	assert_int_equal(nr_told, 0);
}

/* With a line that says why, and what to do; and it was shown no evidence. */
static void assert_not_followed(const char *why)
{
	static const struct kms_app_keys none;

	assert_int_equal(get(), -EKEYREJECTED);
	assert_told(another, why);
	assert_told(another, "it is another KMS");
	assert_told(another, "pin its root");
	assert_int_equal(another->requests, 2);
	assert_memory_equal(&keys, &none, sizeof(keys));
}

static void root_that_succeeds_the_pinned_one_is_followed(void **state)
{
	(void)state;
	assert_not_followed("it has no record that leads there");
	add(a, 1, b);
	assert_followed();
	/* Who pins the new root needs no record. */
	pin(b);
	another->config.nr_records = 0;
	assert_int_equal(get(), 0);
	assert_false(keys.followed);
}

static void chain_of_records_is_followed_to_its_end(void **state)
{
	(void)state;
	add(a, 1, c);
	assert_not_followed("its records do not lead there");
	add(c, 2, b);
	assert_followed();
}

static void chain_is_followed_from_its_middle_and_to_it(void **state)
{
	(void)state;
	pin(c);
	add(a, 1, c);
	add(c, 2, b);
	assert_followed();
	/* What is started and not in force yet is nobody's concern. */
	pin(a);
	another->config.nr_records = 0;
	add(a, 1, b);
	add(b, 2, c);
	assert_followed();
}

static void list_may_begin_with_a_later_epoch(void **state)
{
	(void)state;
	add(a, 7, c);
	add(c, 8, b);
	assert_followed();
}

static void record_of_another_root_leads_nowhere(void **state)
{
	(void)state;
	add(c, 1, b);
	assert_not_followed("its record of key epoch 1 is not by the root before it");
	another->config.nr_records = 0;
	add(a, 1, c);
	add(a, 2, b);
	assert_not_followed("its record of key epoch 2 is not by the root before it");
}

static void record_for_another_epoch_leads_nowhere(void **state)
{
	(void)state;
	add(a, 1, b)->epoch = 2;
	assert_not_followed("its record of key epoch 2 is not by the root before it");
	another->config.nr_records = 0;
	add(a, 1, b)->epoch = 0;
	assert_not_followed("its record of key epoch 0 is not by the root before it");
}

/* In all that is signed, and in the signature. */
static void record_with_a_flipped_bit_leads_nowhere(void **state)
{
	struct stand_in_record *record = add(a, 1, b), good = *record;
	size_t at;

	(void)state;
	for (at = AGENT_LINK_SIZE; at < good.len; at += 7) {
		record->record[at] ^= 1;
		assert_not_followed("is not by the root before it");
		*record = good;
	}
	record->next.k256[5] ^= 1;
	assert_not_followed("is not by the root before it");
	*record = good;
	record->next.ca[80] ^= 1;
	assert_not_followed("is not by the root before it");
	*record = good;
	assert_followed();
	/* The other signature is for who pins the other root. */
	record->record[5] ^= 1;
	assert_followed();
}

static void records_of_other_form_are_refused(void **state)
{
	struct stand_in_record *record = add(a, 1, b), good = *record;

	(void)state;
	record->ca_len--;
	assert_not_followed("its record of key epoch 1 names keys of another length");
	*record = good;
	record->len = AGENT_LINK_SIZE;
	assert_not_followed("its record of key epoch 1 is not two signatures");
	record->len = 0;
	assert_not_followed("its record of key epoch 1 is not two signatures");
	*record = good;
	assert_followed();
}

static void records_out_of_order_are_refused(void **state)
{
	struct stand_in_record swap;

	(void)state;
	add(a, 1, c);
	add(c, 1, b);
	assert_not_followed("its record of key epoch 1 is out of order");
	another->config.nr_records = 1;
	add(c, 3, b);
	assert_not_followed("its record of key epoch 3 is out of order");
	another->config.nr_records = 1;
	add(c, 2, b);
	swap = records[0];
	records[0] = records[1];
	records[1] = swap;
	assert_not_followed("its record of key epoch 1 is out of order");
	/* Also where it would not have been needed. */
	another->config.nr_records = 0;
	add(a, 1, b);
	add(b, 3, c);
	assert_not_followed("its record of key epoch 3 is out of order");
}

static void records_that_lead_in_a_circle_are_refused(void **state)
{
	(void)state;
	add(a, 1, c);
	add(c, 2, a);
	add(a, 3, c);
	add(c, 4, b);
	assert_not_followed("its record of key epoch 3 names a root that another one names");
}

static void records_without_end_are_refused(void **state)
{
	uint64_t i;

	(void)state;
	for (i = 1; i <= RECORDS; i++)
		add(a, i, b);
	assert_not_followed("it gives 1000 records, more than 64");
	another->config.nr_records = KEY_EPOCHS_MAX + 1;
	assert_not_followed("it gives 65 records, more than 64");
}

static void pin_that_is_no_key_is_followed_by_nobody(void **state)
{
	static const uint8_t none[ISSUE_SPKI_SIZE];

	(void)state;
	add(a, 1, b);
	kms.provider_id = none;
	assert_not_followed("is not by the root before it");
	kms.provider_id_len = 90;
	assert_int_equal(get(), -EKEYREJECTED);
	assert_told(another, "that one is no key of a KMS");
	assert_int_equal(another->requests, 1);
}

/* The pinned root vouched for the next, and who pins that does not go back. */
static void attack_63_root_before_the_pinned_one_is_refused(void **state)
{
	(void)state;
	add(a, 1, b);
	first->config.nr_records = 1;
	pin(b);
	urls[0] = first->url;
	assert_int_equal(get(), -EKEYREJECTED);
	assert_told(first, "its records do not lead there");
	assert_int_equal(first->requests, 2);
	pin(a);
	assert_int_equal(get(), 0);
	assert_false(keys.followed);
}

/*
 * Who asks again and again
 */

static struct kms_session *session;
static struct kms_app_state app_state;

static int look(void)
{
	nr_told = 0;
	return kms_get_app_state(session, &app_state);
}

static void attack_63_session_that_moved_on_does_not_go_back(void **state)
{
	(void)state;
	add(a, 1, b);
	urls[0] = first->url;
	urls[1] = another->url;
	kms.nr = 2;
	assert_int_equal(kms_session_open(&kms, &session), 0);
	assert_int_equal(look(), 0);
	first->fault = STAND_IN_CLOSES;
	assert_int_equal(look(), 0);
	assert_told(first, "can't be asked");
	/* Both answer, and the first one is asked first. */
	first->fault = STAND_IN_GOOD;
	another->fault = STAND_IN_CLOSES;
	assert_int_equal(look(), -EKEYREJECTED);
	assert_non_null(strstr(told[0], "it has no record that leads there"));
	another->fault = STAND_IN_GOOD;
	assert_int_equal(look(), 0);
	kms_session_close(session);
}

/* That a root was chosen is no reason to leave the one that is in force. */
static void session_stays_where_a_successor_does_not_answer(void **state)
{
	(void)state;
	add(a, 1, b);
	urls[0] = another->url;
	urls[1] = first->url;
	kms.nr = 2;
	another->fault = STAND_IN_OTHER_ISSUER;
	assert_int_equal(kms_session_open(&kms, &session), 0);
	assert_int_equal(look(), 0);
	assert_non_null(strstr(told[0], "does not lead to its root"));
	first->fault = STAND_IN_CLOSES;
	another->fault = STAND_IN_DENIES;
	assert_int_equal(look(), -EACCES);
	first->fault = STAND_IN_GOOD;
	assert_int_equal(look(), 0);
	kms_session_close(session);
}

/*
 * By the root on secp256k1
 */

static int get_env(const struct issue *signer, struct kms_env_key *env)
{
	nr_told = 0;
	return kms_env_public_key(&kms, (const uint8_t *)APP,
				  issue_public(signer)->k256, env);
}

static void key_of_environments_may_be_signed_by_a_successor(void **state)
{
	struct stand_in_record *record;
	struct kms_env_key env;

	(void)state;
	kms.provider_id_len = 0;
	assert_int_equal(get_env(a, &env), -EKEYREJECTED);
	assert_told(another, "another root signed");
	add(a, 1, c);
	record = add(c, 2, b);
	assert_int_equal(get_env(a, &env), 0);
	assert_memory_equal(env.signer, issue_public(b)->k256, 33);
	assert_int_equal(get_env(c, &env), 0);
	/* The other signature is for who pins the other root. */
	record->record[record->len - 1] ^= 1;
	assert_int_equal(get_env(a, &env), 0);
	record->record[5] ^= 1;
	assert_int_equal(get_env(a, &env), -EKEYREJECTED);
	assert_told(another, "its record of key epoch 2 is not by the root before it");
	urls[0] = first->url;
	assert_int_equal(get_env(b, &env), -EKEYREJECTED);
}

static int finish(void **state)
{
	kms_app_keys_wipe(&keys);
	stand_in_roots_clear(&third);
	return kms_teardown(state);
}

int main(void)
{
#define ONE(name) cmocka_unit_test_setup(name, begin)
	const struct CMUnitTest tests[] = {
		ONE(root_that_succeeds_the_pinned_one_is_followed),
		ONE(chain_of_records_is_followed_to_its_end),
		ONE(chain_is_followed_from_its_middle_and_to_it),
		ONE(list_may_begin_with_a_later_epoch),
		ONE(record_of_another_root_leads_nowhere),
		ONE(record_for_another_epoch_leads_nowhere),
		ONE(record_with_a_flipped_bit_leads_nowhere),
		ONE(records_of_other_form_are_refused),
		ONE(records_out_of_order_are_refused),
		ONE(records_that_lead_in_a_circle_are_refused),
		ONE(records_without_end_are_refused),
		ONE(pin_that_is_no_key_is_followed_by_nobody),
		ONE(attack_63_root_before_the_pinned_one_is_refused),
		ONE(attack_63_session_that_moved_on_does_not_go_back),
		ONE(session_stays_where_a_successor_does_not_answer),
		ONE(key_of_environments_may_be_signed_by_a_successor),
	};

	return cmocka_run_group_tests_name("kms_succession", tests, kms_setup,
					   finish);
}
