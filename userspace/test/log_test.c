// SPDX-License-Identifier: MIT
/*
 * The event log as a file, and its replay
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "event.h"
#include "lib.h"

#define HEX48_ZERO \
	"000000000000000000000000000000000000000000000000" \
	"000000000000000000000000000000000000000000000000"
/* system-ready with an empty payload, as upstream's guests record it. */
#define READY_DIGEST \
	"1a76b2a80a0be71eae59f80945d876351a7a3fb8e9fd1ff1" \
	"cede5734aa84ea11fd72b4edfbb6f04e5a85edd114c751bd"
#define ENTRY(digest, name, payload) \
	"{\"imr\":3,\"event_type\":134217729,\"digest\":\"" digest \
	"\",\"event\":\"" name "\",\"event_payload\":\"" payload "\"}"
#define NAME16 "aaaaaaaaaaaaaaaa"
#define READY ENTRY(READY_DIGEST, "system-ready", "")

static struct libdstack_log *parse(const char *text)
{
	struct libdstack_log *log = NULL;

	assert_int_equal(libdstack_log_parse(text, strlen(text), &log), 0);
	assert_non_null(log);
	return log;
}

static void assert_refused(const char *text, size_t len)
{
	struct libdstack_log *log = NULL;
	/* Exactly as long as the text, so that a byte too far is noticed. */
	char *copy = malloc(len ? len : 1);

	memcpy(copy, text, len);
	assert_int_equal(libdstack_log_parse(copy, len, &log), -EBADMSG);
	assert_null(log);
	free(copy);
}

static char *line_of(const char *name, const void *payload, size_t len)
{
	uint8_t digest[DSTACK_REGISTER_SIZE];
	char *line;

	assert_int_equal(dstack_event_digest(name, strlen(name), payload, len,
					     digest), 0);
	assert_int_equal(libdstack_event_to_json(name, strlen(name), payload,
						 len, digest, &line), 0);
	return line;
}

/* A log of events "a" to "a" + nr - 1, each with its letter as payload. */
static struct libdstack_log *alphabet(size_t nr)
{
	char text[8192] = "";
	size_t i;

	for (i = 0; i < nr; i++) {
		char name[2] = { 'a' + i, 0 };
		char *line = line_of(name, name, 1);

		strcat(text, line);
		free(line);
	}
	return parse(text);
}

static void written_event_is_read_back(void **state)
{
	static const uint8_t payload[] = { 0, 1, 0x7f, 0xff };
	char *line = line_of("app-id", payload, sizeof(payload));
	struct libdstack_log *log = parse(line);

	(void)state;
	assert_int_equal(log->count, 1);
	assert_int_equal(log->others, 0);
	assert_string_equal(log->events[0].name, "app-id");
	assert_int_equal(log->events[0].imr, 3);
	assert_int_equal(log->events[0].event_type, 134217729);
	assert_int_equal(log->events[0].payload_len, sizeof(payload));
	assert_memory_equal(log->events[0].payload, payload, sizeof(payload));
	libdstack_log_free(log);
	free(line);
}

static void writer_refuses_a_name_that_is_none(void **state)
{
	static const char * const names[] = {
		"", "a b", "a\"b", "a:b", "\xff"
	};
	static const uint8_t digest[DSTACK_REGISTER_SIZE];
	char long_name[DSTACK_NAME_SIZE + 1];
	char *line;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(libdstack_event_to_json(names[i],
							 strlen(names[i]), "",
							 0, digest, &line),
				 -EINVAL);
	assert_int_equal(libdstack_event_to_json("a\0b", 3, "", 0, digest,
						 &line), -EINVAL);
	memset(long_name, 'a', sizeof(long_name));
	assert_int_equal(libdstack_event_to_json(long_name, DSTACK_NAME_SIZE,
						 "", 0, digest, &line),
			 -EINVAL);
	assert_int_equal(libdstack_event_to_json(long_name,
						 DSTACK_NAME_SIZE - 1, "", 0,
						 digest, &line), 0);
	free(line);
}

