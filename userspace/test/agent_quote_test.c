// SPDX-License-Identifier: MIT
/*
 * Quotes: each caller gets its own or a reason in time, whatever the host does
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../agent/rate.h"
#include "agent_quote_fixture.h"

#define PATIENCE	10000	/* ms */
#define MANY		40

static struct agent_quote_stats stats;

static void ask_now(struct asker *asker)
{
	ask(asker);
	libdstack_quote_free(&asker->quote);
}

static void caller_gets_the_quote_that_it_asked_for(void **state)
{
	struct asker a = asker("a", 7, PATIENCE);

	(void)state;
	start_quotes(0, 0);
	ask(&a);
	assert_int_equal(a.err, 0);
	assert_memory_equal(a.quote.data, a.report_data,
			    DSTACK_REPORT_DATA_SIZE);
	libdstack_quote_free(&a.quote);
	agent_quotes_stats(agent.quotes, &stats);
	assert_int_equal(stats.made, 1);
	assert_int_equal(stop_quotes(), 0);
}

static void what_may_pass_is_tried_again(void **state)
{
	static const int passing[] = {
		-EAGAIN, -EBUSY, -EINTR, -ETIMEDOUT, -EIO
	};
	struct asker a;
	size_t i;

	(void)state;
	start_quotes(0, 0);
	for (i = 0; i < sizeof(passing) / sizeof(*passing); i++) {
		failure = passing[i];
		failures = 2;
		a = asker("a", 1, PATIENCE);
		ask_now(&a);
		assert_int_equal(a.err, 0);
	}
	agent_quotes_stats(agent.quotes, &stats);
	assert_int_equal(stats.made, 5);
	assert_int_equal(stats.retries, 10);
	assert_int_equal(stats.failed, 0);
	assert_int_equal(stop_quotes(), 0);
}

static void what_will_not_pass_is_told_at_once(void **state)
{
	struct asker a = asker("a", 1, PATIENCE);

	(void)state;
	start_quotes(0, 0);
	failure = -EACCES;
	failures = 1;
	ask_now(&a);
	assert_int_equal(a.err, -EACCES);
	assert_non_null(strstr(a.error.text, DSTACK_BOUND_TAG));
	failure = -EIO;
	failures = 3;
	ask_now(&a);
	assert_int_equal(a.err, -EIO);
	assert_non_null(strstr(a.error.text, "refused"));
	assert_true(a.took_ms < 1000);
	agent_quotes_stats(agent.quotes, &stats);
	assert_int_equal(stats.failed, 2);
	assert_int_equal(stop_quotes(), 0);
}

/* Before the deadline, with what is stuck; and then all is as it was. */
static void silent_host_is_told_in_time(void **state)
{
	static struct asker askers[MANY];
	struct asker late;
	int i;

	(void)state;
	start_quotes(0, 0);
	held = 1;
	for (i = 0; i < MANY; i++) {
		askers[i] = asker(i % 2 ? "a" : "b", 1, 2500);
		begin(&askers[i], ask);
	}
	for (i = 0; i < MANY; i++) {
		end(&askers[i]);
		assert_int_equal(askers[i].err, -ETIMEDOUT);
		assert_int_equal(askers[i].error.status, 504);
		assert_true(askers[i].error.retry_after > 0);
		assert_true(askers[i].took_ms < 2500);
		assert_non_null(strstr(askers[i].error.text,
				       "has not answered a request"));
	}
	agent_quotes_stats(agent.quotes, &stats);
	assert_int_equal(stats.timed_out, MANY);
	assert_int_equal(stats.waiting, 0);
	/* Never more than one request. */
	assert_int_equal(asking, 1);
	held = 0;
	late = asker("a", 1, PATIENCE);
	ask_now(&late);
	assert_int_equal(late.err, 0);
	/* What nobody waited for was not asked for, but for the first. */
	assert_int_equal(made, 2);
	assert_int_equal(stop_quotes(), 0);
}

static void host_that_stays_busy_is_told_with_why(void **state)
{
	struct asker a = asker("a", 1, 2500);

	(void)state;
	start_quotes(0, 0);
	failure = -EBUSY;
	failures = 1000;
	ask_now(&a);
	assert_int_equal(a.err, -ETIMEDOUT);
	assert_non_null(strstr(a.error.text, strerror(EBUSY)));
	assert_true(a.took_ms < 2500);
	failures = 0;
	a = asker("a", 1, PATIENCE);
	ask_now(&a);
	assert_int_equal(a.err, 0);
	assert_int_equal(stop_quotes(), 0);
}

static void host_that_is_long_silent_is_told_at_once(void **state)
{
	struct asker first = asker("a", 1, 2 * PATIENCE);
	struct asker a;

	(void)state;
	start_quotes(0, 0);
	held = 1;
	begin(&first, ask);
	sleep_ms(5100);
	a = asker("a", 1, PATIENCE);
	ask_now(&a);
	assert_int_equal(a.err, -ETIMEDOUT);
	assert_int_equal(a.error.status, 503);
	assert_true(a.took_ms < 500);
	held = 0;
	end(&first);
	assert_int_equal(first.err, 0);
	libdstack_quote_free(&first.quote);
	assert_int_equal(stop_quotes(), 0);
}

