// SPDX-License-Identifier: MIT
/*
 * Read a policy document, and refuse everything that is not exactly one
 *
 * Copyright The dstack for Linux authors
 *
 * What is refused here can't be read in two ways later: unknown and duplicate
 * fields, digests that occur twice, numbers that another JSON library would
 * round, text that needs escapes.
 */
#include "lib.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "event.h"
#include "policy.h"

#define WHERE_MAX	160	/* containers.<section>.allow[<i>].<field> */

/* A rule of a document has at most 8 commas and opening brackets. */
#define VALUES_MAX	(8 * POLICY_RULES_MAX + 8 * DSTACK_TABLE_SECTIONS)

static int refuse(const char *where, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Text from the document is quoted here, so its bytes are made harmless. */
static int refuse(const char *where, const char *fmt, ...)
{
	char text[LIBDSTACK_MESSAGE_MAX / 2];
	va_list args;
	char *p;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	for (p = text; *p; p++)
		if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e)
			*p = '?';
	dstack_message("policy: %s%s%s", where, *where ? ": " : "", text);
	return -EBADMSG;
}

/*
 * A tree in memory is many times larger than its text when the text is made
 * for that ("[[],[],[],..."): count what makes values before any is made.
 */
static bool too_many_values(const char *text, size_t len)
{
	bool string = false;
	size_t i, values = 0;

	for (i = 0; i < len; i++) {
		if (string && text[i] == '\\')
			i++;
		else if (text[i] == '"')
			string = !string;
		else if (!string && strchr(",[{", text[i]) && text[i])
			values++;
	}
	return values > VALUES_MAX;
}

/* @known ends with NULL; a name that starts with '?' is optional. */
static int check_fields(json_t *object, const char *where,
			const char *const *known)
{
	const char *const *k;
	const char *name;
	json_t *value;

	if (!json_is_object(object))
		return refuse(where, "want an object { ... }");
	json_object_foreach(object, name, value) {
		for (k = known; *k; k++)
			if (!strcmp(name, *k + (**k == '?')))
				break;
		if (!*k)
			return refuse(where, "unknown field \"%.64s\"; remove it or correct its name",
				      name);
	}
	for (k = known; *k; k++)
		if (**k != '?' && !json_object_get(object, *k))
			return refuse(where, "field \"%s\" is missing; add it",
				      *k);
	return 0;
}

/* Lower case only: there is one way to write a digest. */
static bool decode_hex(const char *text, uint8_t *out, size_t len)
{
	return strspn(text, "0123456789abcdef") == 2 * len &&
		libdstack_from_hex(text, strlen(text), out, len);
}

static uint32_t kind_of(const char *name)
{
	uint32_t kind;

	if (!name)
		return 0;
	for (kind = 1; kind & __DSTACK_KIND_ALL; kind <<= 1)
		if (!strcmp(name, dstack_kind_name(kind)))
			return kind;
	return 0;
}

static int parse_kinds(json_t *array, const char *where, uint32_t *kinds)
{
	uint32_t kind;
	json_t *value;
	size_t i;

	*kinds = 0;
	if (!json_is_array(array) || !json_array_size(array))
		return refuse(where, "want an array of \"exec\", \"map\", \"script\", one at least");
	json_array_foreach(array, i, value) {
		kind = kind_of(json_string_value(value));
		if (!kind)
			return refuse(where, "[%zu]: want \"exec\", \"map\" or \"script\"",
				      i);
		if (*kinds & kind)
			return refuse(where, "\"%s\" occurs twice; remove one",
				      dstack_kind_name(kind));
		*kinds |= kind;
	}
	return 0;
}

static int parse_digest(json_t *value, const char *where,
			struct dstack_digest *digest)
{
	const char *text = json_string_value(value);

	if (text && libdstack_digest_from_text(text, digest))
		return 0;
	return refuse(where, "want \"sha256:\" and 64 lower-case hex digits, as sha256sum prints them, or \"fsverity-sha256:\" and those that fsverity prints");
}

static int parse_path(json_t *value, const char *where, const char **path)
{
	*path = NULL;
	if (!value)
		return 0;
	*path = json_string_value(value);
	if (*path && policy_text_ok(*path))
		return 0;
	return refuse(where, "want 1 to %d bytes of printable text; \"path\" is for people only and may be left out",
		      LIBDSTACK_POLICY_PATH_MAX - 1);
}

/* @where is the rule's place and has room for a field behind it. */
static int parse_rule(struct libdstack_policy *policy, const char *section,
		      json_t *rule, const char *where)
{
	static const char *const known[] = { "digest", "kinds", "?path", NULL };
	struct dstack_digest digest;
	char field[WHERE_MAX + 8];
	const char *path;
	uint32_t kinds;
	int err;

	err = check_fields(rule, where, known);
	if (err)
		return err;
	snprintf(field, sizeof(field), "%s.digest", where);
	err = parse_digest(json_object_get(rule, "digest"), field, &digest);
	if (err)
		return err;
	if (policy_find_rule(policy_find(policy, section), &digest))
		return refuse(field, "an entry above has the same digest; unite both in one entry with the kinds of both");
	snprintf(field, sizeof(field), "%s.kinds", where);
	err = parse_kinds(json_object_get(rule, "kinds"), field, &kinds);
	if (err)
		return err;
	snprintf(field, sizeof(field), "%s.path", where);
	err = parse_path(json_object_get(rule, "path"), field, &path);
	if (err)
		return err;
	return libdstack_policy_add(policy, section, &digest, kinds, path);
}