static void form_of_the_json_does_not_matter(void **state)
{
	static const char * const texts[] = {
		READY,
		READY "\n",
		"[" READY "]",
		" [ " READY " ]\t\n",
		"{ \"imr\": 3, \"event_type\": 134217729, \"digest\": \""
		READY_DIGEST "\", \"event\": \"system-ready\", "
		"\"event_payload\": \"\" }\n",
		"{\"event\":\"system\\u002dready\",\"imr\":3,\"digest\":\""
		READY_DIGEST "\",\"event_payload\":\"\","
		"\"event_type\":134217729}",
		ENTRY(READY_DIGEST, "system\\u002dready", ""),
		ENTRY("", "system-ready", ""),
	};
	uint8_t want[DSTACK_REGISTER_SIZE];
	size_t i;

	(void)state;
	assert_true(libdstack_from_hex(READY_DIGEST, strlen(READY_DIGEST), want,
				       sizeof(want)));
	for (i = 0; i < ARRAY_SIZE(texts); i++) {
		struct libdstack_log *log = parse(texts[i]);

		assert_int_equal(log->count, 1);
		assert_string_equal(log->events[0].name, "system-ready");
		assert_int_equal(log->events[0].payload_len, 0);
		assert_memory_equal(log->events[0].digest, want, sizeof(want));
		libdstack_log_free(log);
	}
}

static void empty_log_has_no_events(void **state)
{
	static const char * const texts[] = { "", "\n", "[]", " [ ] " };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(texts); i++) {
		struct libdstack_log *log = parse(texts[i]);

		assert_int_equal(log->count, 0);
		libdstack_log_free(log);
	}
}

static void boot_events_are_counted_and_left_out(void **state)
{
	static const char text[] =
		"[{\"imr\":0,\"event_type\":4,\"digest\":\"00\",\"event\":\"\","
		"\"event_payload\":\"ACPI DATA\"}," READY
		",{\"imr\":2,\"event_type\":2147483659,\"digest\":\"\","
		"\"event\":\"x\",\"event_payload\":\"\"}]";
	struct libdstack_log *log = parse(text);

	(void)state;
	assert_int_equal(log->count, 1);
	assert_int_equal(log->others, 2);
	libdstack_log_free(log);
}

static void what_is_no_log_is_refused(void **state)
{
	static const char * const texts[] = {
		"x", "3", "\"text\"", "null", "{}", "[", "[,]", "[" READY,
		"[" READY ",]", "[" READY " " READY "]", "[" READY "] x",
		READY READY, READY " x", READY "\r\n" READY, "[[" READY "]]",
		READY "\n\n" READY, READY ",\n" READY,
		/* unknown, missing, duplicate and mistyped members */
		"{\"imr\":3,\"event_type\":134217729,\"digest\":\"\",\"event\":\"a\",\"event_payload\":\"\",\"version\":1}",
		"{\"imr\":3,\"event_type\":134217729,\"digest\":\"\",\"event\":\"a\"}",
		"{\"imr\":3,\"imr\":3,\"event_type\":134217729,\"digest\":\"\",\"event\":\"a\",\"event_payload\":\"\"}",
		"{\"imr\":\"3\",\"event_type\":134217729,\"digest\":\"\",\"event\":\"a\",\"event_payload\":\"\"}",
		"{\"imr\":3.0,\"event_type\":134217729,\"digest\":\"\",\"event\":\"a\",\"event_payload\":\"\"}",
		"{\"imr\":4,\"event_type\":134217729,\"digest\":\"\",\"event\":\"a\",\"event_payload\":\"\"}",
		"{\"imr\":-1,\"event_type\":134217729,\"digest\":\"\",\"event\":\"a\",\"event_payload\":\"\"}",
		"{\"imr\":99999999999999999999,\"event_type\":134217729,\"digest\":\"\",\"event\":\"a\",\"event_payload\":\"\"}",
		"{\"imr\":3,\"event_type\":134217730,\"digest\":\"\",\"event\":\"a\",\"event_payload\":\"\"}",
		"{\"imr\":3,\"event_type\":134217729,\"digest\":null,\"event\":\"a\",\"event_payload\":\"\"}",
		ENTRY("00", "a", ""), ENTRY(HEX48_ZERO "00", "a", ""),
		ENTRY("g" HEX48_ZERO, "a", ""),
		ENTRY("", "a", "0"), ENTRY("", "a", "0g"), ENTRY("", "a", "é"),
		/* a name with ':' could move bytes from payload to name */
		ENTRY("", "a:b", ""), ENTRY("", "", ""), ENTRY("", "a b", ""),
		ENTRY("", "a\\u0000b", ""), ENTRY("", "a\nb", ""),
		ENTRY("", NAME16 NAME16 NAME16 NAME16, ""),
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(texts); i++)
		assert_refused(texts[i], strlen(texts[i]));
	assert_refused("\0", 1);
	assert_refused(READY "\n\0", strlen(READY) + 2);
}

