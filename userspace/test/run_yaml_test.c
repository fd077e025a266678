// SPDX-License-Identifier: MIT
/*
 * The text of a compose file is read in one way, or not at all
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../run/run.h"

static char said[LIBDSTACK_MESSAGE_MAX];

static void tell(const char *message)
{
	snprintf(said, sizeof(said), "%s", message);
}

static void assert_says(const char *what)
{
	if (!strstr(said, what))
		fail_msg("'%s' is not in: %s", what, said);
}

static void reads(const char *yaml, const char *json)
{
	yyjson_mut_doc *doc;
	char *text;

	*said = '\0';
	if (run_yaml_parse(yaml, strlen(yaml), &doc, tell))
		fail_msg("%s: %s", yaml, said);
	text = yyjson_mut_write(doc, 0, NULL);
	assert_string_equal(text, json);
	free(text);
	yyjson_mut_doc_free(doc);
}

static void refuses(const char *yaml, const char *says)
{
	yyjson_mut_doc *doc;

	*said = '\0';
	assert_int_equal(run_yaml_parse(yaml, strlen(yaml), &doc, tell),
			 -EBADMSG);
	assert_null(doc);
	assert_says(says);
}

static void all_forms_of_text_are_read(void **state)
{
	(void)state;
	reads("a: b\nc: [d, 'e', \"f\\u0041\"]\ng: |\n  h\n  i\n",
	      "{\"a\":\"b\",\"c\":[\"d\",\"e\",\"fA\"],\"g\":\"h\\ni\\n\"}");
	reads("{\"json\": {\"is\": [\"yaml\", null, true, 1]}}",
	      "{\"json\":{\"is\":[\"yaml\",null,true,1]}}");
}

/* Readers do not agree on what these are: here they are what they look like. */
static void what_readers_dispute_stays_a_text(void **state)
{
	(void)state;
	reads("a: [yes, no, on, off, y, 0777, 0x10, 22:22, 1.10, 1e3, -0, +1]",
	      "{\"a\":[\"yes\",\"no\",\"on\",\"off\",\"y\",\"0777\",\"0x10\",\"22:22\",\"1.10\",\"1e3\",\"-0\",\"+1\"]}");
	reads("a: [0, -1, 8080, True, FALSE, ~, Null, '', '1', 1234567890123456]",
	      "{\"a\":[0,-1,8080,true,false,null,null,\"\",\"1\",\"1234567890123456\"]}");
}

static void aliases_and_merges_are_expanded(void **state)
{
	(void)state;
	reads("x: &x {a: 1, b: 2}\ny:\n  <<: *x\n  b: 3\nz: [*x]\n",
	      "{\"x\":{\"a\":1,\"b\":2},\"y\":{\"b\":3,\"a\":1},\"z\":[{\"a\":1,\"b\":2}]}");
	reads("x: &x {a: 1}\ny: &y {a: 2, c: 3}\nz: {<<: [*x, *y]}\n",
	      "{\"x\":{\"a\":1},\"y\":{\"a\":2,\"c\":3},\"z\":{\"a\":1,\"c\":3}}");
	/* Quoted, it is a key as others. */
	reads("x: {'<<': 1}", "{\"x\":{\"<<\":1}}");
}

static void what_can_be_read_in_two_ways_is_refused(void **state)
{
	(void)state;
	refuses("a: 1\na: 2\n", "line 2: this key is there twice");
	refuses("a: {'b': 1, b: 2}", "this key is there twice");
	refuses("a: {<<: {b: 1}, <<: {b: 2}}", "\"<<\" is there twice");
	refuses("a: {<<: 1}", "\"<<\" takes mappings only");
	refuses("a: !!binary aGk=", "tags");
	refuses("a: !reset null", "tags");
	refuses("a: 1\n---\nb: 2\n", "more than one document");
	refuses("? [a]\n: b\n", "a key that is no text");
	refuses("'': b\n", "a key without a name");
	refuses("a: \"b\\0c\"\n", "zero byte");
}

static void what_is_no_mapping_is_refused(void **state)
{
	(void)state;
	refuses("", "not a compose file");
	refuses("- a\n", "not a compose file");
	refuses("text", "not a compose file");
	refuses("a: [", "line ");
	refuses("a: *b\n", "line 1: found undefined alias");
	refuses("a: \xff\n", "docker_compose_file: line ");
}

/* Nine levels of nine aliases are 387 million values. */
static void a_text_that_explodes_is_refused(void **state)
{
	char text[4096];
	size_t len = sprintf(text, "a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
	int i, j;

	(void)state;
	for (i = 1; i < 9; i++) {
		len += sprintf(text + len, "a%d: &a%d [", i, i);
		for (j = 0; j < 9; j++)
			len += sprintf(text + len, "%s*a%d", j ? ", " : "",
				       i - 1);
		len += sprintf(text + len, "]\n");
	}
	refuses(text, "too much in one file");
}

/* Few values, of many bytes each. */
static void a_text_that_grows_is_refused(void **state)
{
	const size_t size = 64 << 10, room = size + 1024;
	char *text = malloc(room);
	size_t len, i;

	(void)state;
	assert_non_null(text);
	len = sprintf(text, "a: &a ");
	memset(text + len, 'x', size);
	len += size;
	len += sprintf(text + len, "\nb: [*a");
	for (i = 0; i < 80; i++)
		len += sprintf(text + len, ", *a");
	sprintf(text + len, "]\n");
	refuses(text, "too much in one file");
	free(text);
}

static void an_alias_of_what_it_is_in_is_refused(void **state)
{
	(void)state;
	refuses("a: &a [*a]\n", "alias of what it is in");
	refuses("a: &a {b: *a}\n", "alias of what it is in");
	refuses("a: &a {<<: *a}\n", "alias of what it is in");
}

static void depth_size_and_keys_have_a_bound(void **state)
{
	const size_t size = RUN_COMPOSE_MAX + 1;
	char *text = malloc(size + 1);
	yyjson_mut_doc *doc;
	size_t i, len = 0;

	(void)state;
	assert_non_null(text);
	len = sprintf(text, "a: ");
	memset(text + len, '[', 40);
	memset(text + len + 40, ']', 40);
	text[len + 80] = '\0';
	refuses(text, "levels deep");
	memset(text + 3, '[', 100000);
	text[100003] = '\0';
	refuses(text, "line ");
	for (i = len = 0; i < RUN_KEYS_MAX + 1; i++)
		len += sprintf(text + len, "k%zu: 1\n", i);
	refuses(text, "1,024 keys");
	memset(text, '\n', size);
	assert_int_equal(run_yaml_parse(text, size, &doc, tell), -EFBIG);
	free(text);
}

/* Whoever reads a journal reads letters. */
static void what_is_said_is_printable(void **state)
{
	const char *p;

	(void)state;
	refuses("a: [\n\x1b[31m", "docker_compose_file: ");
	for (p = said; *p; p++)
		assert_true(*p >= ' ' && *p <= '~');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_forms_of_text_are_read),
		cmocka_unit_test(what_readers_dispute_stays_a_text),
		cmocka_unit_test(aliases_and_merges_are_expanded),
		cmocka_unit_test(what_can_be_read_in_two_ways_is_refused),
		cmocka_unit_test(what_is_no_mapping_is_refused),
		cmocka_unit_test(a_text_that_explodes_is_refused),
		cmocka_unit_test(a_text_that_grows_is_refused),
		cmocka_unit_test(an_alias_of_what_it_is_in_is_refused),
		cmocka_unit_test(depth_size_and_keys_have_a_bound),
		cmocka_unit_test(what_is_said_is_printable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
