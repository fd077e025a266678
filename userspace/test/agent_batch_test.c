// SPDX-License-Identifier: MIT
/*
 * Callers that share a quote get a part of it each, and nobody else's
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent_quote_fixture.h"

#define PATIENCE	10000	/* ms */
#define MANY		60

static struct agent_quote_stats stats;
static struct asker askers[MANY];

/* The quote carries a batch in which this is the caller's part. */
static void assert_part(struct asker *asker)
{
	const struct libdstack_batch_wanted wanted = {
		.id = asker->caller.id, .report_data = asker->report_data,
		.program = &program,
	};
	struct libdstack_failure why;

	assert_int_equal(asker->err, 0);
	assert_int_equal(asker->quote.len, DSTACK_REPORT_DATA_SIZE);
	assert_int_equal(libdstack_batch_check(&asker->part, &wanted,
					       asker->quote.data, &why), 0);
	libdstack_quote_free(&asker->quote);
}

static void asks(size_t i, const char *id, int64_t patience)
{
	askers[i] = asker(id, (uint8_t)i, patience);
	begin(&askers[i], ask_batch);
}

static void who_comes_alone_does_not_wait_for_others(void **state)
{
	(void)state;
	start_quotes(0, 0);
	asks(0, "a", PATIENCE);
	end(&askers[0]);
	assert_int_equal(askers[0].part.count, 1);
	assert_true(askers[0].took_ms < 1000);
	assert_part(&askers[0]);
	assert_int_equal(stop_quotes(), 0);
}

static void who_comes_meanwhile_shares_the_next_quote(void **state)
{
	char id[16];
	size_t i;

	(void)state;
	start_quotes(0, 0);
	held = 1;
	asks(0, "first", PATIENCE);
	wait_until_asking();
	for (i = 1; i < MANY; i++) {
		snprintf(id, sizeof(id), "c%zu", i % 7);
		asks(i, id, PATIENCE);
	}
	wait_until_waiting(MANY);
	held = 0;
	for (i = 0; i < MANY; i++) {
		end(&askers[i]);
		assert_int_equal(askers[i].part.count, i ? MANY - 1 : 1);
		assert_part(&askers[i]);
	}
	assert_int_equal(made, 2);
	agent_quotes_stats(agent.quotes, &stats);
	assert_int_equal(stats.made, 2);
	assert_int_equal(stats.batched, MANY);
	assert_int_equal(stop_quotes(), 0);
}

static void attack_49_part_has_the_callers_id_and_a_salt(void **state)
{
	size_t i, k;

	(void)state;
	start_quotes(0, 0);
	held = 1;
	asks(0, "a", PATIENCE);
	wait_until_asking();
	for (i = 1; i < 8; i++)
		asks(i, i % 2 ? "a" : "b", PATIENCE);
	wait_until_waiting(8);
	held = 0;
	for (i = 0; i < 8; i++) {
		end(&askers[i]);
		assert_string_equal(askers[i].part.id, i % 2 || !i ? "a" : "b");
		for (k = 0; k < i; k++)
			assert_memory_not_equal(askers[i].part.salt,
						askers[k].part.salt,
						LIBDSTACK_BATCH_SALT);
	}
	for (i = 0; i < 8; i++)
		assert_part(&askers[i]);
	assert_int_equal(stop_quotes(), 0);
}

static void container_pays_once_for_a_batch(void **state)
{
	struct asker more;
	size_t i;

	(void)state;
	start_quotes(1, 2);
	held = 1;
	asks(0, "a", PATIENCE);
	wait_until_asking();
	for (i = 1; i < 20; i++)
		asks(i, i % 2 ? "a" : "b", PATIENCE);
	wait_until_waiting(20);
	/* Of two tokens "a" has used both, and "b" one. */
	more = asker("a", 1, PATIENCE);
	ask(&more);
	assert_int_equal(more.err, -EDQUOT);
	held = 0;
	for (i = 0; i < 20; i++) {
		end(&askers[i]);
		assert_part(&askers[i]);
	}
	more = asker("b", 1, PATIENCE);
	ask_batch(&more);
	assert_part(&more);
	ask_batch(&more);
	assert_int_equal(more.err, -EDQUOT);
	assert_int_equal(more.error.status, 429);
	assert_int_equal(stop_quotes(), 0);
}

static void batches_and_quotes_take_turns(void **state)
{
	static struct asker flood[MANY];
	size_t i;

	(void)state;
	start_quotes(0, 0);
	held = 1;
	flood[0] = asker("flood", 'f', PATIENCE);
	begin(&flood[0], ask);
	wait_until_asking();
	for (i = 1; i < MANY; i++) {
		flood[i] = asker("flood", 'f', PATIENCE);
		begin(&flood[i], ask);
	}
	wait_until_waiting(MANY);
	for (i = 0; i < MANY; i++)
		asks(i, "b", PATIENCE);
	wait_until_waiting(2 * MANY);
	held = 0;
	for (i = 0; i < MANY; i++) {
		end(&askers[i]);
		assert_part(&askers[i]);
		end(&flood[i]);
		assert_int_equal(flood[i].err, 0);
		libdstack_quote_free(&flood[i].quote);
	}
	assert_int_equal(made, MANY + 1);
	assert_memory_equal(order, "ff" LIBDSTACK_BATCH_TAG, 3);
	assert_int_equal(stop_quotes(), 0);
}