static void log_cut_off_anywhere_is_refused(void **state)
{
	static const char line[] = READY "\n", array[] = "[" READY "]";
	size_t len;

	(void)state;
	for (len = 1; len < strlen(line) - 1; len++)
		assert_refused(line, len);
	for (len = 1; len < strlen(array); len++)
		assert_refused(array, len);
}

static void entry_is_bounded(void **state)
{
	const size_t len = 1 << 20;
	char *text = malloc(len);

	(void)state;
	/* A string, objects and arrays that go on and on. */
	memset(text, 'a', len);
	memcpy(text, "{\"imr\":\"", 8);
	assert_refused(text, len);
	memset(text, '[', len);
	assert_refused(text, len);
	memset(text, '{', len);
	assert_refused(text, len);
	/* Our own form with a payload that would be hex. */
	memset(text, '0', len);
	memcpy(text, READY, strlen(READY) - 2);
	assert_refused(text, len);
	memcpy(text + len - 2, "\"}", 2);
	assert_refused(text, len);
	free(text);
}

static void mutated_log_is_read_or_refused(void **state)
{
	static const char line[] = "[" READY ",\n" READY "]";
	char copy[sizeof(line)];
	unsigned int seed = 1;
	size_t i;

	(void)state;
	for (i = 0; i < 20000; i++) {
		struct libdstack_log *log = NULL;
		int err;

		memcpy(copy, line, sizeof(line));
		copy[rand_r(&seed) % (sizeof(line) - 1)] = rand_r(&seed);
		copy[rand_r(&seed) % (sizeof(line) - 1)] ^=
			1 << rand_r(&seed) % 8;
		err = libdstack_log_parse(copy, sizeof(line) - 1, &log);
		assert_true(err == 0 || err == -EBADMSG);
		assert_true(!err == !!log);
		libdstack_log_free(log);
	}
}

static void file_larger_than_the_window_is_read(void **state)
{
	char path[] = "/tmp/dstack-log-XXXXXX";
	uint8_t payload[1000] = { 0 };
	struct libdstack_log *log;
	uint32_t i, nr = 3000;
	FILE *out = fdopen(mkstemp(path), "w");

	(void)state;
	assert_non_null(out);
	for (i = 0; i < nr; i++) {
		char *line;

		memcpy(payload, &i, sizeof(i));
		line = line_of("x", payload, sizeof(payload) - i % 7);
		assert_true(fputs(line, out) >= 0);
		free(line);
	}
	assert_int_equal(fclose(out), 0);
	assert_int_equal(libdstack_log_read(path, &log), 0);
	unlink(path);
	assert_int_equal(log->count, nr);
	for (i = 0; i < nr; i++) {
		assert_memory_equal(log->events[i].payload, &i, sizeof(i));
		assert_int_equal(log->events[i].payload_len,
				 sizeof(payload) - i % 7);
	}
	libdstack_log_free(log);
}

static void missing_file_is_named(void **state)
{
	struct libdstack_log *log;

	(void)state;
	assert_int_equal(libdstack_log_read("/nonexistent", &log), -ENOENT);
	assert_int_equal(libdstack_log_read("/tmp", &log), -EISDIR);
}

