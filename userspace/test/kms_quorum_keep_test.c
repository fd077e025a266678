// SPDX-License-Identifier: MIT
/*
 * What is kept for others goes back to who brought it, and to nobody else
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kms_quorum_fixture.h"

#include "../keys/primitives.h"

static struct share shares[3], got;
static struct quorum_deposit deposit;
static struct quorum_claim claim;
static const char *why;

static void split(uint32_t generation)
{
	const struct shares_plan plan = {
		.k = 2, .n = 3, .generation = generation,
	};
	static const uint8_t key[QUORUM_KEY_SIZE] = { 1 };

	assert_int_equal(shares_split(&plan, key, sizeof(key), shares, &why),
			 0);
	deposit.share = &shares[1];
}

static int set_up(void **st)
{
	const struct part part = { claim.proof, sizeof(claim.proof) };

	(void)st;
	quorum_begin(3);
	memset(&deposit, 0, sizeof(deposit));
	memset(deposit.owner, 5, sizeof(deposit.owner));
	memset(claim.owner, 5, sizeof(claim.owner));
	memset(claim.proof, 6, sizeof(claim.proof));
	claim.generation = 1;
	assert_int_equal(hash_parts(HASH_SHA256, &part, 1, deposit.check), 0);
	split(1);
	return 0;
}

static int tear_down(void **st)
{
	(void)st;
	quorum_end();
	return 0;
}

static int keep(int who)
{
	why = NULL;
	return quorum_keep(machines[1].keeper, machines[who].who, &deposit,
			   &why);
}

static int give(int who)
{
	why = NULL;
	memset(&got, 0, sizeof(got));
	return quorum_give(machines[1].keeper, machines[who].who, &claim, &got,
			   &why);
}

static void assert_given(uint32_t generation)
{
	claim.generation = generation;
	assert_int_equal(give(0), 0);
	assert_int_equal(got.generation, generation);
}

static void assert_not_given(int who, int err)
{
	static const struct share none;

	assert_int_equal(give(who), err);
	assert_non_null(why);
	assert_memory_equal(&got, &none, sizeof(none));
}

static void share_goes_to_who_brought_it_and_shows_the_proof(void **st)
{
	(void)st;
	assert_not_given(0, -ENODATA);
	assert_int_equal(keep(0), 0);
	assert_given(1);
	assert_memory_equal(got.data, shares[1].data, QUORUM_SHARE_LEN);
	/* Another instance, with all that the owner knows. */
	assert_not_given(2, -EACCES);
	/* The instance, without the share that stayed. */
	claim.proof[0] ^= 1;
	assert_not_given(0, -EACCES);
	claim.proof[0] ^= 1;
	claim.owner[0] ^= 1;
	assert_not_given(0, -ENODATA);
}

static void nobody_else_replaces_it(void **st)
{
	(void)st;
	assert_int_equal(keep(0), 0);
	split(2);
	assert_int_equal(keep(2), -EACCES);
	deposit.in_use = 1;
	assert_int_equal(keep(2), -EACCES);
	assert_given(1);
}

static void it_is_replaced_by_later_ones_alone(void **st)
{
	(void)st;
	assert_int_equal(keep(0), 0);
	split(2);
	deposit.in_use = 1;
	assert_int_equal(keep(0), 0);
	/* Until it is said that the second is in use there are both. */
	assert_given(1);
	assert_given(2);
	deposit.share = NULL;
	deposit.in_use = 2;
	assert_int_equal(keep(0), 0);
	assert_given(2);
	claim.generation = 1;
	assert_not_given(0, -ESTALE);
	/* An old state does not bring them back. */
	deposit.in_use = 1;
	assert_int_equal(keep(0), -ESTALE);
	split(2);
	assert_int_equal(keep(0), -ESTALE);
	deposit.in_use = 2;
	assert_int_equal(keep(0), -EINVAL);
	assert_given(2);
}

static void what_was_brought_is_there_after_a_start(void **st)
{
	(void)st;
	assert_int_equal(keep(0), 0);
	close_keepers();
	open_keepers();
	assert_given(1);
	assert_not_given(2, -EACCES);
}

