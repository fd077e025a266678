// SPDX-License-Identifier: MIT
/*
 * Every small change of a document, judged by another JSON library as well
 *
 * Copyright The dstack for Linux authors
 *
 * The reader and jansson, with the rules of policy.rst written down once more,
 * must agree on what is a policy and on its canonical form.
 */
#include "policy_fixture.h"

#include <jansson.h>

static const char document[] =
	"{\n \"version\": 1, \"epoch\": 20,\n \"app_id\": \"" APP "\",\n"
	" \"containers\": { \"web\": { \"measure\": \"first\",\n"
	"  \"trust\": {\"map\": [\"disk\"]}, \"memory\": \"allow\",\n"
	"  \"storage\": {\"exec\": [], \"map\": [\"memfd\", \"disk\"]},\n"
	"  \"allow\": [ { \"path\": \"/\\u00fc\xc3\xbc/\\\"\\\\\\/a\",\n"
	"   \"kinds\": [\"script\", \"exec\"], \"digest\": " ONE_DIGEST " },\n"
	"  { \"kinds\": [\"map\"], \"digest\": \"fsverity-sha256:" ZEROS "\" },\n"
	"  { \"digest\": " ZERO_DIGEST ", \"kinds\": [\"map\"] } ] },\n"
	"  \"a.b\": { \"allow\": [], \"measure\": \"every\",\n"
	"   \"revoked\": \"kill\", \"trust\": {}, \"memory\": \"deny\" } } }\n";

static bool lower_hex(const char *text, size_t len)
{
	return strlen(text) == len &&
		strspn(text, "0123456789abcdef") == len;
}

static bool digest_is_good(const char *text)
{
	if (!strncmp(text, "sha256:", 7))
		return lower_hex(text + 7, 64);
	return !strncmp(text, "fsverity-sha256:", 16) &&
		lower_hex(text + 16, 64);
}

static bool kinds_are_good(json_t *kinds)
{
	static const char *const known[] = {
		"exec", "map", "script", "kernel", "control"
	};
	size_t i, k, seen[ARRAY_SIZE(known)] = { 0 };
	const char *text;

	for (i = 0; i < json_array_size(kinds); i++) {
		text = json_string_value(json_array_get(kinds, i));
		for (k = 0; k < ARRAY_SIZE(known); k++)
			if (text && !strcmp(text, known[k]))
				break;
		if (k == ARRAY_SIZE(known) || seen[k]++)
			return false;
	}
	return i;
}

static bool path_is_good(const char *path)
{
	const unsigned char *p = (const unsigned char *)path;

	for (; *p; p++)
		if (*p < ' ' || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0))
			return false;
	return *path && strlen(path) < LIBDSTACK_POLICY_PATH_MAX;
}

static bool rules_are_good(json_t *allow)
{
	json_t *seen = json_object(), *kinds;
	const char *digest, *path;
	bool good = json_is_array(allow);
	size_t i;

	for (i = 0; good && i < json_array_size(allow); i++) {
		path = "-";
		good = !json_unpack(json_array_get(allow, i),
				    "{s:s, s:o, s?s !}", "digest", &digest,
				    "kinds", &kinds, "path", &path) &&
			digest_is_good(digest) && kinds_are_good(kinds) &&
			path_is_good(path) && !json_object_get(seen, digest);
		if (good)
			json_object_set(seen, digest, kinds);
	}
	json_decref(seen);
	return good;
}

static bool one_of(const char *text, const char *a, const char *b,
		   const char *c)
{
	return !strcmp(text, a) || !strcmp(text, b) || !strcmp(text, c);
}