static void replay_folds_in_order(void **state)
{
	struct libdstack_log *log = alphabet(5);
	uint8_t want[DSTACK_REGISTER_SIZE] = { 0 };
	uint8_t value[DSTACK_REGISTER_SIZE] = { 0 };
	size_t i, bad;

	(void)state;
	for (i = 0; i < 4; i++)
		assert_int_equal(dstack_event_fold(want, log->events[i].digest),
				 0);
	assert_int_equal(libdstack_log_replay(log, 4, value, &bad), 0);
	assert_memory_equal(value, want, sizeof(want));
	libdstack_log_free(log);
}

static void replay_starts_at_the_given_value(void **state)
{
	struct libdstack_log *log = alphabet(4);
	struct libdstack_log tail = { log->events + 2, 2, 0 };
	uint8_t whole[DSTACK_REGISTER_SIZE] = { 0 };
	uint8_t parts[DSTACK_REGISTER_SIZE] = { 0 };
	size_t bad;

	(void)state;
	assert_int_equal(libdstack_log_replay(log, 4, whole, &bad), 0);
	assert_int_equal(libdstack_log_replay(log, 2, parts, &bad), 0);
	assert_int_equal(libdstack_log_replay(&tail, 2, parts, &bad), 0);
	assert_memory_equal(whole, parts, sizeof(whole));
	libdstack_log_free(log);
}

static void replay_beyond_the_log_is_refused(void **state)
{
	struct libdstack_log *log = alphabet(2);
	uint8_t value[DSTACK_REGISTER_SIZE] = { 0 };
	size_t bad;

	(void)state;
	assert_int_equal(libdstack_log_replay(log, 3, value, &bad), -EINVAL);
	libdstack_log_free(log);
}

static void changed_event_is_pointed_at(void **state)
{
	struct libdstack_log *log = alphabet(6);
	uint8_t value[DSTACK_REGISTER_SIZE];
	uint8_t want[DSTACK_REGISTER_SIZE] = { 1 };
	size_t count, i, bad;

	(void)state;
	for (i = 0; i < 6; i++) {
		uint8_t *const parts[] = {
			log->events[i].payload, log->events[i].digest,
			(uint8_t *)log->events[i].name,
		};
		size_t part;

		for (part = 0; part < ARRAY_SIZE(parts); part++) {
			parts[part][0] ^= 2;
			bad = 99;
			memset(value, 0, sizeof(value));
			assert_int_equal(libdstack_log_replay(log, 6, value,
							      &bad), -EBADMSG);
			assert_int_equal(bad, i);
			bad = 99;
			memset(value, 0, sizeof(value));
			assert_int_equal(libdstack_log_find(log, value, want,
							    &count, &bad),
					 -EBADMSG);
			assert_int_equal(bad, i);
			/* What comes after the events asked for is not. */
			memset(value, 0, sizeof(value));
			assert_int_equal(libdstack_log_replay(log, i, value,
							      &bad), 0);
			parts[part][0] ^= 2;
		}
	}
	libdstack_log_free(log);
}

static void prefix_of_a_longer_log_is_found(void **state)
{
	struct libdstack_log *log = alphabet(7);
	size_t n, count, bad;

	(void)state;
	for (n = 0; n <= 7; n++) {
		uint8_t value[DSTACK_REGISTER_SIZE] = { 0 };
		uint8_t want[DSTACK_REGISTER_SIZE] = { 0 };

		assert_int_equal(libdstack_log_replay(log, n, want, &bad), 0);
		assert_int_equal(libdstack_log_find(log, value, want, &count,
						    &bad), 0);
		assert_int_equal(count, n);
	}
	libdstack_log_free(log);
}

static void assert_not_found(const struct libdstack_log *log,
			     const uint8_t want[DSTACK_REGISTER_SIZE])
{
	uint8_t value[DSTACK_REGISTER_SIZE] = { 0 };
	size_t count, bad;

	assert_int_equal(libdstack_log_find(log, value, want, &count, &bad),
			 -ENOENT);
}

