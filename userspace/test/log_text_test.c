// SPDX-License-Identifier: MIT
/*
 * What 'dstackctl log' shows of events whose text a container chose
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../dstackctl/common.c" /* NOLINT(bugprone-suspicious-include) */
#include "../dstackctl/cmd_log.c" /* NOLINT(bugprone-suspicious-include) */

static char *shown;

/* What print_log() prints of one event, in shown. */
static void show(const char *name, const char *payload, bool intact,
		 bool json)
{
	struct libdstack_event event = {
		.name = (char *)name,
		.payload = (uint8_t *)payload,
		.payload_len = strlen(payload),
	};
	struct libdstack_log log = { .events = &event, .count = 1 };
	struct options opt = { .json = json };
	FILE *saved = stdout;
	size_t size;

	assert_int_equal(dstack_event_digest(name, strlen(name), payload,
					     strlen(payload), event.digest),
			 0);
	event.digest[0] ^= !intact;
	stdout = open_memstream(&shown, &size);
	assert_non_null(stdout);
	assert_int_equal(print_log(&log, 7, &opt), EXIT_SUCCESS);
	fclose(stdout);
	stdout = saved;
}

static int teardown(void **state)
{
	(void)state;
	free(shown);
	shown = NULL;
	return 0;
}

static void fields_are_shown_in_order(void **state)
{
	(void)state;
	show("dstack.state", "v=1 from=off to=measure", true, false);
	assert_string_equal(shown,
			    "     7 dstack.state from=off to=measure\n");
}

static void one_field_cannot_look_like_two(void **state)
{
	(void)state;
	show("dstack.user", "v=1 id=web name=x%20data%3D00 data=", true, false);
	assert_string_equal(shown,
			    "     7 dstack.user id=web name=\"x data=00\" data=\"\"\n");
}

static void quote_does_not_end_a_quoted_field(void **state)
{
	(void)state;
	show("dstack.user", "v=1 id=web name=a%20\" data=", true, false);
	assert_string_equal(shown,
			    "     7 dstack.user id=web name=\"a \\\"\" data=\"\"\n");
}

static void terminal_gets_no_control_bytes(void **state)
{
	(void)state;
	show("dstack.user", "v=1 id=web name=%1B[2J%0A%9B data=", true, false);
	assert_string_equal(shown,
			    "     7 dstack.user id=web name=\\x1b[2J\\x0a\\x9b data=\"\"\n");
}

static void boot_event_of_bytes_is_shown_as_hex(void **state)
{
	(void)state;
	show("app-id", "\x01\xff", true, false);
	assert_string_equal(shown, "     7 app-id 01ff\n");
}

static void malformed_kernel_event_is_marked(void **state)
{
	(void)state;
	show("dstack.state", "v=1 from=off", true, false);
	assert_string_equal(shown,
			    "     7 dstack.state (malformed) v=1 from=off\n");
}

static void content_that_was_changed_is_not_shown(void **state)
{
	(void)state;
	show("dstack.state", "v=1 from=off to=measure", false, false);
	assert_null(strstr(shown, "measure"));
	assert_non_null(strstr(shown, "lost or was changed"));
}

static void json_is_what_the_library_writes(void **state)
{
	struct libdstack_log *log;

	(void)state;
	show("dstack.state", "v=1 from=off to=measure", true, true);
	assert_int_equal(libdstack_log_parse(shown, strlen(shown), &log), 0);
	assert_int_equal(log->count, 1);
	assert_string_equal(log->events[0].name, "dstack.state");
	assert_memory_equal(log->events[0].payload, "v=1 from=off to=measure",
			    log->events[0].payload_len);
	libdstack_log_free(log);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(fields_are_shown_in_order),
		TEST(one_field_cannot_look_like_two),
		TEST(quote_does_not_end_a_quoted_field),
		TEST(terminal_gets_no_control_bytes),
		TEST(boot_event_of_bytes_is_shown_as_hex),
		TEST(malformed_kernel_event_is_marked),
		TEST(content_that_was_changed_is_not_shown),
		TEST(json_is_what_the_library_writes),
	};

	return cmocka_run_group_tests_name("log_text", tests, NULL, NULL);
}