static void who_has_no_time_left_leaves_the_others(void **state)
{
	size_t i;

	(void)state;
	start_quotes(0, 0);
	held = 1;
	asks(0, "a", PATIENCE);
	wait_until_asking();
	for (i = 1; i < 10; i++)
		asks(i, "b", i % 2 ? 1700 : PATIENCE);
	for (i = 1; i < 10; i += 2) {
		end(&askers[i]);
		assert_int_equal(askers[i].err, -ETIMEDOUT);
	}
	held = 0;
	for (i = 0; i < 10; i += 2) {
		end(&askers[i]);
		assert_part(&askers[i]);
	}
	assert_int_equal(made, 2);
	assert_int_equal(stop_quotes(), 0);
}

static void batch_that_all_have_left_is_not_made(void **state)
{
	size_t i;

	(void)state;
	start_quotes(0, 0);
	held = 1;
	asks(0, "a", PATIENCE);
	wait_until_asking();
	for (i = 1; i < 10; i++)
		asks(i, "b", 1700);
	for (i = 1; i < 10; i++) {
		end(&askers[i]);
		assert_int_equal(askers[i].err, -ETIMEDOUT);
	}
	asks(1, "b", PATIENCE);
	wait_until_waiting(2);
	held = 0;
	end(&askers[0]);
	assert_part(&askers[0]);
	end(&askers[1]);
	assert_int_equal(askers[1].part.count, 1);
	assert_part(&askers[1]);
	assert_int_equal(made, 2);
	assert_int_equal(stop_quotes(), 0);
}

static void policy_that_changes_meanwhile_is_the_quotes(void **state)
{
	(void)state;
	start_quotes(0, 0);
	epoch = 3;
	held = 1;
	asks(0, "a", PATIENCE);
	wait_until_asking();
	epoch = 4;
	held = 0;
	end(&askers[0]);
	assert_int_equal(askers[0].part.epoch, 4);
	assert_part(&askers[0]);
	assert_int_equal(stop_quotes(), 0);
}

/* A program that the kernel does not see as ours. */
static int vouch_for_another(struct dstack_digest *digest, uint64_t *now)
{
	*digest = program;
	digest->value[0]++;
	*now = epoch;
	return 0;
}

static void quote_that_does_not_fit_is_not_given(void **state)
{
	const struct agent_quote_config config = {
		.open = open_nothing, .get = get_quote,
		.vouch = vouch_for_another,
	};
	struct asker a = asker("a", 1, PATIENCE);

	(void)state;
	assert_int_equal(agent_quotes_open(&agent.quotes, &config), 0);
	ask_batch(&a);
	assert_int_equal(a.err, -EAGAIN);
	assert_null(a.quote.data);
	agent_quotes_stats(agent.quotes, &stats);
	assert_int_equal(stats.failed, 1);
	assert_int_equal(stop_quotes(), 0);
}

static void failure_is_told_to_all_who_share_it(void **state)
{
	size_t i;

	(void)state;
	start_quotes(0, 0);
	held = 1;
	asks(0, "a", PATIENCE);
	wait_until_asking();
	for (i = 1; i < 10; i++)
		asks(i, "b", PATIENCE);
	wait_until_waiting(10);
	failure = -EACCES;
	failures = 2;
	held = 0;
	for (i = 0; i < 10; i++) {
		end(&askers[i]);
		assert_int_equal(askers[i].err, -EACCES);
		assert_non_null(strstr(askers[i].error.text, "this agent"));
	}
	assert_int_equal(stop_quotes(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_comes_alone_does_not_wait_for_others),
		cmocka_unit_test(who_comes_meanwhile_shares_the_next_quote),
		cmocka_unit_test(attack_49_part_has_the_callers_id_and_a_salt),
		cmocka_unit_test(container_pays_once_for_a_batch),
		cmocka_unit_test(batches_and_quotes_take_turns),
		cmocka_unit_test(who_has_no_time_left_leaves_the_others),
		cmocka_unit_test(batch_that_all_have_left_is_not_made),
		cmocka_unit_test(policy_that_changes_meanwhile_is_the_quotes),
		cmocka_unit_test(quote_that_does_not_fit_is_not_given),
		cmocka_unit_test(failure_is_told_to_all_who_share_it),
	};

	return cmocka_run_group_tests_name("agent_batch", tests, NULL, NULL);
}
