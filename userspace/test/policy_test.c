// SPDX-License-Identifier: MIT
/*
 * What holds for policies: one way to read, one way to write, one table
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <libdstack.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "event.h"
#include "lib.h"
#include "policy.h"
#include "table.h"

#define APP	"abababababababababababababababababababab"
#define ZEROS \
	"0000000000000000000000000000000000000000000000000000000000000000"
#define ONES \
	"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
#define ZERO_DIGEST	"\"sha256:" ZEROS "\""
#define ONE_DIGEST	"\"sha256:" ONES "\""

#define HEAD	"\"version\":1,\"epoch\":1,\"app_id\":\"" APP "\""
#define WITH(allow) \
	"{" HEAD ",\"containers\":{\"web\":{\"allow\":[" allow "]}}}"
#define ENTRY	"{\"digest\":" ZERO_DIGEST ",\"kinds\":[\"exec\"]}"

static const uint8_t app_id[DSTACK_APP_ID_SIZE] = { 0xab };
static char message[LIBDSTACK_MESSAGE_MAX];

static void keep_message(const char *text)
{
	snprintf(message, sizeof(message), "%s", text);
}

static int parse(const char *text, struct libdstack_policy **policy)
{
	*message = '\0';
	return libdstack_policy_parse(text, strlen(text), policy);
}

static struct libdstack_policy *parsed(const char *text)
{
	struct libdstack_policy *policy;

	assert_int_equal(parse(text, &policy), 0);
	assert_non_null(policy);
	return policy;
}

static void assert_canonical(const struct libdstack_policy *policy,
			     const char *want)
{
	size_t len;
	char *text;

	assert_int_equal(libdstack_policy_canonical(policy, &text, &len), 0);
	assert_string_equal(text, want);
	assert_int_equal(len, strlen(want));
	free(text);
}

/* sha256sum of the canonical text below */
#define CANONICAL_DIGEST \
	"d7e72873d936ec686149f5e9014d486f4ab3105929818ddf862fe8bcb849bc9e"

static void canonical_form_is_rfc8785(void **state)
{
	static const char text[] =
		"\t{ \"version\": 1,\n\"containers\": { \"web\": {\"allow\": ["
		"{ \"path\": \"\\/usr/bin/\\u0022x\\\\y\\\"\\u002fz\", \"kinds\": "
		"[\"ex\\u0065c\", \"script\"], \"digest\":" ZERO_DIGEST "},"
		"{ \"digest\":" ONE_DIGEST ", \"path\": \"/\\u00fc/\\u20ac\","
		"\"kinds\": [ \"map\" ] } ] }, \"a-1\": { \"allow\": [ ] } },"
		"\"app_id\":\"" APP "\", \"epoch\": 9007199254740991 }\n";
	static const char canonical[] =
		"{\"app_id\":\"" APP "\",\"containers\":{\"a-1\":{\"allow\":[]},"
		"\"web\":{\"allow\":[{\"digest\":" ZERO_DIGEST ",\"kinds\":"
		"[\"exec\",\"script\"],\"path\":\"/usr/bin/\\\"x\\\\y\\\"/z\"},"
		"{\"digest\":" ONE_DIGEST ",\"kinds\":[\"map\"],"
		"\"path\":\"/\xc3\xbc/\xe2\x82\xac\"}]}},"
		"\"epoch\":9007199254740991,\"version\":1}";
	struct libdstack_policy *policy = parsed(text);
	uint8_t out[DSTACK_DIGEST_SIZE];
	char hex[2 * DSTACK_DIGEST_SIZE + 1];

	(void)state;
	assert_canonical(policy, canonical);
	assert_int_equal(libdstack_policy_digest(policy, out), 0);
	assert_string_equal(libdstack_to_hex(out, sizeof(out), hex),
			    CANONICAL_DIGEST);
	assert_int_equal(libdstack_policy_epoch(policy),
			 LIBDSTACK_POLICY_EPOCH_MAX);
	libdstack_policy_free(policy);

	policy = parsed(canonical);
	assert_canonical(policy, canonical);
	libdstack_policy_free(policy);
}

