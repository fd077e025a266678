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
#include "event.h"

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

/* As who reads it but once. */
static int log_text(const char *name, uint64_t count, char **out)
{
	struct attest_log *log;
	int err;

	assert_int_equal(attest_log_open(name, &log), 0);
	err = attest_log_text(log, count, NULL, out);
	attest_log_close(log);
	return err;
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
	assert_int_equal(log_text(path, 2, &text), 0);
	assert_string_equal(text, "[{\"a\":1},{\"b\":2}]");
	free(text);
	assert_int_equal(log_text(path, 3, &text), 0);
	assert_string_equal(text, "[{\"a\":1},{\"b\":2},{\"c\":3}]");
}

static void log_without_events_is_an_empty_array(void **state)
{
	(void)state;
	assert_int_equal(log_text(path, 0, &text), 0);
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
	assert_int_equal(log_text(path, 4, &text), 0);
	pthread_join(thread, NULL);
	assert_string_equal(text,
			    "[{\"a\":1},{\"b\":2},{\"c\":3},{\"d\":4}]");
}

static void event_that_nobody_stores_is_missed(void **state)
{
	(void)state;
	assert_int_equal(log_text(path, 4, &text), -EAGAIN);
}

static void half_a_line_is_no_event(void **state)
{
	(void)state;
	keep("{\"a\":1}\n{\"b\":");
	assert_int_equal(log_text(path, 2, &text), -EAGAIN);
	assert_int_equal(log_text(path, 1, &text), 0);
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
	assert_int_equal(log_text(path, 9000, &text),
			 -EFBIG);
	/* What is behind the quote's events does not count. */
	assert_int_equal(log_text(path, 8000, &text), 0);
	assert_int_equal(strlen(text), 8000 * 1024 + 1);
}

static void log_that_is_not_there_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(log_text("/nonexistent/log", 1, &text),
			 -ENOENT);
}

/* A line whose digest is all this byte, and what it makes of the register. */
static size_t add(char *lines, uint8_t byte,
		  uint8_t value[DSTACK_REGISTER_SIZE])
{
	uint8_t digest[DSTACK_REGISTER_SIZE];
	char hex[2 * DSTACK_REGISTER_SIZE + 1];

	memset(digest, byte, sizeof(digest));
	assert_int_equal(dstack_event_fold(value, digest), 0);
	libdstack_to_hex(digest, sizeof(digest), hex);
	return sprintf(lines, "{\"digest\":\"%s\"}\n", hex);
}

static struct attest_log *kept;
static uint8_t value[3][DSTACK_REGISTER_SIZE];	/* after each of three */
static char lines[1024], others[1024];

static int setup_kept(void **state)
{
	uint8_t now[DSTACK_REGISTER_SIZE] = { 0 };
	size_t len = 0, i;

	(void)state;
	for (i = 0; i < 3; i++) {
		len += add(lines + len, i, now);
		memcpy(value[i], now, sizeof(now));
	}
	strcpy(others, lines);
	others[20] = 'f';
	keep(lines);
	return attest_log_open(path, &kept);
}

static int teardown_kept(void **state)
{
	(void)state;
	free(text);
	text = NULL;
	attest_log_close(kept);
	return 0;
}

static int kept_text(uint64_t count, const uint8_t *want)
{
	free(text);
	text = NULL;
	return attest_log_text(kept, count, want, &text);
}

static void log_that_explains_the_register_is_given(void **state)
{
	(void)state;
	assert_int_equal(kept_text(2, value[1]), 0);
	assert_int_equal(strlen(text), 2 * strlen(lines) / 3 + 1);
	assert_int_equal(kept_text(3, value[2]), 0);
	/* Whoever has an older quote comes late. */
	assert_int_equal(kept_text(1, value[0]), 0);
	assert_int_equal(strlen(text), strlen(lines) / 3 + 1);
}

static void log_of_another_register_is_refused(void **state)
{
	(void)state;
	assert_int_equal(kept_text(2, value[2]), -EBADMSG);
	keep(others);
	assert_int_equal(kept_text(3, value[2]), -EBADMSG);
	keep("{\"a\":1}\n{\"digest\":\"00\"}\n");
	assert_int_equal(kept_text(1, value[0]), -EBADMSG);
	assert_int_equal(kept_text(2, value[1]), -EBADMSG);
}

static void what_was_read_is_not_read_again(void **state)
{
	(void)state;
	assert_int_equal(kept_text(2, value[1]), 0);
	/* Damaged since, in the same file: what is kept is right. */
	keep(others);
	assert_int_equal(kept_text(3, value[2]), 0);
	assert_null(strchr(text, 'f'));
}

static void log_that_was_mended_is_read_anew(void **state)
{
	(void)state;
	keep(others);
	assert_int_equal(kept_text(3, NULL), 0);
	keep(lines);
	assert_int_equal(kept_text(3, value[2]), 0);
}

static void log_that_became_shorter_or_another_is_read_anew(void **state)
{
	char other[] = "/tmp/attest-log-other-XXXXXX";
	int fd = mkstemp(other);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(kept_text(3, NULL), 0);
	assert_int_equal(write(fd, "{\"a\":1}\n{}\n{}\n{}\n", 17), 17);
	close(fd);
	assert_int_equal(rename(other, path), 0);
	assert_int_equal(kept_text(4, NULL), 0);
	assert_string_equal(text, "[{\"a\":1},{},{},{}]");
	keep("{}\n");
	assert_int_equal(kept_text(5, NULL), -EAGAIN);
	assert_int_equal(kept_text(1, NULL), 0);
	assert_string_equal(text, "[{}]");
}

static int count_lines(const char *line, size_t len, void *arg)
{
	assert_int_equal(line[len - 1], '\n');
	return ++*(int *)arg == 9000 ? 7 : 0;
}

static void each_event_of_a_log_of_any_length_is_seen(void **state)
{
	FILE *file = fopen(path, "w");
	int i, seen = 0;

	(void)state;
	for (i = 0; i < 10000; i++)
		fprintf(file, "%01023d\n", i);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(attest_log_each(path, 8500, count_lines, &seen), 0);
	assert_int_equal(seen, 8500);
	seen = 0;
	assert_int_equal(attest_log_each(path, 10000, count_lines, &seen), 7);
	assert_int_equal(attest_log_each("/nonexistent/log", 1, count_lines,
					 &seen), -ENOENT);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)
#define TEST_KEPT(name) \
	cmocka_unit_test_setup_teardown(name, setup_kept, teardown_kept)

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
		TEST(each_event_of_a_log_of_any_length_is_seen),
		TEST_KEPT(log_that_explains_the_register_is_given),
		TEST_KEPT(log_of_another_register_is_refused),
		TEST_KEPT(what_was_read_is_not_read_again),
		TEST_KEPT(log_that_was_mended_is_read_anew),
		TEST_KEPT(log_that_became_shorter_or_another_is_read_anew),
	};
	int failed, fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	failed = cmocka_run_group_tests_name("attest_log", tests, NULL, NULL);
	free(text);
	unlink(path);
	return failed;
}