static void nothing_is_settled_that_is_not_there(void **st)
{
	(void)st;
	deposit.share = NULL;
	deposit.in_use = 1;
	assert_int_equal(keep(0), -ENODATA);
	split(3);
	deposit.in_use = 0;
	assert_int_equal(keep(0), 0);
	deposit.share = NULL;
	deposit.in_use = 2;
	assert_int_equal(keep(0), -ENODATA);
	assert_given(3);
	deposit.in_use = 0;
	assert_int_equal(keep(0), -EINVAL);
}

static void shares_of_other_things_are_not_kept(void **st)
{
	(void)st;
	shares[1].len = QUORUM_SHARE_LEN + 1;
	assert_int_equal(keep(0), -EINVAL);
	assert_not_given(0, -ENODATA);
}

static void one_instance_has_few_files_and_all_have_some(void **st)
{
	int i;

	(void)st;
	for (i = 0; i < QUORUM_FILES_OF_ONE; i++) {
		deposit.owner[0] = i;
		assert_int_equal(keep(0), 0);
	}
	deposit.owner[0] = i;
	assert_int_equal(keep(0), -EDQUOT);
	/* Those that there are can be changed. */
	deposit.owner[0] = 0;
	split(2);
	assert_int_equal(keep(0), 0);
	for (i = QUORUM_FILES_OF_ONE; i < QUORUM_FILES_MAX; i++) {
		deposit.owner[0] = i;
		machines[2].who[0] = i;
		assert_int_equal(keep(2), 0);
	}
	deposit.owner[0] = i;
	machines[2].who[0] = i;
	assert_int_equal(keep(2), -EDQUOT);
	/* And a start finds them all. */
	close_keepers();
	open_keepers();
	assert_int_equal(keep(2), -EDQUOT);
}

static void changed_or_exchanged_file_is_not_given(void **st)
{
	char command[1024];
	const char *dir = machines[1].kept;

	(void)st;
	assert_int_equal(keep(0), 0);
	snprintf(command, sizeof(command),
		 "cd '%s' && mv 05050505050505050505050505050505 "
		 "06060606060606060606060606060606", dir);
	close_keepers();
	assert_int_equal(system(command), 0);
	open_keepers();
	assert_not_given(0, -ENODATA);
	memset(claim.owner, 6, sizeof(claim.owner));
	assert_not_given(0, -EBADMSG);
	memset(claim.owner, 5, sizeof(claim.owner));
	snprintf(command, sizeof(command),
		 "cd '%s' && mv 06060606060606060606060606060606 "
		 "05050505050505050505050505050505 && "
		 "printf x >>05050505050505050505050505050505", dir);
	close_keepers();
	assert_int_equal(system(command), 0);
	open_keepers();
	assert_not_given(0, -EBADMSG);
	/* It is not made anew either: its owner has to be asked first. */
	assert_int_equal(keep(0), -EBADMSG);
}

static void any_bit_or_end_of_a_kept_text_is_judged(void **st)
{
	static struct kept kept, again;
	uint8_t data[KEPT_SIZE_MAX + 1];
	size_t len, i;

	(void)st;
	memset(&kept, 0, sizeof(kept));
	kept.nr = 2;
	kept.shares[0].share = shares[1];
	split(2);
	kept.shares[1].share = shares[1];
	len = kept_write(&kept, data);
	assert_int_equal(kept_read(data, len, &again), 0);
	assert_int_equal(kept_write(&again, data), len);
	for (i = 0; i < len; i++)
		assert_true(kept_read(data, i, &again) < 0);
	data[len] = 0;
	assert_int_equal(kept_read(data, len + 1, &again), -EBADMSG);
	data[8]++;
	assert_int_equal(kept_read(data, len, &again), -EPROTONOSUPPORT);
	data[8]--;
	/* Sanitizers see to the rest. */
	for (i = 0; i < 8 * len; i++) {
		data[i / 8] ^= 1 << i % 8;
		kept_read(data, len, &again);
		data[i / 8] ^= 1 << i % 8;
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(share_goes_to_who_brought_it_and_shows_the_proof),
		TEST(nobody_else_replaces_it),
		TEST(it_is_replaced_by_later_ones_alone),
		TEST(what_was_brought_is_there_after_a_start),
		TEST(nothing_is_settled_that_is_not_there),
		TEST(shares_of_other_things_are_not_kept),
		TEST(one_instance_has_few_files_and_all_have_some),
		TEST(changed_or_exchanged_file_is_not_given),
		TEST(any_bit_or_end_of_a_kept_text_is_judged),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