/* An array's order is the author's: the digest must be that of the file. */
static void document_keeps_the_order_of_its_arrays(void **state)
{
	static const char text[] =
		"{\"app_id\":\"" APP "\",\"containers\":{\"web\":{\"allow\":["
		"{\"digest\":" ONE_DIGEST ",\"kinds\":[\"script\",\"exec\"]},"
		"{\"digest\":" ZERO_DIGEST ",\"kinds\":[\"map\"]}]}},"
		"\"epoch\":1,\"version\":1}";
	struct libdstack_policy *policy = parsed(text);

	(void)state;
	assert_canonical(policy, text);
	libdstack_policy_free(policy);
}

static void changed_document_is_written_sorted(void **state)
{
	static const char text[] = WITH("{\"digest\":" ONE_DIGEST
					",\"kinds\":[\"script\",\"exec\"]}");
	static const char sorted[] =
		"{\"app_id\":\"" APP "\",\"containers\":{\"web\":{\"allow\":["
		"{\"digest\":" ZERO_DIGEST ",\"kinds\":[\"map\"],\"path\":\"/x\"},"
		"{\"digest\":" ONE_DIGEST ",\"kinds\":[\"exec\",\"script\"]}]}},"
		"\"epoch\":1,\"version\":1}";
	static const uint8_t zeros[DSTACK_DIGEST_SIZE];
	struct libdstack_policy *policy = parsed(text);

	(void)state;
	assert_int_equal(libdstack_policy_add(policy, "web", zeros,
					      DSTACK_KIND_MAP, "/x"), 0);
	assert_canonical(policy, sorted);
	libdstack_policy_free(policy);
}

/* In these a ' stands for a ". */
#define DOC(version, epoch, app_id) \
	"{'version':" version ",'epoch':" epoch ",'app_id':" app_id \
	",'containers':{}}"
#define EPOCH(epoch)	DOC("1", epoch, "'" APP "'")
#define APP_ID(app_id)	DOC("1", "1", app_id)
#define BODY(body)	"{" HEAD ",'containers':" body "}"
#define DIGEST(digest)	WITH("{'digest':'" digest "','kinds':['exec']}")
#define KINDS(kinds)	WITH("{'digest':" ZERO_DIGEST ",'kinds':" kinds "}")
#define PATH(path)	KINDS("['map'],'path':" path)
#define UPPER \
	"A000000000000000000000000000000000000000000000000000000000000000"