static bool classes_are_good(json_t *classes)
{
	json_t *seen = json_object();
	bool good = json_is_array(classes);
	const char *text;
	size_t i;

	for (i = 0; good && i < json_array_size(classes); i++) {
		text = json_string_value(json_array_get(classes, i));
		good = text && !json_object_get(seen, text) &&
			(one_of(text, "disk", "memory", "memfd") ||
			 one_of(text, "fs-verity", "dm-verity",
				"authenticated"));
		if (good)
			json_object_set(seen, text, classes);
	}
	json_decref(seen);
	return good;
}

static bool use_is_good(json_t *use)
{
	json_t *classes;
	const char *kind;

	if (use && !json_is_object(use))
		return false;
	json_object_foreach(use, kind, classes)
		if ((!one_of(kind, "exec", "map", "script") &&
		     !one_of(kind, "kernel", "control", "exec")) ||
		    !classes_are_good(classes))
			return false;
	return true;
}

static bool has(json_t *array, json_t *wanted)
{
	size_t i;

	for (i = 0; i < json_array_size(array); i++)
		if (json_equal(json_array_get(array, i), wanted))
			return true;
	return !array;
}

/* What is left out accepts everything. */
static bool trust_is_accepted(json_t *storage, json_t *trust)
{
	json_t *classes;
	const char *kind;
	size_t i;

	json_object_foreach(trust, kind, classes)
		for (i = 0; i < json_array_size(classes); i++)
			if (!has(json_object_get(storage, kind),
				 json_array_get(classes, i)))
				return false;
	return true;
}

static bool section_is_good(const char *name, json_t *section)
{
	static const char letters[] = "0123456789._-"
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	const char *measure = "every", *memory = "deny", *revoked = "log";
	json_t *allow, *storage = NULL, *trust = NULL;

	return *name && strlen(name) < DSTACK_SECTION_SIZE &&
		strspn(name, letters) == strlen(name) &&
		!json_unpack(section, "{s:o, s?s, s?s, s?s, s?o, s?o !}",
			     "allow", &allow, "measure", &measure,
			     "memory", &memory, "revoked", &revoked,
			     "storage", &storage, "trust", &trust) &&
		one_of(measure, "every", "first", "first") &&
		one_of(memory, "deny", "allow", "allow") &&
		one_of(revoked, "log", "kill", "freeze") &&
		use_is_good(storage) && use_is_good(trust) &&
		trust_is_accepted(storage, trust) && rules_are_good(allow);
}

static bool root_is_good(json_t *root)
{
	json_t *containers, *section;
	json_int_t version, epoch;
	const char *app_id, *name;

	if (json_unpack(root, "{s:I, s:I, s:s, s:o !}", "version", &version,
			"epoch", &epoch, "app_id", &app_id,
			"containers", &containers) ||
	    version != 1 || epoch < 1 ||
	    epoch > (json_int_t)LIBDSTACK_POLICY_EPOCH_MAX ||
	    !lower_hex(app_id, 40) || !json_is_object(containers))
		return false;
	json_object_foreach(containers, name, section)
		if (!section_is_good(name, section))
			return false;
	return true;
}

/*
 * Its canonical form, or NULL if it is not a policy.  jansson overlooks a NUL
 * behind a number.
 */
static char *judge(const char *text, size_t len)
{
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	char *canonical = NULL;

	if (!memchr(text, '\0', len) && root && root_is_good(root))
		canonical = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(root);
	return canonical;
}

static void assert_same_verdict(const char *text, size_t len)
{
	char *want = judge(text, len);
	struct libdstack_policy *policy, *again;
	int err;

	err = libdstack_policy_parse(text, len, &policy);
	if (err != (want ? 0 : -EBADMSG))
		fail_msg("%d for %s: %.*s", err, want ? "a policy" : "none",
			 (int)len, text);
	if (want) {
		assert_canonical(policy, want);
		libdstack_policy_free(policy);
		assert_int_equal(libdstack_policy_parse(want, strlen(want),
							&again), 0);
		assert_canonical(again, want);
		libdstack_policy_free(again);
	}
	free(want);
}

