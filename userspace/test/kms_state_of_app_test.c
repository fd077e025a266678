// SPDX-License-Identifier: MIT
/*
 * Who asks again and again what is true: one connection, while all is well
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kms_fixture.h"

static struct kms_session *session;
static struct kms_app_state now;

static int begin(void **state)
{
	struct stand_in_kms *all[] = { first, copy, another };
	size_t i;

	kms_reset(state);
	urls[1] = copy->url;
	urls[2] = another->url;
	for (i = 0; i < 3; i++) {
		all[i]->connections = 0;
		all[i]->state.denied = false;
		all[i]->state.block = 100;
		all[i]->state.policy_epoch = 4;
		memset(all[i]->state.policy_root, 9, 32);
	}
	return kms_session_open(&kms, &session);
}

static int end(void **state)
{
	(void)state;
	kms_session_close(session);
	session = NULL;
	return 0;
}

static int ask(void)
{
	nr_told = 0;
	memset(&now, 0xee, sizeof(now));
	return kms_get_app_state(session, &now);
}

static void what_is_true_is_told(void **state)
{
	(void)state;
	assert_int_equal(ask(), 0);
	assert_true(now.allowed);
	assert_string_equal(now.reason, "");
	assert_int_equal(now.block, 100);
	assert_int_equal(now.block_time, 1200);
	assert_int_equal(now.policy_epoch, 4);
	assert_memory_equal(now.policy_root, first->state.policy_root, 32);
	first->state.key_epoch = 7;
	first->state.previous_ends = 1300;
	first->state.first_live = 6;
	first->state.app_first_live = 3;
	assert_int_equal(ask(), 0);
	assert_int_equal(now.kms_keys.current, 7);
	assert_int_equal(now.kms_keys.previous_ends, 1300);
	assert_int_equal(now.kms_keys.first_live, 6);
	assert_int_equal(now.app_keys.first_live, 3);
	first->state.first_live = 0;
	first->state.policy_epoch = 0;
	assert_int_equal(ask(), 0);
	assert_int_equal(now.policy_epoch, 0);
}

/* Its words are another machine's, and go into a log. */
static void denial_is_an_answer_in_printable_words(void **state)
{
	(void)state;
	first->state.denied = true;
	assert_int_equal(ask(), 0);
	assert_false(now.allowed);
	assert_string_equal(now.reason, "Exec policy?revoked");
	assert_int_equal(nr_told, 0);
}

/* The first of them is for the temporary CA. */
static void connection_and_evidence_serve_all_questions(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 20; i++)
		assert_int_equal(ask(), 0);
	assert_int_equal(first->connections, 2);
	assert_int_equal(first->requests, 21);
	assert_int_equal(attested, 1);
}

static void another_kms_is_asked_when_one_fails_and_kept(void **state)
{
	(void)state;
	kms.nr = 2;
	assert_int_equal(ask(), 0);
	first->fault = STAND_IN_CLOSES;
	copy->state.block = 101;
	assert_int_equal(ask(), 0);
	assert_int_equal(now.block, 101);
	first->fault = STAND_IN_GOOD;
	assert_int_equal(ask(), 0);
	assert_int_equal(now.block, 101);
	assert_int_equal(copy->connections, 2);
	assert_int_equal(attested, 1);
}

/* The root of the KMS that gave the keys is the only one that is asked. */
static void kms_with_another_root_is_not_asked(void **state)
{
	uint8_t id[256], *at = id;
	X509 *ca = first->roots.ca;

	(void)state;
	kms.provider_id = id;
	kms.provider_id_len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(ca), &at);
	kms.nr = 3;
	first->fault = STAND_IN_CLOSES;
	copy->fault = STAND_IN_CLOSES;
	assert_int_equal(ask(), -EKEYREJECTED);
	assert_int_equal(another->requests, 2);
	assert_false(now.allowed);
}

static void each_fault_is_no_answer_and_named(void **state)
{
	static const struct {
		enum stand_in_fault fault;
		int err;
		const char *text;
	} faults[] = {
		{ STAND_IN_USAGE, -EKEYREJECTED, "app:custom" },
		{ STAND_IN_OTHER_ISSUER, -EKEYREJECTED, "does not lead to" },
		{ STAND_IN_ERROR, -EBADMSG, "HTTP 500" },
		{ STAND_IN_DENIES, -EACCES, "Compose hash not allowed" },
		{ STAND_IN_GARBAGE, -EBADMSG, "can't be read" },
		{ STAND_IN_OVERSIZE, -EBADMSG, "larger than" },
		{ STAND_IN_TRUNCATES, -EBADMSG, "ends early" },
		{ STAND_IN_SHORT_POLICY, -EBADMSG, "policy_root has 31" },
		{ STAND_IN_LIVES_LATER, -EBADMSG, "make no sense" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		end(NULL);
		assert_int_equal(kms_session_open(&kms, &session), 0);
		first->fault = faults[i].fault;
		assert_int_equal(ask(), faults[i].err);
		assert_told(first, faults[i].text);
		assert_false(now.allowed);
		assert_int_equal(now.block, 0);
	}
}

static void kms_that_is_back_is_asked_again(void **state)
{
	(void)state;
	assert_int_equal(ask(), 0);
	first->fault = STAND_IN_CLOSES;
	assert_int_equal(ask(), -EHOSTUNREACH);
	assert_int_equal(ask(), -EHOSTUNREACH);
	first->fault = STAND_IN_GOOD;
	assert_int_equal(ask(), 0);
	assert_int_equal(attested, 1);
}

#define CLAIM(name)	cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLAIM(what_is_true_is_told),
		CLAIM(denial_is_an_answer_in_printable_words),
		CLAIM(connection_and_evidence_serve_all_questions),
		CLAIM(another_kms_is_asked_when_one_fails_and_kept),
		CLAIM(kms_with_another_root_is_not_asked),
		CLAIM(each_fault_is_no_answer_and_named),
		CLAIM(kms_that_is_back_is_asked_again),
	};

	return cmocka_run_group_tests_name("kms_state_of_app", tests,
					   kms_setup, kms_teardown);
}
