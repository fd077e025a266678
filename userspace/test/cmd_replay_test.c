// SPDX-License-Identifier: MIT
/*
 * dstackctl replay prints what the library computes, and compares
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../dstackctl/common.c"
#include "../dstackctl/cmd_replay.c"
#include "cmd_fixture.h"
#include "event.h"

static char log_file[] = "/tmp/dstack-replay-XXXXXX";
static char before_last[2 * DSTACK_REGISTER_SIZE + 1];
static char after[2 * DSTACK_REGISTER_SIZE + 1];

static int setup(void **state)
{
	uint8_t value[DSTACK_REGISTER_SIZE] = { 0 };
	uint8_t digest[DSTACK_REGISTER_SIZE];
	FILE *out = fdopen(mkstemp(log_file), "w");
	char *line;
	int i;

	(void)state;
	for (i = 0; i < 3; i++) {
		libdstack_to_hex(value, sizeof(value), before_last);
		if (dstack_event_digest("a", 1, &i, sizeof(i), digest) ||
		    dstack_event_fold(value, digest) ||
		    libdstack_event_to_json("a", 1, &i, sizeof(i), digest,
					    &line))
			return -1;
		fputs(line, out);
		free(line);
	}
	libdstack_to_hex(value, sizeof(value), after);
	return fclose(out);
}

static int teardown(void **state)
{
	(void)state;
	return unlink(log_file);
}

static int replay_with(const char *more)
{
	char args[1024];

	snprintf(args, sizeof(args), "%s %s", log_file, more);
	return run(cmd_replay, "replay", args);
}

static void whole_log_is_replayed(void **state)
{
	(void)state;
	assert_int_equal(replay_with(""), EXIT_SUCCESS);
	assert_memory_equal(output, after, strlen(after));
	assert_string_equal(output + strlen(after), "\n");
	assert_int_equal(replay_with("--json"), EXIT_SUCCESS);
	assert_says("\"events\": 3");
	assert_says(after);
}

static void count_ends_the_replay(void **state)
{
	(void)state;
	assert_int_equal(replay_with("--count 2"), EXIT_SUCCESS);
	assert_says(before_last);
	assert_int_equal(replay_with("--count 0"), EXIT_SUCCESS);
	assert_int_equal(strspn(output, "0"), strlen(after));
	assert_int_equal(replay_with("--count 4"), EXIT_FAILURE);
}

static void base_is_where_the_replay_starts(void **state)
{
	char more[256];

	(void)state;
	snprintf(more, sizeof(more), "--count 0 --base %s", after);
	assert_int_equal(replay_with(more), EXIT_SUCCESS);
	assert_says(after);
}

static void other_register_than_expected_fails(void **state)
{
	char more[256];

	(void)state;
	snprintf(more, sizeof(more), "--json --expect %s", after);
	assert_int_equal(replay_with(more), EXIT_SUCCESS);
	assert_says("\"as_expected\": true");
	snprintf(more, sizeof(more), "--json --expect %s", before_last);
	assert_int_equal(replay_with(more), EXIT_FAILURE);
	assert_says("\"as_expected\": false");
}

static void wrong_use_is_told_from_refusal(void **state)
{
	static const char * const wrong[] = {
		"", "a b", "a --expect 00", "a --base zz", "a --count -1",
		"a --count", "a --unknown",
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(run(cmd_replay, "replay", wrong[i]),
				 EXIT_USAGE);
	assert_int_equal(run(cmd_replay, "replay", "--help"), EXIT_SUCCESS);
	assert_int_equal(run(cmd_replay, "replay", "/nonexistent"),
			 EXIT_FAILURE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_log_is_replayed),
		cmocka_unit_test(count_ends_the_replay),
		cmocka_unit_test(base_is_where_the_replay_starts),
		cmocka_unit_test(other_register_than_expected_fails),
		cmocka_unit_test(wrong_use_is_told_from_refusal),
	};

	return cmocka_run_group_tests_name("cmd_replay", tests, setup,
					   teardown);
}
