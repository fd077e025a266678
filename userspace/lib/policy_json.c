// SPDX-License-Identifier: MIT
/*
 * A policy from its document, if it is exactly one
 *
 * Copyright The dstack for Linux authors
 *
 * What is refused here can't be read in two ways later: unknown and duplicate
 * fields, digests that occur twice, numbers that another JSON library would
 * round, text that needs escapes.
 *
 * yyjson reads it, and not jansson as elsewhere: a policy of 100,000 rules,
 * which every boot waits for, costs a thirtieth of the instructions.  It keeps
 * fields that occur twice and strings with NUL in them; here both are refused.
 */
#include "lib.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "event.h"
#include "policy_fields.h"
#include "words.h"

static_assert(POLICY_PADDING == YYJSON_PADDING_SIZE, "for the reader");

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

static int parse_kinds(const struct reader *reader, const struct field *field,
		       struct policy_rule *rule)
{
	yyjson_val *value;
	uint32_t kind;
	size_t i, nr;

	if (!yyjson_arr_size(field->value))
		return policy_refuse(reader, field, "want an array of \"exec\", \"map\", \"script\", \"kernel\", \"control\", one at least");
	yyjson_arr_foreach(field->value, i, nr, value) {
		kind = kind_of(policy_text(value));
		if (!kind)
			return policy_refuse(reader, field, "[%zu]: want \"exec\", \"map\", \"script\", \"kernel\" or \"control\"",
					     i);
		if (rule->kinds & kind)
			return policy_refuse(reader, field, "\"%s\" occurs twice; remove one",
					     dstack_kind_name(kind));
		rule->kinds |= kind;
		rule->written[i] = kind;
	}
	return 0;
}

static int parse_digest(const struct reader *reader, const struct field *field,
			struct dstack_digest *digest)
{
	const char *text = policy_text(field->value);

	if (text && libdstack_digest_from_text(text, digest))
		return 0;
	return policy_refuse(reader, field, "want \"sha256:\" and 64 lower-case hex digits, as sha256sum prints them, or \"fsverity-sha256:\" and those that fsverity prints");
}

static int parse_path(const struct reader *reader, const struct field *field,
		      char **path)
{
	const char *text = policy_text(field->value);

	if (!field->value)
		return 0;
	if (!text || !policy_text_printable(text))
		return policy_refuse(reader, field, "want 1 to %d bytes of printable text; \"path\" is for people only and may be left out",
				     LIBDSTACK_POLICY_PATH_MAX - 1);
	*path = strdup(text);
	return *path ? 0 : -ENOMEM;
}

static int parse_rule(struct reader *reader, struct policy_section *section,
		      yyjson_val *value)
{
	struct field fields[] = {
		{ FIELD("digest") }, { FIELD("kinds") },
		{ FIELD("path"), .optional = true }, { 0 }
	};
	struct policy_rule rule = { .place = reader->entry };
	int err;

	err = policy_take_fields(reader, value, fields) ?:
		parse_digest(reader, &fields[0], &rule.digest) ?:
		parse_kinds(reader, &fields[1], &rule) ?:
		parse_path(reader, &fields[2], &rule.path);
	if (err)
		return err;
	section->rules[section->nr_rules++] = rule;
	reader->policy->nr_rules++;
	return 0;
}

static int refuse_twice(struct reader *reader, yyjson_val *allow, size_t place)
{
	struct field field = { FIELD("digest") };

	reader->entry = place;
	field.value = yyjson_obj_get(yyjson_arr_get(allow, place), field.name);
	field.at = yyjson_get_str(field.value);
	return policy_refuse(reader, &field, "an entry above has the same digest; unite both in one entry with the kinds of both");
}

static int parse_allow(struct reader *reader, const struct field *field,
		       struct policy_section *section)
{
	const struct policy_rule *twice;
	yyjson_val *value;
	size_t i, nr;
	int err;

	if (!yyjson_is_arr(field->value))
		return policy_refuse(reader, field, "want an array of entries; an empty one allows nothing");
	err = policy_reserve(reader->policy, section,
			     yyjson_arr_size(field->value));
	if (err)
		return err;
	reader->array = field->name;
	yyjson_arr_foreach(field->value, i, nr, value) {
		reader->entry = i;
		err = parse_rule(reader, section, value);
		if (err)
			return err;
	}
	reader->entry = NO_ENTRY;
	twice = policy_sort(section);
	return twice ? refuse_twice(reader, field->value, twice->place) : 0;
}

enum { ALLOW = TERM_KEYS + 1 };