static const struct refusal {
	const char *claim;
	const char *text;
	const char *says;	/* where, in the message */
} refusals[] = {
	{ "not JSON", "{", "policy: line 1" },
	{ "empty", "", "policy: line 1" },
	{ "something behind it", BODY("{}") "x", "line 1" },
	{ "an array", "[]", "want an object" },
	{ "version missing", "{'epoch':1,'app_id':'" APP "','containers':{}}",
	  "'version' is missing" },
	{ "version 2", DOC("2", "1", "'" APP "'"), "version: want 1" },
	{ "version true", DOC("true", "1", "'" APP "'"), "version: want 1" },
	{ "epoch missing", "{'version':1,'app_id':'" APP "','containers':{}}",
	  "'epoch' is missing" },
	{ "epoch 0", EPOCH("0"), "epoch: want" },
	{ "epoch -1", EPOCH("-1"), "epoch: want" },
	{ "epoch 2^53", EPOCH("9007199254740992"), "epoch: want" },
	{ "epoch 2^64", EPOCH("18446744073709551616"), "line 1" },
	{ "epoch 1.0", EPOCH("1.0"), "epoch: want" },
	{ "epoch 1e0", EPOCH("1e0"), "epoch: want" },
	{ "epoch text", EPOCH("'1'"), "epoch: want" },
	{ "app_id missing", "{'version':1,'epoch':1,'containers':{}}",
	  "'app_id' is missing" },
	{ "app_id short", APP_ID("'ab'"), "app_id: want" },
	{ "app_id upper case",
	  APP_ID("'ABababababababababababababababababababab'"),
	  "app_id: want" },
	{ "app_id number", APP_ID("1"), "app_id: want" },
	{ "containers missing", "{" HEAD "}", "'containers' is missing" },
	{ "containers an array", BODY("[]"), "containers: want" },
	{ "unknown field", BODY("{},'more':1"), "unknown field 'more'" },
	{ "a field twice", BODY("{},'epoch':1"), "line 1" },
	{ "a field twice, written otherwise", BODY("{},'\\u0065poch':1"),
	  "line 1" },
	{ "section twice", BODY("{'a':{'allow':[]},'a':{'allow':[]}}"),
	  "line 1" },
	{ "section without name", BODY("{'':{'allow':[]}}"), "section ''" },
	{ "section with a slash", BODY("{'a/b':{'allow':[]}}"),
	  "section 'a/b'" },
	{ "section of 64 letters", BODY("{'" ZEROS "':{'allow':[]}}"),
	  "section '0000" },
	{ "section a number", BODY("{'a':1}"), "containers.a: want" },
	{ "allow missing", BODY("{'a':{}}"), "containers.a: field 'allow'" },
	{ "allow an object", BODY("{'a':{'allow':{}}}"),
	  "containers.a.allow: want" },
	{ "unknown field in a section", BODY("{'a':{'allow':[],'deny':[]}}"),
	  "containers.a: unknown field 'deny'" },
	{ "entry a string", WITH(ZERO_DIGEST),
	  "containers.web.allow[0]: want" },
	{ "unknown field in the second entry",
	  WITH(ENTRY ",{'digest':" ONE_DIGEST ",'kinds':['exec'],'size':1}"),
	  "containers.web.allow[1]: unknown field 'size'" },
	{ "digest missing", WITH("{'kinds':['exec']}"),
	  "containers.web.allow[0]: field 'digest'" },
	{ "digest without algorithm", DIGEST(ZEROS),
	  "containers.web.allow[0].digest: want" },
	{ "digest short", DIGEST("sha256:00"),
	  "containers.web.allow[0].digest: want" },
	{ "digest long", DIGEST("sha256:" ZEROS "0"),
	  "containers.web.allow[0].digest: want" },
	{ "digest of another algorithm", DIGEST("sha512:" ZEROS),
	  "containers.web.allow[0].digest: want" },
	{ "digest in upper case", DIGEST("sha256:" UPPER),
	  "containers.web.allow[0].digest: want" },
	{ "digest twice", WITH(ENTRY "," ENTRY),
	  "containers.web.allow[1].digest: an entry above" },
	{ "kinds missing", WITH("{'digest':" ZERO_DIGEST "}"),
	  "containers.web.allow[0]: field 'kinds'" },
	{ "kinds empty", KINDS("[]"), "containers.web.allow[0].kinds: want" },
	{ "kinds a string", KINDS("'exec'"),
	  "containers.web.allow[0].kinds: want" },
	{ "unknown kind", KINDS("['exec','read']"),
	  "containers.web.allow[0].kinds: [1]" },
	{ "kind a number", KINDS("[1]"), "containers.web.allow[0].kinds: [0]" },
	{ "kind twice", KINDS("['map','map']"),
	  "containers.web.allow[0].kinds: 'map' occurs twice" },
	{ "path empty", PATH("''"), "containers.web.allow[0].path: want" },
	{ "path null", PATH("null"), "containers.web.allow[0].path: want" },
	{ "path with a newline", PATH("'/a\\nb'"),
	  "containers.web.allow[0].path: want" },
	{ "path with DEL", PATH("'/a\\u007f'"),
	  "containers.web.allow[0].path: want" },
	{ "path with a C1 control", PATH("'/a\\u009b'"),
	  "containers.web.allow[0].path: want" },
	{ "path with NUL", PATH("'/a\\u0000'"), "line 1" },
	{ "path not UTF-8", PATH("'/\xff'"), "line 1" },
	{ "path with half a surrogate pair", PATH("'/\\ud800'"), "line 1" },
};

