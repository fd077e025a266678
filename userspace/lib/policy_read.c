// SPDX-License-Identifier: MIT
/*
 * Read the text of a policy document, after a look at how much it would take
 *
 * Copyright The dstack for Linux authors
 */
#include "lib.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy.h"

/*
 * At most so many commas and opening brackets have a rule and a section.  A key
 * term has no more than the three rules that its room is worth.
 */
#define VALUES_MAX	(8 * POLICY_RULES_MAX + 64 * DSTACK_TABLE_SECTIONS)
#define BLOCK		64

/* Of constant length, so that compilers count many bytes at a time. */
static size_t count_block(const char text[BLOCK])
{
	uint8_t marks = 0;
	size_t i;

	for (i = 0; i < BLOCK; i++)
		marks += (text[i] == ',') | (text[i] == '[') | (text[i] == '{');
	return marks;
}

static size_t count_outside_strings(const char *text, size_t len)
{
	bool string = false;
	size_t i, values = 0;

	for (i = 0; i < len; i++) {
		if (string && text[i] == '\\')
			i++;
		else if (text[i] == '"')
			string = !string;
		else if (!string)
			values += text[i] == ',' || text[i] == '[' ||
				text[i] == '{';
	}
	return values;
}

/*
 * A tree in memory is many times larger than its text when the text is made
 * for that ("[[],[],[],..."): count what makes values before any is made.
 * Few documents have so many such bytes that those in strings matter.
 */
static bool too_many_values(const char *text, size_t len)
{
	size_t i, values = len % BLOCK;

	for (i = 0; i + BLOCK <= len; i += BLOCK)
		values += count_block(text + i);
	return values > VALUES_MAX &&
		count_outside_strings(text, len) > VALUES_MAX;
}

int libdstack_policy_parse(const char *text, size_t len,
			   struct libdstack_policy **policy)
{
	char *copy;
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
	copy = malloc(len + POLICY_PADDING);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, text, len);
	memset(copy + len, 0, POLICY_PADDING);
	err = policy_from_json(text, copy, len, policy);
	free(copy);
	if (err) {
		libdstack_policy_free(*policy);
		*policy = NULL;
	}
	return err;
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
