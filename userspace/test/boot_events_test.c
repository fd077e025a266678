// SPDX-License-Identifier: MIT
/*
 * Events of a boot: which are its own, and what is in the place of another
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "../boot/events.h"

static struct boot_events events;

static void add(const char *name, const char *payload)
{
	assert_int_equal(boot_events_add(&events, name, strlen(name), payload,
					 strlen(payload)), 0);
}

static int setup(void **state)
{
	(void)state;
	add("dstack.start", "the kernel's");
	add("system-preparing", "");
	add("app-id", "a");
	add("dstack.exec", "a container's");
	add("app-idx", "somebody's");
	add("compose-hash", "c");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	boot_events_free(&events);
	return events.nr;
}

static int find(size_t at, const char *name, const char *payload)
{
	return boot_events_find(&events, at, name, payload, strlen(payload),
				false);
}

static void only_events_of_a_boot_are_looked_at(void **state)
{
	(void)state;
	assert_int_equal(events.nr, 3);
	assert_string_equal(events.items[2].name, "compose-hash");
}

static void what_is_there_is_found(void **state)
{
	(void)state;
	assert_int_equal(find(0, "system-preparing", ""), 1);
	assert_int_equal(find(1, "app-id", "a"), 1);
	assert_int_equal(find(2, "compose-hash", "c"), 1);
}

static void what_is_not_there_is_to_be_made(void **state)
{
	(void)state;
	assert_int_equal(find(3, "instance-id", ""), 0);
}

static void another_event_in_its_place_is_refused(void **state)
{
	(void)state;
	assert_int_equal(find(0, "app-id", "a"), -EBUSY);
	assert_int_equal(find(1, "app-id", "b"), -EBUSY);
	assert_int_equal(find(1, "app-id", ""), -EBUSY);
	assert_int_equal(find(1, "app-id", "aa"), -EBUSY);
	assert_int_equal(find(0, "system-preparing", "x"), -EBUSY);
}

static void whatever_it_says_it_has_its_place(void **state)
{
	(void)state;
	assert_int_equal(boot_events_find(&events, 1, "app-id", NULL, 0, true),
			 1);
	assert_int_equal(boot_events_find(&events, 1, "os-image-hash", NULL, 0,
					  true), -EBUSY);
	assert_int_equal(boot_events_find(&events, 3, "app-id", NULL, 0, true),
			 0);
}

#define TEST(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(only_events_of_a_boot_are_looked_at),
		TEST(what_is_there_is_found),
		TEST(what_is_not_there_is_to_be_made),
		TEST(another_event_in_its_place_is_refused),
		TEST(whatever_it_says_it_has_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
