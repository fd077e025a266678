// SPDX-License-Identifier: MIT
/*
 * What a light client believes comes back as it was, or not at all
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kms_state_fixture.h"

#define ROOM	65536

static struct state *open_state;
static uint8_t believed[49000], got[ROOM], file[FILE_MAX];

static int set_up(void **st)
{
	size_t i;

	(void)st;
	state_begin();
	memset(seal_key, 1, sizeof(seal_key));
	for (i = 0; i < sizeof(believed); i++)
		believed[i] = (uint8_t)(i * 7);
	assert_int_equal(create(&open_state), 0);
	return 0;
}

static int tear_down(void **st)
{
	(void)st;
	state_close(open_state);
	open_state = NULL;
	state_end();
	return 0;
}

static int keep(size_t len)
{
	return state_keep_light(open_state, &seal_of_tests, believed, len);
}

static int load(size_t *len)
{
	*len = sizeof(got);
	return state_load_light(open_state, &seal_of_tests, got, len);
}

static void assert_kept(size_t len)
{
	size_t n;

	assert_int_equal(load(&n), 0);
	assert_int_equal(n, len);
	assert_memory_equal(got, believed, len);
}

static void assert_not_given(int err)
{
	size_t n;

	assert_int_equal(load(&n), err);
}

static void it_comes_back_at_the_next_start(void **st)
{
	uint64_t generation = state_generation(open_state);
	struct stat file_stat;

	(void)st;
	assert_not_given(-ENOENT);
	assert_int_equal(keep(sizeof(believed)), 0);
	assert_kept(sizeof(believed));
	assert_int_equal(keep(100), 0);
	assert_int_equal(state_close(open_state), 0);
	assert_int_equal(state_open(&options, &open_state), 0);
	assert_kept(100);
	/* The state is not written for it. */
	assert_int_equal(state_generation(open_state), generation);
	assert_int_equal(stat(path_of("light-client"), &file_stat), 0);
	assert_int_equal(file_stat.st_mode & 07777, 0600);
}

/* The host has the disk. */
static void attack_79_what_was_changed_is_not_given(void **st)
{
	size_t len, i;

	(void)st;
	assert_int_equal(keep(200), 0);
	len = load_file("light-client", file);
	for (i = 0; i < len; i++) {
		file[i] ^= 1;
		put_file("light-client", file, len);
		assert_not_given(-EBADMSG);
		file[i] ^= 1;
	}
	put_file("light-client", file, len - 1);
	assert_not_given(-EBADMSG);
	put_file("light-client", file, 0);
	assert_not_given(-EBADMSG);
	put_file("light-client", file, len);
	assert_kept(200);
}

static void attack_79_what_another_machine_sealed_is_not_given(void **st)
{
	(void)st;
	seal_key[0] = 2;
	assert_int_equal(keep(200), 0);
	seal_key[0] = 1;
	assert_not_given(-EBADMSG);
}

/* Others may read it, or it leads elsewhere. */
static void file_of_others_is_not_given(void **st)
{
	(void)st;
	assert_int_equal(keep(200), 0);
	assert_int_equal(chmod(path_of("light-client"), 0644), 0);
	assert_not_given(-EPERM);
	assert_int_equal(unlink(path_of("light-client")), 0);
	assert_int_equal(symlink("state", path_of("light-client")), 0);
	assert_not_given(-EPERM);
	/* A new one takes its place, and not that of what it leads to. */
	assert_int_equal(keep(300), 0);
	assert_kept(300);
	assert_int_equal(state_close(open_state), 0);
	assert_int_equal(state_open(&options, &open_state), 0);
}

static void what_is_too_large_is_refused(void **st)
{
	size_t n = 10;

	(void)st;
	assert_int_equal(keep(PLAIN_MAX + 1), -EINVAL);
	assert_int_equal(keep(11), 0);
	assert_int_not_equal(state_load_light(open_state, &seal_of_tests, got,
					      &n), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_comes_back_at_the_next_start),
		TEST(attack_79_what_was_changed_is_not_given),
		TEST(attack_79_what_another_machine_sealed_is_not_given),
		TEST(file_of_others_is_not_given),
		TEST(what_is_too_large_is_refused),
	};

	return cmocka_run_group_tests_name("kms_state_light", tests, NULL,
					   NULL);
}
