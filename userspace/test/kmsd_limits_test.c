// SPDX-License-Identifier: MIT
/*
 * Whom a KMS slows down
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../kmsd/kmsd.h"

#define BURST	3

static struct limits *limits;

static int setup(void **state)
{
	static const struct kmsd_options options = {
		.rate = 1, .burst = BURST, .request_rate = 1,
		.request_burst = BURST,
	};

	(void)state;
	return limits_open(&options, &limits);
}

static int teardown(void **state)
{
	(void)state;
	limits_close(limits);
	return 0;
}

static void use_up(const char *id)
{
	int i;

	for (i = 0; i < BURST; i++)
		assert_int_equal(limits_take(limits, LIMIT_REQUESTS, id), 0);
	assert_true(limits_take(limits, LIMIT_REQUESTS, id) > 0);
}

static void addresses_are_told_apart(void **state)
{
	(void)state;
	use_up("(192.0.2.1)");
	use_up("(192.0.2.2)");
	use_up("(::ffff:192.0.2.1)");
	use_up("(::ffff:192.0.2.2)");
}

static void addresses_of_one_ipv6_network_are_one(void **state)
{
	(void)state;
	use_up("(2001:db8:0:1::1)");
	assert_true(limits_take(limits, LIMIT_REQUESTS,
				"(2001:db8:0:1:ffff::2)") > 0);
	use_up("(2001:db8:0:2::1)");
}

static void kinds_are_told_apart(void **state)
{
	(void)state;
	use_up("(192.0.2.1)");
	assert_int_equal(limits_take(limits, LIMIT_EVIDENCE, "(192.0.2.1)"), 0);
	assert_true(limits_allow(limits, LIMIT_CONNECTIONS, "(192.0.2.1)"));
}

static void asking_whether_takes_nothing(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 2 * BURST; i++)
		assert_true(limits_allow(limits, LIMIT_REQUESTS,
					 "(192.0.2.1)"));
	use_up("(192.0.2.1)");
	assert_false(limits_allow(limits, LIMIT_REQUESTS, "(192.0.2.1)"));
}

/* In whole seconds, as RFC 9110 has them in 10.2.3. */
static void who_comes_too_soon_is_told_when_to_come_again(void **state)
{
	struct kmsd kmsd = { .limits = limits };
	unsigned int retry_after = 0;
	int i;

	(void)state;
	for (i = 0; i < BURST; i++)
		assert_int_equal(limits_status(&kmsd, LIMIT_EVIDENCE,
					       "(192.0.2.1)", &retry_after), 0);
	assert_int_equal(retry_after, 0);
	assert_int_equal(kmsd.counters.limited, 0);
	assert_int_equal(limits_status(&kmsd, LIMIT_EVIDENCE, "(192.0.2.1)",
				       &retry_after), 429);
	assert_in_range(retry_after, 1, 2);
	assert_int_equal(kmsd.counters.limited, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(addresses_are_told_apart),
		TEST(addresses_of_one_ipv6_network_are_one),
		TEST(kinds_are_told_apart),
		TEST(asking_whether_takes_nothing),
		TEST(who_comes_too_soon_is_told_when_to_come_again),
	};

	return cmocka_run_group_tests_name("kmsd_limits", tests, NULL, NULL);
}