/* Attack 43: drop, duplicate, reorder, splice, swap what the log says. */
static void attack_43_altered_log_explains_no_register(void **state)
{
	struct libdstack_log *log = alphabet(6), *other = alphabet(3);
	uint8_t want[DSTACK_REGISTER_SIZE] = { 0 };
	struct libdstack_event events[8];
	struct libdstack_log altered = { events, 0, 0 };
	size_t i, j, bad;

	(void)state;
	assert_int_equal(libdstack_log_replay(log, 6, want, &bad), 0);
	for (i = 0; i < 6; i++) {
		/* without event i */
		memcpy(events, log->events, i * sizeof(*events));
		memcpy(events + i, log->events + i + 1,
		       (5 - i) * sizeof(*events));
		altered.count = 5;
		assert_not_found(&altered, want);
		/* event i twice; the last one would just be a later event */
		memcpy(events, log->events, (i + 1) * sizeof(*events));
		memcpy(events + i + 1, log->events + i,
		       (6 - i) * sizeof(*events));
		altered.count = 7;
		if (i < 5)
			assert_not_found(&altered, want);
		/* another log's event in its place */
		memcpy(events, log->events, 6 * sizeof(*events));
		events[i] = other->events[i ? 0 : 1];
		altered.count = 6;
		assert_not_found(&altered, want);
		for (j = 0; j < i; j++) {
			memcpy(events, log->events, 6 * sizeof(*events));
			events[i] = log->events[j];
			events[j] = log->events[i];
			assert_not_found(&altered, want);
		}
	}
	libdstack_log_free(other);
	libdstack_log_free(log);
}

/* The whole event log of a genuine guest, against the quote it came with. */
static void upstream_log_replays_to_its_quote(void **state)
{
	const char *vectors = getenv("DSTACK_VECTORS");
	uint8_t value[DSTACK_REGISTER_SIZE] = { 0 };
	struct libdstack_log *log;
	uint8_t quote[4096];
	const char *hex;
	char path[4096];
	json_t *doc;
	size_t bad;

	(void)state;
	snprintf(path, sizeof(path), "%s/dstack/quote-report.json",
		 vectors ? vectors : "");
	doc = json_load_file(path, 0, NULL);
	if (!doc) {
		print_message("# no test vectors: set DSTACK_VECTORS to their directory\n");
		skip();
	}
	log = parse(json_string_value(json_object_get(doc, "event_log")));
	assert_true(log->count > 5 && log->others > 5);
	assert_int_equal(libdstack_log_replay(log, log->count, value, &bad), 0);
	hex = json_string_value(json_object_get(doc, "quote"));
	assert_true(libdstack_from_hex(hex, 2 * sizeof(quote), quote,
				       sizeof(quote)));
	/* RTMR3 of a version 4 quote. */
	assert_memory_equal(value, quote + 48 + 472, sizeof(value));
	libdstack_log_free(log);
	json_decref(doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(written_event_is_read_back),
		cmocka_unit_test(writer_refuses_a_name_that_is_none),
		cmocka_unit_test(form_of_the_json_does_not_matter),
		cmocka_unit_test(empty_log_has_no_events),
		cmocka_unit_test(boot_events_are_counted_and_left_out),
		cmocka_unit_test(what_is_no_log_is_refused),
		cmocka_unit_test(log_cut_off_anywhere_is_refused),
		cmocka_unit_test(entry_is_bounded),
		cmocka_unit_test(mutated_log_is_read_or_refused),
		cmocka_unit_test(file_larger_than_the_window_is_read),
		cmocka_unit_test(missing_file_is_named),
		cmocka_unit_test(replay_folds_in_order),
		cmocka_unit_test(replay_starts_at_the_given_value),
		cmocka_unit_test(replay_beyond_the_log_is_refused),
		cmocka_unit_test(changed_event_is_pointed_at),
		cmocka_unit_test(prefix_of_a_longer_log_is_found),
		cmocka_unit_test(attack_43_altered_log_explains_no_register),
		cmocka_unit_test(upstream_log_replays_to_its_quote),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