static int parse_section(struct reader *reader, yyjson_val *name,
			 yyjson_val *value)
{
	struct field fields[] = {
		[TERM_MEASURE] = { FIELD("measure"), .optional = true },
		[TERM_MEMORY] = { FIELD("memory"), .optional = true },
		[TERM_REVOKED] = { FIELD("revoked"), .optional = true },
		[TERM_STORAGE] = { FIELD("storage"), .optional = true },
		[TERM_TRUST] = { FIELD("trust"), .optional = true },
		[TERM_KEYS] = { FIELD("keys"), .optional = true },
		[ALLOW] = { FIELD("allow") }, { 0 }
	};
	struct field all = {
		.name = "containers", .at = yyjson_get_str(name)
	};
	struct policy_section *section;
	char shown[NAME_SHOWN + 1];
	int err;

	if (!policy_text(name) || !dstack_event_name_ok(policy_text(name)))
		return policy_refuse(reader, &all, "section \"%s\": want a name of 1 to %d letters, digits, '.', '_' or '-'",
				     policy_show_name(name, shown),
				     DSTACK_SECTION_SIZE - 1);
	reader->at = all.at;
	reader->section = all.at;
	if (policy_find(reader->policy, reader->section))
		return policy_refuse(reader, NULL, "the section occurs twice; remove one, or unite what they allow");
	err = policy_take_fields(reader, value, fields) ?:
		policy_add_section(reader->policy, reader->section, &section);
	if (err)
		return err;
	err = policy_parse_terms(reader, fields, section) ?:
		parse_allow(reader, &fields[ALLOW], section);
	reader->section = NULL;
	return err;
}

enum { VERSION, EPOCH, APP_ID, CONTAINERS };

static int parse_head(const struct reader *reader, const struct field *fields,
		      struct libdstack_policy **policy)
{
	yyjson_val *version = fields[VERSION].value;
	yyjson_val *epoch = fields[EPOCH].value;
	const char *text = policy_text(fields[APP_ID].value);
	uint8_t app_id[DSTACK_APP_ID_SIZE];

	if (!yyjson_is_uint(version) ||
	    yyjson_get_uint(version) != POLICY_VERSION)
		return policy_refuse(reader, &fields[VERSION], "want %d, the only version that this program knows",
				     POLICY_VERSION);
	if (!yyjson_is_uint(epoch) || yyjson_get_uint(epoch) < 1 ||
	    yyjson_get_uint(epoch) > LIBDSTACK_POLICY_EPOCH_MAX)
		return policy_refuse(reader, &fields[EPOCH], "want a whole number from 1 to %llu, without fraction or exponent",
				     LIBDSTACK_POLICY_EPOCH_MAX);
	if (!text || !decode_hex(text, app_id, DSTACK_APP_ID_SIZE))
		return policy_refuse(reader, &fields[APP_ID], "want %d lower-case hex digits, without 0x",
				     2 * DSTACK_APP_ID_SIZE);
	return libdstack_policy_new(app_id, yyjson_get_uint(epoch), policy);
}

static int parse_root(struct reader *reader, yyjson_val *root)
{
	struct field fields[] = {
		[VERSION] = { FIELD("version") }, [EPOCH] = { FIELD("epoch") },
		[APP_ID] = { FIELD("app_id") },
		[CONTAINERS] = { FIELD("containers") }, { 0 }
	};
	yyjson_val *name, *value;
	size_t i, nr;
	int err;

	err = policy_take_fields(reader, root, fields) ?:
		parse_head(reader, fields, &reader->policy);
	if (err)
		return err;
	if (!yyjson_is_obj(fields[CONTAINERS].value))
		return policy_refuse(reader, &fields[CONTAINERS],
				     "want an object of sections");
	yyjson_obj_foreach(fields[CONTAINERS].value, i, nr, name, value) {
		err = parse_section(reader, name, value);
		if (err)
			return err;
	}
	reader->policy->as_read = true;
	return 0;
}

int policy_from_json(const char *text, char *copy, size_t len,
		     struct libdstack_policy **policy)
{
	struct reader reader = {
		.text = text, .copy = copy, .len = len, .entry = NO_ENTRY
	};
	yyjson_read_err error;
	size_t line, column;
	yyjson_doc *doc;
	int err;

	doc = yyjson_read_opts(copy, len, YYJSON_READ_INSITU, NULL, &error);
	if (doc) {
		err = parse_root(&reader, yyjson_doc_get_root(doc));
		yyjson_doc_free(doc);
		*policy = reader.policy;
		return err;
	}
	if (error.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
		return -ENOMEM;
	policy_find_line(&reader, error.pos, &line, &column);
	dstack_message("policy: line %zu, column %zu: %s", line, column,
		       error.msg);
	return -EBADMSG;
}
