// SPDX-License-Identifier: MIT
/*
 * An instance that has its keys on two machines is noticed, or refused
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

#include "../kmsd/leases.h"

#define NOW	1000000
#define LEASE_S	600

static struct leases *leases;
static struct lease_moved moved;

static int setup(void **state)
{
	(void)state;
	return leases_open(LEASE_S, &leases);
}

static int teardown(void **state)
{
	(void)state;
	leases_close(leases);
	return 0;
}

static int take(uint32_t instance, uint8_t device, uint64_t now)
{
	struct auth_boot boot = { .instance_id.len = 20 };
	uint8_t machine[LEASES_MACHINE] = { device };

	memcpy(boot.instance_id.data, &instance, sizeof(instance));
	return leases_take(leases, &boot, machine, now, &moved);
}

static void same_machine_has_its_keys_again(void **state)
{
	(void)state;
	assert_int_equal(take(1, 1, NOW), 0);
	assert_int_equal(take(1, 1, NOW), 0);
	assert_false(moved.moved);
	assert_int_equal(take(1, 1, NOW + 1), 0);
	assert_int_equal(take(2, 2, NOW), 0);
	assert_false(moved.moved);
}

static void attack_59_another_machine_has_none_meanwhile(void **state)
{
	(void)state;
	assert_int_equal(take(1, 1, NOW), 0);
	assert_int_equal(take(1, 2, NOW + LEASE_S - 1), -EBUSY);
	assert_int_equal(moved.seconds, LEASE_S - 1);
	assert_int_equal(take(1, 1, NOW + LEASE_S - 1), 0);
	assert_int_equal(take(1, 2, NOW + LEASE_S), -EBUSY);
}

static void attack_59_is_noticed_later(void **state)
{
	(void)state;
	assert_int_equal(take(1, 1, NOW), 0);
	assert_int_equal(take(1, 2, NOW + LEASE_S), 0);
	assert_true(moved.moved);
	assert_int_equal(moved.machine[0], 1);
	assert_int_equal(moved.seconds, LEASE_S);
	assert_int_equal(take(1, 1, NOW + LEASE_S + 1), -EBUSY);
}

static void clock_set_back_ends_no_lease(void **state)
{
	(void)state;
	assert_int_equal(take(1, 1, NOW), 0);
	assert_int_equal(take(1, 2, NOW - 2 * LEASE_S), -EBUSY);
}

static void without_a_lease_it_is_only_noticed(void **state)
{
	(void)state;
	leases_close(leases);
	assert_int_equal(leases_open(0, &leases), 0);
	assert_int_equal(take(1, 1, NOW), 0);
	assert_int_equal(take(1, 2, NOW), 0);
	assert_true(moved.moved);
}

static void who_has_no_instance_id_is_not_looked_at(void **state)
{
	struct auth_boot boot = { .instance_id.len = 0 };
	uint8_t machine[LEASES_MACHINE] = { 0 };

	(void)state;
	assert_int_equal(leases_take(leases, &boot, machine, NOW,
				     &moved), 0);
	machine[0] = 1;
	assert_int_equal(leases_take(leases, &boot, machine, NOW,
				     &moved), 0);
	assert_false(moved.moved);
}

static void the_oldest_makes_room(void **state)
{
	uint32_t i;

	(void)state;
	for (i = 0; i <= LEASES_MAX; i++)
		assert_int_equal(take(i, 1, NOW), 0);
	assert_int_equal(take(1, 2, NOW), -EBUSY);
	assert_int_equal(take(0, 2, NOW), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(same_machine_has_its_keys_again),
		TEST(attack_59_another_machine_has_none_meanwhile),
		TEST(attack_59_is_noticed_later),
		TEST(clock_set_back_ends_no_lease),
		TEST(without_a_lease_it_is_only_noticed),
		TEST(who_has_no_instance_id_is_not_looked_at),
		TEST(the_oldest_makes_room),
	};

	return cmocka_run_group_tests_name("kmsd_leases", tests, NULL, NULL);
}
