// SPDX-License-Identifier: MIT
/*
 * A state takes several KMSs to open, and no fewer
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kms_quorum_fixture.h"

static struct quorum *quorum;
static struct state *state;

static int tear_down(void **st)
{
	(void)st;
	assert_int_equal(state_close(state), 0);
	quorum_close(quorum);
	state = NULL;
	quorum = NULL;
	quorum_end();
	return 0;
}

static int open_it(void)
{
	quorum = quorum ? quorum : new_quorum(&machines[0]);
	return start(quorum, &state);
}

/* The process ends; what is on disks stays. */
static void stop(void)
{
	assert_int_equal(state_close(state), 0);
	state = NULL;
	quorum_close(quorum);
	quorum = NULL;
	close_keepers();
	open_keepers();
}

/* @k of @n, this one among them. */
static void share_out(uint8_t k, size_t n)
{
	quorum_begin(n);
	assert_int_equal(open_it(), 0);
	assert_int_equal(quorum_share_out(quorum, state, k, &peers), 0);
}

static void assert_opens(void)
{
	struct key_epoch epoch, want;

	assert_int_equal(open_it(), 0);
	epoch_make(0, &want);
	state_get_epoch(state, 0, &epoch);
	assert_memory_equal(epoch.ca, want.ca, sizeof(want.ca));
}

/* Nothing of it is there then, however long it is tried. */
static void assert_opens_not(int err)
{
	assert_int_equal(open_it(), err);
	assert_null(state);
	quorum_close(quorum);
	quorum = NULL;
}

static void assert_said(const char *text)
{
	if (!strstr(lines, text))
		fail_msg("'%s' was not said in: %s", text, lines);
}

static void state_before_it_is_shared_opens_alone(void **st)
{
	struct shares_plan plan;

	(void)st;
	quorum_begin(3);
	peers.nr = 0;
	assert_opens();
	assert_false(quorum_get_plan(quorum, &plan));
}

static void any_k_open_it_and_fewer_do_not(void **st)
{
	uint32_t up;
	size_t i, nr;

	(void)st;
	share_out(3, KMSS);
	stop();
	for (up = 0; up < 1U << (KMSS - 1); up++) {
		for (i = 0, nr = 1; i < KMSS - 1; i++) {
			machines[i + 1].wrong = (up >> i & 1) ? GOOD : DOWN;
			nr += up >> i & 1;
		}
		if (nr >= 3)
			assert_opens();
		else
			assert_opens_not(-ECANCELED);
		stop();
	}
}

static void state_is_written_while_others_are_down(void **st)
{
	static const struct state_head head = { .number = 7, .time = 7 };
	struct state_head got;

	(void)st;
	share_out(2, 3);
	machines[1].wrong = DOWN;
	machines[2].wrong = DOWN;
	assert_int_equal(state_set_head(state, &head), 0);
	assert_int_equal(state_close(state), 0);
	state = NULL;
	stop();
	machines[2].wrong = GOOD;
	assert_opens();
	state_get_head(state, &got);
	assert_int_equal(got.number, 7);
}

/* The disk of one, and what its machine seals with, is one share. */
static void stolen_disk_and_seal_of_one_open_nothing(void **st)
{
	(void)st;
	share_out(2, 3);
	stop();
	/* Another instance asks in its name: it is known by its evidence. */
	memset(machines[0].who, 0x66, QUORUM_HASH_SIZE);
	assert_opens_not(-ECANCELED);
	assert_said("KMS 'kms-1': another instance has brought that");
	assert_said("KMS 'kms-2': another instance has brought that");
	/* The same instance gets them: it was no other reason. */
	memset(machines[0].who, 1, QUORUM_HASH_SIZE);
	assert_opens();
}

static void disks_without_their_machine_open_nothing(void **st)
{
	(void)st;
	share_out(2, 3);
	stop();
	machines[0].seal_key[0] ^= 1;
	assert_opens_not(-EBADMSG);
	machines[0].seal_key[0] ^= 1;
	close_keepers();
	machines[1].seal_key[0] ^= 1;
	machines[2].seal_key[0] ^= 1;
	open_keepers();
	assert_opens_not(-ECANCELED);
	assert_said("can't be read, and is not given");
}

static void who_is_not_allowed_any_more_gets_nothing(void **st)
{
	(void)st;
	share_out(2, 3);
	stop();
	machines[1].wrong = REVOKED_US;
	machines[2].wrong = REVOKED_US;
	assert_opens_not(-ECANCELED);
	assert_said("KMS 'kms-1': refused: Boot denied");
}

static void who_lies_is_named_and_another_is_asked(void **st)
{
	static const struct {
		enum wrong wrong;
		const char *text;
	} all[] = {
		{ LIES, "KMS 'kms-2' gave what is not the share" },
		{ OTHER_GENERATION,
		  "KMS 'kms-2' gave a share of another generation" },
		{ GIVES_ANOTHERS, "KMS 'kms-2' gave a share that another" },
	};
	size_t i;

	(void)st;
	share_out(3, 4);
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		stop();
		*lines = '\0';
		machines[2].wrong = all[i].wrong;
		assert_opens();
		assert_said(all[i].text);
		assert_null(strstr(lines, "kms-1"));
		assert_null(strstr(lines, "kms-3"));
	}
	/* And if there is none, it does not open. */
	stop();
	machines[3].wrong = LIES;
	assert_opens_not(-ECANCELED);
	assert_said("KMS 'kms-3' gave what is not the share");
}