static char *with_quotes(const char *text)
{
	char *copy = strdup(text), *p;

	assert_non_null(copy);
	for (p = copy; *p; p++)
		if (*p == '\'')
			*p = '"';
	return copy;
}

static void what_is_not_exactly_a_policy_is_refused(void **state)
{
	struct libdstack_policy *policy;
	char *text, *says;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(refusals); i++) {
		text = with_quotes(refusals[i].text);
		says = with_quotes(refusals[i].says);
		if (parse(text, &policy) != -EBADMSG)
			fail_msg("taken, or another errno: %s",
				 refusals[i].claim);
		assert_null(policy);
		if (!strstr(message, says))
			fail_msg("%s: the message is '%s'", refusals[i].claim,
				 message);
		free(text);
		free(says);
	}
}

static void part_of_a_document_is_refused(void **state)
{
	static const char text[] = WITH(ENTRY);
	struct libdstack_policy *policy;
	size_t len;

	(void)state;
	for (len = 0; len < strlen(text); len++)
		assert_int_equal(libdstack_policy_parse(text, len, &policy),
				 -EBADMSG);
	assert_int_equal(libdstack_policy_parse(text, len, &policy), 0);
	libdstack_policy_free(policy);
}

static void message_has_no_byte_that_a_terminal_obeys(void **state)
{
	struct libdstack_policy *policy;
	const char *p;

	(void)state;
	assert_int_equal(parse("{\"\\u001b[2J\\u009b\\n\":1}", &policy),
			 -EBADMSG);
	assert_non_null(strstr(message, "unknown field"));
	for (p = message; *p; p++)
		assert_in_range(*p, 0x20, 0x7e);
	assert_int_equal(parse("{\"\x1b[2J", &policy), -EBADMSG);
	for (p = message; *p; p++)
		assert_in_range(*p, 0x20, 0x7e);
}

static void text_made_to_fill_memory_is_refused_unparsed(void **state)
{
	size_t i, len = 3 * (8 * POLICY_RULES_MAX +
			     8 * DSTACK_TABLE_SECTIONS + 16);
	char *text = malloc(len);
	struct libdstack_policy *policy;

	(void)state;
	assert_non_null(text);
	for (i = 0; i < len; i++)
		text[i] = i ? "[],"[i % 3] : '[';
	assert_int_equal(libdstack_policy_parse(text, len, &policy), -E2BIG);
	/* In a string the same bytes make no values. */
	text[0] = '"';
	assert_int_equal(libdstack_policy_parse(text, len, &policy), -EBADMSG);
	free(text);
	len = LIBDSTACK_POLICY_FILE_MAX + 1UL;
	assert_int_equal(libdstack_policy_parse("", len, &policy), -EFBIG);
}

static void missing_file_is_an_error(void **state)
{
	struct libdstack_policy *policy;

	(void)state;
	assert_int_equal(libdstack_policy_read("/nonexistent/policy",
					       &policy), -ENOENT);
	assert_null(policy);
}

static void file_is_read_as_its_text(void **state)
{
	char path[] = "/tmp/policy_test.XXXXXX";
	static const char text[] = WITH(ENTRY) "\n";
	static const char canonical[] =
		"{\"app_id\":\"" APP "\",\"containers\":{\"web\":{\"allow\":["
		ENTRY "]}},\"epoch\":1,\"version\":1}";
	struct libdstack_policy *policy;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	assert_int_equal(libdstack_policy_read(path, &policy), 0);
	unlink(path);
	assert_canonical(policy, canonical);
	libdstack_policy_free(policy);
}

static struct libdstack_policy *new_policy(uint64_t epoch)
{
	struct libdstack_policy *policy;

