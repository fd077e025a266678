// SPDX-License-Identifier: MIT
/*
 * A policy has one way to be read, and one canonical form
 *
 * Copyright The dstack for Linux authors
 */
#include "policy_fixture.h"

/* As many commas and opening brackets as a document may have. */
#define VALUES_MAX	(8 * POLICY_RULES_MAX + 64 * DSTACK_TABLE_SECTIONS)

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
		"{\"digest\":" ZERO_DIGEST ",\"kinds\":[\"map\",\"kernel\"]}],"
		"\"memory\":\"deny\",\"revoked\":\"log\",\"storage\":{"
		"\"exec\":[\"memory\",\"disk\"],\"kernel\":[],\"script\":"
		"[\"memfd\",\"fs-verity\",\"disk\",\"authenticated\","
		"\"dm-verity\",\"memory\"]},\"trust\":{}},"
		"\"web2\":{\"allow\":[],\"storage\":{},\"trust\":{"
		"\"map\":[],\"script\":[\"memfd\",\"disk\"]}}},"
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
	static const struct dstack_digest zeros = { .alg = DSTACK_ALG_SHA256 };
	struct libdstack_policy *policy = parsed(text);

	(void)state;
	assert_int_equal(libdstack_policy_add(policy, "web", &zeros,
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
#define TERM(term)	BODY("{'a':{'allow':[]," term "}}")
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
	{ "memory unknown", TERM("'memory':'maybe'"),
	  "containers.a.memory: want 'deny' or 'allow'" },
	{ "memory true", TERM("'memory':true"), "containers.a.memory: want" },
	{ "memory twice", TERM("'memory':'deny','memory':'deny'"),
	  "containers.a: field 'memory' occurs twice" },
	{ "revoked unknown", TERM("'revoked':'stop'"),
	  "containers.a.revoked: want 'log', 'kill' or 'freeze'" },
	{ "revoked null", TERM("'revoked':null"),
	  "containers.a.revoked: want" },
	{ "storage an array", TERM("'storage':[]"),
	  "containers.a.storage: want an object" },
	{ "storage of an unknown kind", TERM("'storage':{'read':[]}"),
	  "containers.a.storage: unknown field 'read'" },
	{ "storage of a kind twice", TERM("'storage':{'map':[],'map':[]}"),
	  "containers.a.storage: field 'map' occurs twice" },
	{ "storage of a kind a string", TERM("'storage':{'map':'disk'}"),
	  "containers.a.storage.map: want an array" },
	{ "storage unknown", TERM("'storage':{'map':['disk','tape']}"),
	  "containers.a.storage.map: [1]: want" },
	{ "storage with NUL", TERM("'storage':{'map':['disk\\u0000']}"),
	  "containers.a.storage.map: [0]: want" },
	{ "storage a number", TERM("'storage':{'map':[0]}"),
	  "containers.a.storage.map: [0]: want" },
	{ "storage twice", TERM("'storage':{'exec':['memfd','memfd']}"),
	  "containers.a.storage.exec: 'memfd' occurs twice" },
	{ "untrusted storage accepted",
	  TERM("'storage':{'exec':['untrusted']}"),
	  "containers.a.storage.exec: [0]: want" },
	{ "pseudo storage accepted", TERM("'storage':{'exec':['pseudo']}"),
	  "containers.a.storage.exec: [0]: want" },
	{ "open memfd accepted", TERM("'storage':{'exec':['memfd-open']}"),
	  "containers.a.storage.exec: [0]: want" },
	{ "untrusted storage trusted", TERM("'trust':{'script':['untrusted']}"),
	  "containers.a.trust.script: [0]: want" },
	{ "trusted but not accepted",
	  TERM("'trust':{'exec':['disk']},'storage':{'exec':['memory']}"),
	  "containers.a.trust.exec: trusts a class that" },
	{ "trusted where nothing is accepted",
	  TERM("'storage':{'kernel':[]},'trust':{'kernel':['disk']}"),
	  "containers.a.trust.kernel: trusts a class that" },
	{ "measure unknown", BODY("{'a':{'allow':[],'measure':'some'}}"),
	  "containers.a.measure: want" },
	{ "measure a number", BODY("{'a':{'allow':[],'measure':1}}"),
	  "containers.a.measure: want" },
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
	{ "fs-verity digest of SHA-512", DIGEST("fsverity-sha512:" ZEROS),
	  "containers.web.allow[0].digest: want" },
	{ "no digest", DIGEST("none"),
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
	{ "byte order mark", "\xef\xbb\xbf" BODY("{}"), "line 1, column 1:" },
	{ "comma behind the last field", BODY("{},"), "line 1" },
	{ "comma behind the last entry", WITH(ENTRY ","), "line 1" },
	{ "comment", "/**/" BODY("{}"), "line 1" },
	{ "two documents", BODY("{}") BODY("{}"), "line 1" },
	{ "a string", "'policy'", "want an object" },
	{ "a number", "1", "want an object" },
	{ "version 1.0", DOC("1.0", "1", "'" APP "'"), "version: want 1" },
	{ "version 01", DOC("01", "1", "'" APP "'"), "line 1" },
	{ "epoch +1", EPOCH("+1"), "line 1" },
	{ "epoch 0x1", EPOCH("0x1"), "line 1" },
	{ "epoch -0", EPOCH("-0"), "epoch: want" },
	{ "epoch -2^63", EPOCH("-9223372036854775808"), "epoch: want" },
	{ "epoch 2^64 + 1", EPOCH("18446744073709551617"), "epoch: want" },
	{ "epoch of 400 digits", EPOCH("1" ZEROS ZEROS ZEROS ZEROS ZEROS ZEROS
				       "0000000000000000"), "line 1" },
	{ "epoch infinite", EPOCH("Infinity"), "line 1" },
	{ "epoch NaN", EPOCH("NaN"), "line 1" },
	{ "epoch nested deeply", EPOCH("[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]"),
	  "epoch: want" },
	{ "app_id with NUL", APP_ID("'" APP "\\u0000'"), "app_id: want" },
	{ "name of a field with NUL", BODY("{},'epoch\\u0000':1"),
	  "unknown field 'epoch?'" },
	{ "section twice, the other empty",
	  BODY("{'a':{'allow':[" ENTRY "]},'b':{'allow':[]},'a':{'allow':[]}}"),
	  "containers.a: the section occurs twice" },
	{ "section twice, written otherwise",
	  BODY("{'a':{'allow':[]},'\\u0061':{'allow':[]}}"),
	  "containers.a: the section occurs twice" },
	{ "name of a section with NUL", BODY("{'a\\u0000':{'allow':[]}}"),
	  "section 'a?'" },
	{ "containers twice", BODY("{},'containers':{}"),
	  "field 'containers' occurs twice" },
	{ "allow twice", BODY("{'a':{'allow':[],'allow':[]}}"),
	  "containers.a: field 'allow' occurs twice" },
	{ "measure twice",
	  BODY("{'a':{'measure':'every','allow':[],'measure':'every'}}"),
	  "containers.a: field 'measure' occurs twice" },
	{ "measure with NUL",
	  BODY("{'a':{'allow':[],'measure':'first\\u0000'}}"),
	  "containers.a.measure: want" },
	{ "digest's field twice", WITH("{'digest':" ZERO_DIGEST ",'digest':"
				       ZERO_DIGEST ",'kinds':['exec']}"),
	  "containers.web.allow[0]: field 'digest' occurs twice" },
	{ "kinds' field twice", KINDS("['exec'],'kinds':['exec']"),
	  "containers.web.allow[0]: field 'kinds' occurs twice" },
	{ "path's field twice", PATH("'/a','path':'/a'"),
	  "containers.web.allow[0]: field 'path' occurs twice" },
	{ "digest with NUL", DIGEST("sha256:" ZEROS "\\u0000"),
	  "containers.web.allow[0].digest: want" },
	{ "kind with NUL", KINDS("['exec\\u0000']"),
	  "containers.web.allow[0].kinds: [0]" },
	{ "more kinds than there are",
	  KINDS("['exec','map','script','kernel','control','exec']"),
	  "containers.web.allow[0].kinds: 'exec' occurs twice" },
	{ "digest of the first entry in the last", WITH(ENTRY ",{'digest':"
	  ONE_DIGEST ",'kinds':['map']},{'kinds':['map'],'digest':" ZERO_DIGEST
	  "}"), "containers.web.allow[2].digest: an entry above" },
	{ "path not UTF-8 but overlong", PATH("'/\xc0\xaf'"), "line 1" },
	{ "path not UTF-8 but a surrogate", PATH("'/\xed\xa0\x80'"), "line 1" },
	{ "path with a raw newline", PATH("'/a\nb'"), "line 1" },
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

/* A person who wrote it by hand looks for the line. */
static void message_says_near_which_line(void **state)
{
	static const char text[] =
		"{" HEAD ",\n \"containers\": {\n  \"web\": { \"allow\": [\n"
		"   " ENTRY ",\n   {\"kinds\":[\"map\"],\n"
		"    \"path\": \"\\n\\n\xc3\xbc\", \"digest\":" ONE_DIGEST "}\n"
		"] } } }";
	struct libdstack_policy *policy;

	(void)state;
	assert_int_equal(parse(text, &policy), -EBADMSG);
	assert_non_null(strstr(message, "containers.web.allow[1].path: want "));
	assert_non_null(strstr(message, "(near line 6, column 5)"));
	assert_int_equal(parse("{\n\n\"version\":1,\n  x", &policy), -EBADMSG);
	assert_non_null(strstr(message, "policy: line 4, column 3: "));
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
	size_t i, len = 3 * (VALUES_MAX + 16);
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

/* As many of those bytes as would be too many, but they make no values. */
static void commas_in_paths_are_no_values(void **state)
{
	static const size_t rules = VALUES_MAX / 4000 + 1;
	char *text = malloc(rules * 4200 + 4200), *p = text;
	struct libdstack_policy *policy;
	size_t i;

	(void)state;
	assert_non_null(text);
	p += sprintf(p, "{" HEAD ",\"containers\":{\"a\":{\"allow\":[");
	for (i = 0; i < rules; i++) {
		p += sprintf(p, "%s{\"digest\":\"sha256:%064zx\",\"kinds\":[\"map\"],\"path\":\"",
			     i ? "," : "", i);
		memset(p, ",[{"[i % 3], 4000);
		p += 4000;
		p += sprintf(p, "\"}");
	}
	p += sprintf(p, "]}}}");
	assert_int_equal(libdstack_policy_parse(text, p - text, &policy), 0);
	libdstack_policy_free(policy);
	free(text);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(canonical_form_is_rfc8785),
		cmocka_unit_test(document_keeps_the_order_of_its_arrays),
		cmocka_unit_test(changed_document_is_written_sorted),
		cmocka_unit_test(what_is_not_exactly_a_policy_is_refused),
		cmocka_unit_test(message_says_near_which_line),
		cmocka_unit_test(part_of_a_document_is_refused),
		cmocka_unit_test(message_has_no_byte_that_a_terminal_obeys),
		cmocka_unit_test(text_made_to_fill_memory_is_refused_unparsed),
		cmocka_unit_test(commas_in_paths_are_no_values),
		cmocka_unit_test(missing_file_is_an_error),
		cmocka_unit_test(file_is_read_as_its_text),
	};

	libdstack_set_message_callback(keep_message);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