static void second_comes_up(void)
{
	if (waits == 2)
		machines[2].wrong = GOOD;
}

static void it_is_asked_again_until_there_are_enough(void **st)
{
	(void)st;
	share_out(3, 3);
	stop();
	machines[1].wrong = GOOD;
	machines[2].wrong = DOWN;
	waits_max = 10;
	on_wait = second_comes_up;
	assert_opens();
	assert_int_equal(waits, 3);
	assert_said("takes 3 shares and there are 2");
}

static void it_is_not_sealed_until_all_have_their_shares(void **st)
{
	struct shares_plan plan;
	uint16_t id;
	int i;

	(void)st;
	quorum_begin(4);
	assert_int_equal(open_it(), 0);
	machines[2].wrong = DOWN;
	assert_int_equal(quorum_share_out(quorum, state, 2, &peers),
			 -EHOSTUNREACH);
	assert_false(quorum_get_plan(quorum, &plan));
	assert_int_equal(state_close(state), 0);
	state = NULL;
	assert_int_equal(state_sealed_as(options.dir, &id), 0);
	assert_int_equal(id, STATE_SEAL_MODULE);
	assert_opens();
	/* As often as it takes: the same share is brought in place of it. */
	machines[2].wrong = LOSES_ANSWER;
	for (i = 0; i < 2 * QUORUM_FILES_OF_ONE; i++)
		assert_int_equal(quorum_share_out(quorum, state, 2, &peers),
				 -EBADMSG);
	machines[2].wrong = GOOD;
	assert_int_equal(quorum_share_out(quorum, state, 2, &peers), 0);
	assert_true(quorum_get_plan(quorum, &plan));
	assert_int_equal(plan.k, 2);
	assert_int_equal(plan.n, 4);
	assert_int_equal(plan.generation, 1);
	stop();
	assert_opens();
}

static void failed_deal_leaves_the_shares_before_it(void **st)
{
	struct shares_plan plan;

	(void)st;
	share_out(3, 3);
	machines[2].wrong = DOWN;
	assert_int_equal(quorum_share_out(quorum, state, 2, &peers),
			 -EHOSTUNREACH);
	machines[2].wrong = GOOD;
	stop();
	assert_opens();
	assert_true(quorum_get_plan(quorum, &plan));
	assert_int_equal(plan.generation, 1);
	assert_int_equal(quorum_share_out(quorum, state, 2, &peers), 0);
	stop();
	assert_opens();
	assert_true(quorum_get_plan(quorum, &plan));
	assert_int_equal(plan.generation, 2);
}

static void old_state_opens_no_more_once_others_were_told(void **st)
{
	static uint8_t old[FILE_MAX], new[FILE_MAX];
	size_t old_len, new_len;

	(void)st;
	share_out(2, 3);
	old_len = load_file("state", old);
	assert_int_equal(quorum_share_out(quorum, state, 2, &peers), 0);
	stop();
	new_len = load_file("state", new);
	put_file("state", old, old_len);
	assert_opens_not(-ECANCELED);
	assert_said("its share is of another generation");
	put_file("state", new, new_len);
	assert_opens();
}

static void lose_settling(void)
{
	machines[1].wrong = DOWN;
	machines[2].wrong = DOWN;
}

/* Who was down then has shares of both, and is told at the next start. */
static void who_was_not_told_is_told_later(void **st)
{
	static uint8_t old[FILE_MAX], new[FILE_MAX];
	size_t old_len, new_len;

	(void)st;
	share_out(2, 3);
	old_len = load_file("state", old);
	on_settle = lose_settling;
	assert_int_equal(quorum_share_out(quorum, state, 2, &peers), 0);
	on_settle = NULL;
	assert_said("2 of 2 KMSs have not been told");
	stop();
	machines[1].wrong = GOOD;
	machines[2].wrong = GOOD;
	new_len = load_file("state", new);
	put_file("state", old, old_len);
	assert_opens();
	stop();
	put_file("state", new, new_len);
	assert_opens();
	assert_int_equal(quorum_settle(quorum, &peers), 0);
	stop();
	put_file("state", old, old_len);
	assert_opens_not(-ECANCELED);
	assert_said("its share is of another generation");
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(state_before_it_is_shared_opens_alone),
		TEST(any_k_open_it_and_fewer_do_not),
		TEST(state_is_written_while_others_are_down),
		TEST(stolen_disk_and_seal_of_one_open_nothing),
		TEST(disks_without_their_machine_open_nothing),
		TEST(who_is_not_allowed_any_more_gets_nothing),
		TEST(who_lies_is_named_and_another_is_asked),
		TEST(it_is_asked_again_until_there_are_enough),
		TEST(it_is_not_sealed_until_all_have_their_shares),
		TEST(failed_deal_leaves_the_shares_before_it),
		TEST(old_state_opens_no_more_once_others_were_told),
		TEST(who_was_not_told_is_told_later),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