	assert_int_equal(libdstack_policy_new(app_id, epoch, &policy), 0);
	return policy;
}

static void epoch_out_of_range_is_refused(void **state)
{
	struct libdstack_policy *policy;

	(void)state;
	assert_int_equal(libdstack_policy_new(app_id, 0, &policy), -EINVAL);
	assert_int_equal(libdstack_policy_new(app_id,
					      LIBDSTACK_POLICY_EPOCH_MAX + 1,
					      &policy), -EINVAL);
	assert_null(policy);
}

static void malformed_rule_is_refused(void **state)
{
	struct libdstack_policy *policy = new_policy(1);
	uint8_t digest[DSTACK_DIGEST_SIZE] = { 1 };
	char path[LIBDSTACK_POLICY_PATH_MAX + 1];

	(void)state;
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(libdstack_policy_add(policy, "a", digest, 0, NULL),
			 -EINVAL);
	assert_int_equal(libdstack_policy_add(policy, "a", digest, 8, NULL),
			 -EINVAL);
	assert_int_equal(libdstack_policy_add(policy, "a:b", digest, 1, NULL),
			 -EINVAL);
	assert_int_equal(libdstack_policy_add(policy, "a", digest, 1, "/\n"),
			 -EINVAL);
	assert_int_equal(libdstack_policy_add(policy, "a", digest, 1, "\xff"),
			 -EINVAL);
	assert_int_equal(libdstack_policy_add(policy, "a", digest, 1, path),
			 -EINVAL);
	path[LIBDSTACK_POLICY_PATH_MAX - 1] = '\0';
	assert_int_equal(libdstack_policy_add(policy, "a", digest, 1, path),
			 0);
	libdstack_policy_free(policy);
}

/* The same rules in two orders, with what merges in different pieces. */
static void order_of_adding_does_not_matter(void **state)
{
	struct libdstack_policy *one = new_policy(7), *two = new_policy(7);
	uint8_t first[DSTACK_DIGEST_SIZE], second[DSTACK_DIGEST_SIZE];
	uint8_t digest[DSTACK_DIGEST_SIZE] = { 0 };
	char *left, *right;
	size_t len;
	int i;

	(void)state;
	for (i = 0; i < 200; i++) {
		digest[0] = i;
		digest[31] = 255 - i;
		assert_int_equal(libdstack_policy_add(one, i % 2 ? "a" : "b",
						      digest, 1, "/p"), 0);
		assert_int_equal(libdstack_policy_add(one, i % 2 ? "a" : "b",
						      digest, 6, "/q"), 0);
	}
	for (i = 199; i >= 0; i--) {
		digest[0] = i;
		digest[31] = 255 - i;
		assert_int_equal(libdstack_policy_add(two, i % 2 ? "a" : "b",
						      digest, 4, NULL), 0);
		assert_int_equal(libdstack_policy_add(two, i % 2 ? "a" : "b",
						      digest, 2, "/q"), 0);
		assert_int_equal(libdstack_policy_add(two, i % 2 ? "a" : "b",
						      digest, 1, "/p"), 0);
	}
	assert_int_equal(libdstack_policy_canonical(one, &left, &len), 0);
	assert_int_equal(libdstack_policy_canonical(two, &right, &len), 0);
	assert_string_equal(left, right);
	free(left);
	free(right);
	assert_int_equal(libdstack_policy_table_digest(one, first), 0);
	assert_int_equal(libdstack_policy_table_digest(two, second), 0);
	assert_memory_equal(first, second, sizeof(first));
	libdstack_policy_free(one);
	libdstack_policy_free(two);
}

