// SPDX-License-Identifier: MIT
/*
 * The event log that goes with a quote: so many events, no more and no less
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../attest/attest.h"

static char path[] = "/tmp/attest-log-XXXXXX";
static char *text;

/* The file's content from now on. */
static void keep(const char *lines)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(lines, file);
	assert_int_equal(fclose(file), 0);
}

static int setup(void **state)
{
	(void)state;
	free(text);
	text = NULL;
	keep("{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n");
	return 0;
}

static void events_that_the_quote_covers_are_given(void **state)
{
	(void)state;
	assert_int_equal(attest_log_text(path, 2, &text), 0);
	assert_string_equal(text, "[{\"a\":1},{\"b\":2}]");
	free(text);
	assert_int_equal(attest_log_text(path, 3, &text), 0);
	assert_string_equal(text, "[{\"a\":1},{\"b\":2},{\"c\":3}]");
}

static void log_without_events_is_an_empty_array(void **state)
{
	(void)state;
	assert_int_equal(attest_log_text(path, 0, &text), 0);
	assert_string_equal(text, "[]");
}

static void *store_late(void *arg)
{
	(void)arg;
	usleep(200000);
	keep("{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n{\"d\":4}\n");
	return NULL;
}

static void event_that_dstackd_is_about_to_store_is_waited_for(void **state)
{
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, store_late, NULL), 0);
	assert_int_equal(attest_log_text(path, 4, &text), 0);
	pthread_join(thread, NULL);
	assert_string_equal(text,
			    "[{\"a\":1},{\"b\":2},{\"c\":3},{\"d\":4}]");
}

static void event_that_nobody_stores_is_missed(void **state)
{
	(void)state;
	assert_int_equal(attest_log_text(path, 4, &text), -EAGAIN);
}

static void half_a_line_is_no_event(void **state)
{
	(void)state;
	keep("{\"a\":1}\n{\"b\":");
	assert_int_equal(attest_log_text(path, 2, &text), -EAGAIN);
	assert_int_equal(attest_log_text(path, 1, &text), 0);
	assert_string_equal(text, "[{\"a\":1}]");
}

static void log_of_more_than_8_mib_is_refused(void **state)
{
	FILE *file = fopen(path, "w");
	int i;

	(void)state;
	for (i = 0; i < 9000; i++)
		fprintf(file, "%01023d\n", i);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(attest_log_text(path, 9000, &text),
			 -EFBIG);
	/* What is behind the quote's events does not count. */
	assert_int_equal(attest_log_text(path, 8000, &text), 0);
	assert_int_equal(strlen(text), 8000 * 1024 + 1);
}

static void log_that_is_not_there_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(attest_log_text("/nonexistent/log", 1, &text),
			 -ENOENT);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(events_that_the_quote_covers_are_given),
		TEST(log_without_events_is_an_empty_array),
		TEST(event_that_dstackd_is_about_to_store_is_waited_for),
		TEST(event_that_nobody_stores_is_missed),
		TEST(half_a_line_is_no_event),
		TEST(log_of_more_than_8_mib_is_refused),
		TEST(log_that_is_not_there_is_an_error),
	};
	int failed, fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	failed = cmocka_run_group_tests_name("attest_log", tests, NULL, NULL);
	free(text);
	unlink(path);
	return failed;
}
