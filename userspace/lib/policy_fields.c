// SPDX-License-Identifier: MIT
/*
 * The fields of a policy document: each known, each once
 *
 * Copyright The dstack for Linux authors
 */
#include "lib.h"

#include <stdarg.h>
#include <string.h>

#include "policy_fields.h"

#define WHERE_MAX	160	/* containers.<section>.<array>[<i>].<field> */

static void name_place(const struct reader *reader, const char *field,
		       char where[WHERE_MAX])
{
	const char *section = reader->section ?: "";
	const char *object = reader->object ?: "";
	char entry[32] = "";

	if (reader->entry != NO_ENTRY)
		snprintf(entry, sizeof(entry), ".%s[%zu]", reader->array,
			 reader->entry);
	snprintf(where, WHERE_MAX, "%s%s%s%s%s%s%s%s",
		 *section ? "containers." : "", section, entry,
		 *object ? "." : "", object,
		 *section && *field ? "." : "", field,
		 *section || *field ? ": " : "");
}

void policy_find_line(const struct reader *reader, size_t at, size_t *line,
		      size_t *column)
{
	size_t character;

	if (yyjson_locate_pos(reader->text, reader->len, at, line, column,
			      &character))
		return;
	*line = 1;
	*column = 1;
}

/* Text from the document is quoted here, so its bytes are made harmless. */
int policy_refuse(const struct reader *reader, const struct field *field,
		  const char *fmt, ...)
{
	const char *at = field ? field->at : reader->at;
	char text[LIBDSTACK_MESSAGE_MAX / 2], where[WHERE_MAX];
	size_t line, column;
	va_list args;
	char *p;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	for (p = text; *p; p++)
		if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e)
			*p = '?';
	name_place(reader, field ? field->name : "", where);
	/* Of its quote. */
	policy_find_line(reader, at ? at - reader->copy - 1 : 0, &line,
			 &column);
	dstack_message("policy: %s%s (near line %zu, column %zu)", where, text,
		       line, column);
	return -EBADMSG;
}

const char *policy_show_name(yyjson_val *name, char shown[NAME_SHOWN + 1])
{
	size_t i, len = yyjson_get_len(name);

	if (len > NAME_SHOWN)
		len = NAME_SHOWN;
	memcpy(shown, yyjson_get_str(name), len);
	shown[len] = '\0';
	for (i = 0; i < len; i++)
		if (!shown[i])
			shown[i] = '?';
	return shown;
}

const char *policy_text(yyjson_val *value)
{
	const char *text = yyjson_get_str(value);

	return text && strlen(text) == yyjson_get_len(value) ? text : NULL;
}

static struct field *find_field(struct field *fields, yyjson_val *name)
{
	for (; fields->name; fields++)
		if (yyjson_equals_strn(name, fields->name, fields->len))
			return fields;
	return NULL;
}

int policy_take_fields(struct reader *reader, yyjson_val *object,
		       struct field *fields)
{
	char shown[NAME_SHOWN + 1];
	yyjson_val *name, *value;
	struct field *field;
	size_t i, nr;

	if (!yyjson_is_obj(object))
		return policy_refuse(reader, NULL, "want an object { ... }");
	yyjson_obj_foreach(object, i, nr, name, value) {
		field = find_field(fields, name);
		reader->at = yyjson_get_str(name);
		if (!field)
			return policy_refuse(reader, NULL, "unknown field \"%s\"; remove it or correct its name",
				      policy_show_name(name, shown));
		if (field->value)
			return policy_refuse(reader, NULL, "field \"%s\" occurs twice; remove one",
				      field->name);
		field->value = value;
		field->at = reader->at;
	}
	for (field = fields; field->name; field++)
		if (!field->value && !field->optional)
			return policy_refuse(reader, NULL, "field \"%s\" is missing; add it",
				      field->name);
	return 0;
}
