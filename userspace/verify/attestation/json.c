// SPDX-License-Identifier: MIT
/*
 * JSON of a bounded number of values
 *
 * Copyright The dstack for Linux authors
 *
 * A value of two bytes takes dozens once it is parsed, so the number of values
 * is known before jansson sees them.  jansson bounds how deep they nest.
 */
#include "attestation.h"

#include <errno.h>
#include <string.h>

/* No fewer than there are values: one, and one behind each of these. */
static size_t count_values(const char *text, size_t len)
{
	bool inside = false, escaped = false;
	size_t values = 1;

	for (; len; text++, len--) {
		if (escaped)
			escaped = false;
		else if (inside && *text == '\\')
			escaped = true;
		else if (*text == '"')
			inside = !inside;
		else if (!inside && (*text == ',' || *text == '[' ||
				     *text == '{'))
			values++;
	}
	return values;
}

json_t *att_json(struct libdstack_failure *failure, const void *text,
		 size_t len, size_t most, const char *what)
{
	json_error_t error;
	json_t *doc;

	if (count_values(text, len) > most) {
		verify_fail(failure, REASON(MALFORMED),
			    "%s: more than %zu values", what, most);
		return NULL;
	}
	doc = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL,
			 &error);
	if (!doc && json_error_code(&error) == json_error_out_of_memory)
		verify_fail(failure, REASON(MEMORY), "no memory");
	else if (!doc)
		verify_fail(failure, REASON(MALFORMED), "%s: %s", what,
			    error.text);
	return doc;
}

int att_hex(struct libdstack_attestation *out, const json_t *value,
	    struct libdstack_span *bytes)
{
	size_t len = json_string_length(value);
	uint8_t *data;

	if (!json_is_string(value) || len % 2)
		return -EBADMSG;
	data = att_alloc(out, len / 2);
	if (!data)
		return -ENOMEM;
	*bytes = (struct libdstack_span){ data, len / 2 };
	return libdstack_from_hex(json_string_value(value), len, data,
				  len / 2) ? 0 : -EBADMSG;
}

bool att_hex_fixed(const json_t *value, void *bytes, size_t len)
{
	return json_is_string(value) &&
		libdstack_from_hex(json_string_value(value),
				   json_string_length(value), bytes, len);
}

const char *att_members(const json_t *obj, const char *const *names)
{
	size_t i, known = 0;

	for (i = 0; names[i]; i++) {
		bool optional = *names[i] == MP_OPTIONAL;

		if (json_object_get(obj, names[i] + optional))
			known++;
		else if (!optional)
			return names[i];
	}
	return known == json_object_size(obj) ? NULL : "an unknown one";
}
