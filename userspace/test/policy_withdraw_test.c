// SPDX-License-Identifier: MIT
/*
 * The same policy without its containers, and nothing else that looks like it
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <libdstack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"

#define A	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B	"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define RULE(d)	"{\"digest\":\"sha256:" A "aaaaaaaaaaaaaaaaaaaaaa" d \
		"\",\"kinds\":[\"exec\"]}"
#define KEYS(p)	"\"keys\":[{\"path\":\"" p "\",\"kinds\":[\"aead\"]," \
		"\"delivery\":[\"handle\"]}]"
#define HOST	"\"host\":{\"allow\":[" RULE("01") "," RULE("02") "]," \
		KEYS("h") ",\"trust\":{\"exec\":[\"dm-verity\"]}}"
/* Before and behind the host, so that its rules are at other places. */
#define APP	"\"app\":{\"allow\":[" RULE("03") "]," KEYS("a") "}"
#define WEB	"\"web\":{\"allow\":[]}"

static void *compile(const char *app, int epoch, const char *containers)
{
	struct libdstack_policy *policy;
	size_t size;
	void *table;
	char *text;

	assert_true(asprintf(&text, "{\"version\":1,\"epoch\":%d,\"app_id\":\"%s\",\"containers\":{%s}}",
			     epoch, app, containers) > 0);
	assert_int_equal(libdstack_policy_parse(text, strlen(text), &policy),
			 0);
	assert_int_equal(libdstack_policy_compile(policy, &table, &size), 0);
	libdstack_policy_free(policy);
	free(text);
	return table;
}

static bool withdraws(const char *of, const char *app, int epoch,
		      const char *containers)
{
	void *old = compile(A, 5, of), *new = compile(app, epoch, containers);
	bool yes = dstack_table_withdraws(new, old);

	free(old);
	free(new);
	return yes;
}

static void policy_without_its_containers_withdraws_it(void **state)
{
	(void)state;
	assert_true(withdraws(APP "," WEB, A, 5, ""));
	assert_true(withdraws(APP "," HOST "," WEB, A, 5, HOST));
}

static void policy_of_another_epoch_or_app_does_not(void **state)
{
	(void)state;
	assert_false(withdraws(APP, A, 4, ""));
	assert_false(withdraws(APP, A, 6, ""));
	assert_false(withdraws(APP, B, 5, ""));
}

static void container_that_is_left_does_not(void **state)
{
	(void)state;
	assert_false(withdraws(APP "," WEB, A, 5, WEB));
	assert_false(withdraws(APP "," HOST "," WEB, A, 5, HOST "," WEB));
	/* As many sections as the host's, and not the host's. */
	assert_false(withdraws(HOST "," WEB, A, 5, WEB));
}

static void host_with_another_word_does_not(void **state)
{
	static const char *const hosts[] = {
		"\"host\":{\"allow\":[" RULE("01") "," RULE("04") "],"
			KEYS("h") ",\"trust\":{\"exec\":[\"dm-verity\"]}}",
		"\"host\":{\"allow\":[" RULE("01") "],"
			KEYS("h") ",\"trust\":{\"exec\":[\"dm-verity\"]}}",
		"\"host\":{\"allow\":[" RULE("01") "," RULE("02") "],"
			KEYS("i") ",\"trust\":{\"exec\":[\"dm-verity\"]}}",
		"\"host\":{\"allow\":[" RULE("01") "," RULE("02") "],"
			"\"trust\":{\"exec\":[\"dm-verity\"]}}",
		"\"host\":{\"allow\":[" RULE("01") "," RULE("02") "],"
			KEYS("h") ",\"trust\":{\"map\":[\"dm-verity\"]}}",
		"\"host\":{\"allow\":[" RULE("01") "," RULE("02") "],"
			KEYS("h") ",\"trust\":{\"exec\":[\"dm-verity\"]},"
			"\"storage\":{\"map\":[\"dm-verity\"]}}",
		"\"host\":{\"allow\":[" RULE("01") "," RULE("02") "],"
			KEYS("h") ",\"trust\":{\"exec\":[\"dm-verity\"]},"
			"\"memory\":\"allow\"}",
		"\"host\":{\"allow\":[" RULE("01") "," RULE("02") "],"
			KEYS("h") ",\"trust\":{\"exec\":[\"dm-verity\"]},"
			"\"revoked\":\"kill\"}",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
		assert_false(withdraws(APP "," HOST, A, 5, hosts[i]));
	/* None where there was one, and one where there was none. */
	assert_false(withdraws(APP "," HOST, A, 5, ""));
	assert_false(withdraws(APP, A, 5, HOST));
}

static void there_is_something_to_withdraw(void **state)
{
	(void)state;
	assert_false(withdraws("", A, 5, ""));
	assert_false(withdraws(HOST, A, 5, HOST));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(policy_without_its_containers_withdraws_it),
		cmocka_unit_test(policy_of_another_epoch_or_app_does_not),
		cmocka_unit_test(container_that_is_left_does_not),
		cmocka_unit_test(host_with_another_word_does_not),
		cmocka_unit_test(there_is_something_to_withdraw),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
