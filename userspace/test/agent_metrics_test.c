// SPDX-License-Identifier: MIT
/*
 * What is counted, in Prometheus' text format
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "../agent/metrics/metrics.h"

static struct metrics_counters counters = { .value = {
	[METRICS_REPLIES + 2] = 7, [METRICS_REPLIES + 4] = 3,
	[METRICS_KEYS] = 5, [METRICS_KMS_CALLS] = 4, [METRICS_KMS_FAILURES] = 1,
} };

static const struct agent_quote_stats quotes = {
	.made = 11, .failed = 2, .longest_ms = 1500, .total_ms = 4500,
	.within = { 0, 1, 2, 3, 4, 5, 6, 11, 11, 11 },
};

static const struct libdstack_status status = {
	.state = DSTACK_STATE_ENFORCE, .hooks = 0x7, .log_count = 100,
	.log_pending = 42, .allowed = 8, .denied = 9,
};

static char *text_of(const struct libdstack_container *c, bool answers)
{
	const struct metrics_source source = {
		.counters = &counters, .quotes = &quotes,
		.status = answers ? &status : NULL,
		.containers = c, .nr_containers = c ? 1 : 0,
	};
	char *text;
	size_t len;

	assert_int_equal(metrics_write(&source, &text, &len), 0);
	assert_int_equal(strlen(text), len);
	return text;
}

static void numbers_are_those_of_their_source(void **state)
{
	static const char *const lines[] = {
		"\ndstack_state 2\n", "\ndstack_hooks_held 3\n",
		"\ndstack_log_events_total 100\n",
		"\ndstack_log_pending_bytes 42\n",
		"\ndstack_verdicts_total{verdict=\"denied\"} 9\n",
		"\ndstack_quotes_total{result=\"made\"} 11\n",
		"\ndstack_quote_longest_seconds 1.500\n",
		"\ndstack_quote_seconds_bucket{le=\"0.025\"} 1\n",
		"\ndstack_quote_seconds_bucket{le=\"+Inf\"} 11\n",
		"\ndstack_quote_seconds_sum 4.500\n",
		"\ndstack_quote_seconds_count 11\n",
		"\ndstack_agent_replies_total{status=\"2xx\"} 7\n",
		"\ndstack_agent_keys_total 5\n",
		"\ndstack_kms_calls_total{result=\"answered\"} 3\n",
	};
	char *text = text_of(NULL, true);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (!strstr(text, lines[i]))
			fail_msg("no %s", lines[i]);
	free(text);
}

/* Each line is a comment, or a name, labels and a number. */
static void every_line_is_of_the_format(void **state)
{
	static const char pattern[] = "^(# (HELP|TYPE) dstack_[a-z_]+ .+|"
		"dstack_[a-z_]+(\\{([a-z]+=\"([^\"\\\n]|\\\\.)*\",?)+\\})? "
		"[0-9]+(\\.[0-9]+)?)$";
	const struct libdstack_container c = {
		.id = "a\"b\\c\nd} 1", .section = "web",
	};
	char *text = text_of(&c, true), *line, *rest = text;
	regex_t regex;

	(void)state;
	assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
	while ((line = strsep(&rest, "\n")) && rest)
		if (regexec(&regex, line, 0, NULL, 0))
			fail_msg("not of the format: %s", line);
	regfree(&regex);
	free(text);
}

static void container_cannot_write_lines_with_its_name(void **state)
{
	const struct libdstack_container c = {
		.id = "x\ndstack_state 0", .section = "web",
	};
	char *text = text_of(&c, true);

	(void)state;
	assert_null(strstr(text, "\ndstack_state 0"));
	assert_non_null(strstr(text, "container=\"x\\ndstack_state 0\""));
	free(text);
}

static void module_that_does_not_answer_is_told(void **state)
{
	char *text = text_of(NULL, false);

	(void)state;
	assert_non_null(strstr(text, "\ndstack_up 0\n"));
	assert_null(strstr(text, "dstack_state"));
	assert_non_null(strstr(text, "dstack_quotes_total"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_those_of_their_source),
		cmocka_unit_test(every_line_is_of_the_format),
		cmocka_unit_test(container_cannot_write_lines_with_its_name),
		cmocka_unit_test(module_that_does_not_answer_is_told),
	};

	return cmocka_run_group_tests_name("agent_metrics", tests, NULL, NULL);
}