/* The quotes of three callers take turns, however many one asks for. */
static void callers_take_turns(void **state)
{
	static struct asker askers[1 + MANY + 4];
	int i, nr = 1 + MANY + 4;

	(void)state;
	start_quotes(0, 0);
	held = 1;
	askers[0] = asker("flood", 'f', PATIENCE);
	begin(&askers[0], ask);
	wait_until_asking();
	for (i = 1; i < nr; i++) {
		if (i <= MANY)
			askers[i] = asker("flood", 'f', PATIENCE);
		else
			askers[i] = asker(i % 2 ? "x" : "y", i % 2 ? 'x' : 'y',
					  PATIENCE);
		begin(&askers[i], ask);
		wait_until_waiting(i + 1);
	}
	held = 0;
	for (i = 0; i < nr; i++) {
		end(&askers[i]);
		assert_int_equal(askers[i].err, 0);
		libdstack_quote_free(&askers[i].quote);
	}
	assert_int_equal(made, nr);
	assert_memory_equal(order, "ffxyfxyfff", 10);
	assert_int_equal(stop_quotes(), 0);
}

static void who_asks_too_often_is_told_when_to_ask_again(void **state)
{
	struct asker a = asker("a", 1, PATIENCE), b = asker("b", 1, PATIENCE);
	int i;

	(void)state;
	start_quotes(1, 5);
	for (i = 0; i < 5; i++) {
		ask_now(&a);
		assert_int_equal(a.err, 0);
	}
	ask_now(&a);
	assert_int_equal(a.err, -EDQUOT);
	assert_int_equal(a.error.status, 429);
	assert_int_equal(a.error.retry_after, 1);
	assert_non_null(strstr(a.error.text, "container 'a'"));
	ask_now(&b);
	assert_int_equal(b.err, 0);
	agent_quotes_stats(agent.quotes, &stats);
	assert_int_equal(stats.limited, 1);
	assert_int_equal(stats.made, 6);
	assert_int_equal(stop_quotes(), 0);
}

static void rate_and_burst_are_kept_to_the_millisecond(void **state)
{
	struct agent_rate *rate;
	int64_t now = 1000000;
	int i, had = 0;

	(void)state;
	assert_int_equal(agent_rate_open(&rate, 4, 10), 0);
	for (i = 0; i < 10; i++)
		assert_int_equal(agent_rate_take(rate, "a", now), 0);
	assert_int_equal(agent_rate_take(rate, "a", now), 250);
	assert_int_equal(agent_rate_take(rate, "a", now + 249), 1);
	assert_int_equal(agent_rate_take(rate, "a", now + 250), 0);
	/* As fast as may be, for a hundred seconds. */
	for (i = 251; i <= 100250; i++)
		had += !agent_rate_take(rate, "a", now + i);
	assert_int_equal(had, 400);
	/* A clock that does not go on, or far, does no harm. */
	assert_true(agent_rate_take(rate, "a", now) > 0);
	for (i = 0; i < 10; i++)
		assert_int_equal(agent_rate_take(rate, "a", INT64_MAX / 2), 0);
	assert_true(agent_rate_take(rate, "a", INT64_MAX / 2) > 0);
	agent_rate_close(rate);
}

static void table_of_containers_is_bounded(void **state)
{
	struct agent_rate *rate;
	char id[16];
	int i;

	(void)state;
	assert_int_equal(agent_rate_open(&rate, 1, 1), 0);
	assert_int_equal(agent_rate_take(rate, "kept", 0), 0);
	for (i = 0; i < 2 * AGENT_RATE_CONTAINERS; i++) {
		snprintf(id, sizeof(id), "c%d", i);
		assert_int_equal(agent_rate_take(rate, id, 0), 0);
		/* Who goes on asking is not forgotten. */
		assert_true(agent_rate_take(rate, "kept", 0) > 0);
	}
	agent_rate_close(rate);
	assert_int_equal(agent_rate_open(&rate, 0, 1), 0);
	for (i = 0; i < 1000; i++)
		assert_int_equal(agent_rate_take(rate, "a", 0), 0);
	agent_rate_close(rate);
}

static void end_does_not_wait_for_the_host(void **state)
{
	struct asker a = asker("a", 1, 1600);

	(void)state;
	start_quotes(0, 0);
	held = 1;
	ask_now(&a);
	assert_int_equal(a.err, -ETIMEDOUT);
	assert_int_equal(agent_quotes_close(agent.quotes), -EBUSY);
	/* As the process goes on, its thread must be seen off. */
	held = 0;
	while (agent_quotes_close(agent.quotes))
		sleep_ms(10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(caller_gets_the_quote_that_it_asked_for),
		cmocka_unit_test(what_may_pass_is_tried_again),
		cmocka_unit_test(what_will_not_pass_is_told_at_once),
		cmocka_unit_test(silent_host_is_told_in_time),
		cmocka_unit_test(host_that_stays_busy_is_told_with_why),
		cmocka_unit_test(host_that_is_long_silent_is_told_at_once),
		cmocka_unit_test(callers_take_turns),
		cmocka_unit_test(who_asks_too_often_is_told_when_to_ask_again),
		cmocka_unit_test(rate_and_burst_are_kept_to_the_millisecond),
		cmocka_unit_test(table_of_containers_is_bounded),
		cmocka_unit_test(end_does_not_wait_for_the_host),
	};

	return cmocka_run_group_tests_name("agent_quote", tests, NULL, NULL);
}