/* Exactly as long as it is, so that the sanitizer sees what reads on. */
static char *buffer(size_t len)
{
	char *text = malloc(len ?: 1);

	assert_non_null(text);
	return text;
}

static const char bytes[] =
	"\0\x01\t\n\x1f !\"',-./019:ABFGZ[\\]_abefgmnprstuz{}~\x7f\x80\x9f\xa0"
	"\xbf\xc0\xc2\xc3\xe0\xed\xef\xf4\xff";

static void byte_in_place_of_another_is_judged_alike(void **state)
{
	size_t len = sizeof(document) - 1, i, b;
	char *text = buffer(len);

	(void)state;
	libdstack_policy_free(parsed(document));
	assert_same_verdict(document, len);
	memcpy(text, document, len);
	for (i = 0; i < len; i++) {
		for (b = 0; b < sizeof(bytes) - 1; b++) {
			text[i] = bytes[b];
			assert_same_verdict(text, len);
		}
		text[i] = document[i];
	}
	free(text);
}

/* The text with what is from @from to @to there @times. */
static void assert_same_with_part(size_t from, size_t to, size_t times)
{
	size_t len = sizeof(document) - 1, part = to - from, i;
	char *text = buffer(len + (times - 1) * part), *p = text;

	memcpy(p, document, from);
	p += from;
	for (i = 0; i < times; i++, p += part)
		memcpy(p, document + from, part);
	memcpy(p, document + to, len - to);
	assert_same_verdict(text, p - text + len - to);
	free(text);
}

static void part_that_is_missing_or_twice_is_judged_alike(void **state)
{
	static const size_t sizes[] = { 1, 2, 3, 5, 9, 17, 40, 88, 170 };
	size_t len = sizeof(document) - 1, i, s;

	(void)state;
	for (s = 0; s < ARRAY_SIZE(sizes); s++) {
		for (i = 0; i + sizes[s] <= len; i++) {
			assert_same_with_part(i, i + sizes[s], 0);
			assert_same_with_part(i, i + sizes[s], 2);
		}
	}
}

static void byte_more_is_judged_alike(void **state)
{
	size_t len = sizeof(document), i, b;
	char *text = buffer(len);

	(void)state;
	for (i = 0; i < len; i++) {
		memcpy(text, document, i);
		memcpy(text + i + 1, document + i, len - 1 - i);
		for (b = 0; b < sizeof(bytes) - 1; b++) {
			text[i] = bytes[b];
			assert_same_verdict(text, len);
		}
	}
	free(text);
}

/* Every string in turn: its first byte as an escape, of NUL and of itself. */
static void escape_in_each_string_is_judged_alike(void **state)
{
	static const char *const escapes[] = {
		"\\u0000", "\\u0065", "\\n", "\\/", "\\u007f", "\\u0085",
		"\\ud800", "\\udc00", "\\ud83d\\ude00", "\\uFFFF", "\\x",
		"\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc0\xaf", "\xef\xbb\xbf",
		"\xf0\x9f\x98\x80",
	};
	size_t len = sizeof(document) - 1, i, e, n;
	char *text = buffer(len + 16);

	(void)state;
	for (i = 0; i <= len; i++) {
		for (e = 0; e < ARRAY_SIZE(escapes); e++) {
			n = strlen(escapes[e]);
			memcpy(text, document, i);
			memcpy(text + i, escapes[e], n);
			memcpy(text + i + n, document + i, len - i);
			assert_same_verdict(text, len + n);
			memcpy(text + i + n - (i < len), document + i, len - i);
			assert_same_verdict(text, len + n - (i < len));
		}
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(byte_in_place_of_another_is_judged_alike),
		cmocka_unit_test(byte_more_is_judged_alike),
		cmocka_unit_test(part_that_is_missing_or_twice_is_judged_alike),
		cmocka_unit_test(escape_in_each_string_is_judged_alike),
	};

	libdstack_set_message_callback(keep_message);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