/* Recording less must be asked for. */
static int parse_measure(struct libdstack_policy *policy, const char *name,
			 json_t *value)
{
	const char *text = json_string_value(value);
	char where[WHERE_MAX];
	uint32_t mode;

	if (!value)
		return libdstack_policy_add_section(policy, name);
	for (mode = 0; text && mode < __DSTACK_MODE_MAX; mode++)
		if (!strcmp(text, dstack_mode_name(mode)))
			return libdstack_policy_set_measure(policy, name, mode);
	snprintf(where, sizeof(where), "containers.%s.measure", name);
	return refuse(where, "want \"every\" or \"first\"");
}

static int parse_section(struct libdstack_policy *policy, const char *name,
			 json_t *section)
{
	static const char *const known[] = { "allow", "?measure", NULL };
	char where[WHERE_MAX];
	json_t *allow, *rule;
	size_t i;
	int err;

	if (!dstack_event_name_ok(name))
		return refuse("containers", "section \"%.64s\": want a name of 1 to %d letters, digits, '.', '_' or '-'",
			      name, DSTACK_SECTION_SIZE - 1);
	snprintf(where, sizeof(where), "containers.%s", name);
	err = check_fields(section, where, known);
	if (err)
		return err;
	allow = json_object_get(section, "allow");
	snprintf(where, sizeof(where), "containers.%s.allow", name);
	if (!json_is_array(allow))
		return refuse(where, "want an array of entries; an empty one allows nothing");
	err = parse_measure(policy, name, json_object_get(section, "measure"));
	if (err)
		return err;
	json_array_foreach(allow, i, rule) {
		snprintf(where, sizeof(where), "containers.%s.allow[%zu]",
			 name, i);
		err = parse_rule(policy, name, rule, where);
		if (err)
			return err;
	}
	return 0;
}

static int parse_head(json_t *root, uint64_t *epoch, uint8_t *app_id)
{
	json_t *version = json_object_get(root, "version");
	json_t *value = json_object_get(root, "epoch");
	const char *text = json_string_value(json_object_get(root, "app_id"));

	if (!json_is_integer(version) ||
	    json_integer_value(version) != POLICY_VERSION)
		return refuse("version", "want %d, the only version that this program knows",
			      POLICY_VERSION);
	if (!json_is_integer(value) || json_integer_value(value) < 1 ||
	    json_integer_value(value) > (json_int_t)LIBDSTACK_POLICY_EPOCH_MAX)
		return refuse("epoch", "want a whole number from 1 to %llu, without fraction or exponent",
			      LIBDSTACK_POLICY_EPOCH_MAX);
	if (!text || !decode_hex(text, app_id, DSTACK_APP_ID_SIZE))
		return refuse("app_id", "want %d lower-case hex digits, without 0x",
			      2 * DSTACK_APP_ID_SIZE);
	*epoch = json_integer_value(value);
	return 0;
}

static int parse_root(json_t *root, struct libdstack_policy **policy)
{
	static const char *const known[] = {
		"version", "epoch", "app_id", "containers", NULL
	};
	uint8_t app_id[DSTACK_APP_ID_SIZE];
	json_t *containers, *section;
	uint64_t epoch;
	const char *name;
	int err;

	err = check_fields(root, "", known);
	if (!err)
		err = parse_head(root, &epoch, app_id);
	if (err)
		return err;
	containers = json_object_get(root, "containers");
	if (!json_is_object(containers))
		return refuse("containers", "want an object of sections");
	err = libdstack_policy_new(app_id, epoch, policy);
	if (err)
		return err;
	json_object_foreach(containers, name, section) {
		err = parse_section(*policy, name, section);
		if (err)
			return err;
	}
	return 0;
}

int libdstack_policy_parse(const char *text, size_t len,
			   struct libdstack_policy **policy)
{
	json_error_t error;
	json_t *root;
	int err;

	*policy = NULL;
	if (len > LIBDSTACK_POLICY_FILE_MAX) {
		dstack_message("policy: longer than %u bytes; a kernel table holds no policy of that size",
			       LIBDSTACK_POLICY_FILE_MAX);
		return -EFBIG;
	}
	if (too_many_values(text, len)) {
		dstack_message("policy: more values than a kernel table has rules for");
		return -E2BIG;
	}
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (!root && json_error_code(&error) == json_error_out_of_memory)
		return -ENOMEM;
	if (!root)
		return refuse("", "line %d, column %d: %s", error.line,
			      error.column, error.text);
	err = parse_root(root, policy);
	if (err) {
		json_decref(root);
		libdstack_policy_free(*policy);
		*policy = NULL;
		return err;
	}
	(*policy)->source = root;
	return 0;
}

int libdstack_policy_read(const char *path, struct libdstack_policy **policy)
{
	size_t len;
	char *text;
	int err;

	*policy = NULL;
	err = dstack_file_read(path, LIBDSTACK_POLICY_FILE_MAX, &text, &len);
	if (err)
		return err;
	err = libdstack_policy_parse(text, len, policy);
	free(text);
	return err;
}