static void built_policy_can_be_read_back(void **state)
{
	struct libdstack_policy *policy = new_policy(3), *again;
	uint8_t digest[DSTACK_DIGEST_SIZE] = { 0x80 };
	size_t len;
	char *text;

	(void)state;
	assert_int_equal(libdstack_policy_add_section(policy, "host"), 0);
	assert_int_equal(libdstack_policy_add(policy, "web", digest, 7,
					      "/\"\\\xc3\xbc"), 0);
	assert_int_equal(libdstack_policy_canonical(policy, &text, &len), 0);
	assert_int_equal(libdstack_policy_parse(text, len, &again), 0);
	assert_canonical(again, text);
	assert_int_equal(libdstack_policy_epoch(again), 3);
	assert_memory_equal(libdstack_policy_app_id(again), app_id,
			    sizeof(app_id));
	free(text);
	libdstack_policy_free(again);
	libdstack_policy_free(policy);
}

/* The rule's kinds follow from its number, so that each can be looked up. */
static void number_rule(uint32_t i, uint8_t *digest, uint32_t *kinds)
{
	memset(digest, 0, DSTACK_DIGEST_SIZE);
	memcpy(digest + 13, &i, sizeof(i));
	digest[0] = i * 37;
	*kinds = i % __DSTACK_KIND_ALL + 1;
}

static void compiled_table_answers_for_every_rule(void **state)
{
	static const char *const sections[] = { "web", "a", "web-1", "host" };
	struct libdstack_policy *policy = new_policy(42);
	uint8_t digest[DSTACK_DIGEST_SIZE];
	const struct dstack_table_section *section;
	const struct dstack_table_header *header;
	uint32_t i, s, kinds, want;
	const char *why;
	size_t size;
	void *table;

	(void)state;
	assert_int_equal(libdstack_policy_add_section(policy, "empty"), 0);
	for (i = 0; i < 1000; i++) {
		number_rule(i, digest, &kinds);
		assert_int_equal(libdstack_policy_add(policy, sections[i % 4],
						      digest, kinds, NULL), 0);
	}
	assert_int_equal(libdstack_policy_compile(policy, &table, &size), 0);
	assert_int_equal(dstack_table_check(table, size, &why), 0);
	header = table;
	assert_int_equal(header->epoch, 42);
	assert_int_equal(header->sections, 5);
	assert_int_equal(header->rules, 1000);
	assert_memory_equal(header->app_id, app_id, sizeof(app_id));
	for (i = 0; i < 1000; i++) {
		number_rule(i, digest, &kinds);
		want = kinds & DSTACK_KIND_EXEC ? kinds | DSTACK_KIND_MAP :
			kinds;
		for (s = 0; s < 4; s++) {
			section = dstack_table_find(table, sections[s]);
			assert_non_null(section);
			assert_int_equal(dstack_table_kinds(table, section,
							    digest),
					 s == i % 4 ? want : 0);
		}
	}
	section = dstack_table_find(table, "empty");
	assert_non_null(section);
	assert_int_equal(dstack_table_kinds(table, section, digest), 0);
	assert_null(dstack_table_find(table, "other"));
	free(table);
	libdstack_policy_free(policy);
}

static void document_without_sections_compiles(void **state)
{
	struct libdstack_policy *policy = parsed("{" HEAD ",\"containers\":{}}");
	size_t size;
	void *table;

	(void)state;
	assert_int_equal(libdstack_policy_compile(policy, &table, &size), 0);
	assert_int_equal(size, sizeof(struct dstack_table_header));
	free(table);
	libdstack_policy_free(policy);
}

static void table_holds_4096_sections_and_no_more(void **state)
{
	struct libdstack_policy *policy = new_policy(1);
	char name[32];
	size_t size;
	void *table;
	int i;

	(void)state;
	for (i = 0; i < DSTACK_TABLE_SECTIONS; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		assert_int_equal(libdstack_policy_add_section(policy, name),
				 0);
	}
	assert_int_equal(libdstack_policy_add_section(policy, "s0"), 0);
	assert_int_equal(libdstack_policy_add_section(policy, "one-more"),
			 -E2BIG);
	assert_int_equal(libdstack_policy_compile(policy, &table, &size), 0);
	free(table);
	libdstack_policy_free(policy);
}

static void table_is_filled_to_its_limit_and_no_further(void **state)
{
	struct libdstack_policy *policy = new_policy(1);
	uint8_t digest[DSTACK_DIGEST_SIZE];
	uint32_t i, kinds;
	size_t size;
	void *table;

	(void)state;
	for (i = 0; i < POLICY_RULES_MAX; i++) {
		number_rule(i, digest, &kinds);
		if (libdstack_policy_add(policy, "a", digest, kinds, NULL))
			fail_msg("no room for rule %u", i);
	}
	/* What is there may be named again; what is new has no room. */
	assert_int_equal(libdstack_policy_add(policy, "a", digest, 7, "/p"), 0);
	number_rule(i, digest, &kinds);
	assert_int_equal(libdstack_policy_add(policy, "a", digest, 1, NULL),
			 -E2BIG);
	assert_int_equal(libdstack_policy_compile(policy, &table, &size), 0);
	assert_in_range(size, DSTACK_TABLE_MAX -
			sizeof(struct dstack_table_rule) + 1,
			DSTACK_TABLE_MAX);
	free(table);
	libdstack_policy_free(policy);
}

static int count_sections(const char *section, size_t rules, void *arg)
{
	size_t *total = arg;

	assert_string_equal(section, *total ? "b" : "a");
	*total += rules;
	return 0;
}

static int stop_at_third(const struct libdstack_rule *rule, void *arg)
{
	int *seen = arg;

	assert_int_equal(rule->kinds, DSTACK_KIND_MAP);
	return ++*seen == 3 ? 99 : 0;
}

static void rules_are_walked_until_the_caller_stops(void **state)
{
	struct libdstack_policy *policy = new_policy(1);
	uint8_t digest[DSTACK_DIGEST_SIZE] = { 0 };
	size_t total = 0;
	int i, seen = 0;

	(void)state;
	for (i = 0; i < 10; i++) {
		digest[5] = i;
		assert_int_equal(libdstack_policy_add(policy,
						      i < 2 ? "b" : "a",
						      digest, DSTACK_KIND_MAP,
						      NULL), 0);
	}
	libdstack_policy_each_section(policy, count_sections, &total);
	assert_int_equal(total, 10);
	assert_int_equal(libdstack_policy_each_rule(policy, NULL,
						    stop_at_third, &seen), 99);
	assert_int_equal(seen, 3);
	seen = 0;
	assert_int_equal(libdstack_policy_each_rule(policy, "b",
						    stop_at_third, &seen), 0);
	assert_int_equal(seen, 2);
	assert_int_equal(libdstack_policy_each_rule(policy, "none",
						    stop_at_third, &seen),
			 -ENOENT);
	libdstack_policy_free(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(canonical_form_is_rfc8785),
		cmocka_unit_test(document_keeps_the_order_of_its_arrays),
		cmocka_unit_test(changed_document_is_written_sorted),
		cmocka_unit_test(what_is_not_exactly_a_policy_is_refused),
		cmocka_unit_test(part_of_a_document_is_refused),
		cmocka_unit_test(message_has_no_byte_that_a_terminal_obeys),
		cmocka_unit_test(text_made_to_fill_memory_is_refused_unparsed),
		cmocka_unit_test(missing_file_is_an_error),
		cmocka_unit_test(file_is_read_as_its_text),
		cmocka_unit_test(epoch_out_of_range_is_refused),
		cmocka_unit_test(malformed_rule_is_refused),
		cmocka_unit_test(order_of_adding_does_not_matter),
		cmocka_unit_test(built_policy_can_be_read_back),
		cmocka_unit_test(compiled_table_answers_for_every_rule),
		cmocka_unit_test(document_without_sections_compiles),
		cmocka_unit_test(table_holds_4096_sections_and_no_more),
		cmocka_unit_test(table_is_filled_to_its_limit_and_no_further),
		cmocka_unit_test(rules_are_walked_until_the_caller_stops),
	};

	libdstack_set_message_callback(keep_message);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
