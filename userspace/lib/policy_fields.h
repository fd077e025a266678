/* SPDX-License-Identifier: MIT */
/*
 * The fields of a policy document, and what is said of one that is wrong
 *
 * Copyright The dstack for Linux authors
 */
#ifndef DSTACK_LIB_POLICY_FIELDS_H
#define DSTACK_LIB_POLICY_FIELDS_H

#include <yyjson.h>

#include "policy.h"

#define NAME_SHOWN	64	/* bytes of a name in a message */
#define NO_ENTRY	SIZE_MAX

/* One that an object may have; must, unless it is @optional. */
struct field {
	const char *name;
	size_t len;
	bool optional;
	yyjson_val *value;
	const char *at;		/* its name in the document */
};

#define FIELD(n)	.name = (n), .len = sizeof(n) - 1

/*
 * A document and the place in it that is being read, for messages.  Strings
 * are decoded where they stand in @copy: @at, the one that was looked at last,
 * is as far from its beginning as what it was decoded from is in @text.
 */
struct reader {
	const char *text;
	size_t len;
	char *copy;
	struct libdstack_policy *policy;
	const char *section;	/* NULL: outside of all */
	size_t entry;		/* of @array, or NO_ENTRY */
	const char *array;	/* a field of the section */
	const char *object;	/* a field of the section; NULL: in none */
	const char *at;
};

/* 1, 1 for what is not in the text. */
void policy_find_line(const struct reader *reader, size_t at, size_t *line,
		      size_t *column);
/* -EBADMSG, after the message.  @field: the one that is wrong, or NULL. */
int policy_refuse(const struct reader *reader, const struct field *field,
		  const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* For messages, which a NUL would end. */
const char *policy_show_name(yyjson_val *name, char shown[NAME_SHOWN + 1]);
/* NULL unless it is a string, which may not have a NUL in it. */
const char *policy_text(yyjson_val *value);
/* @fields ends with one without a name. */
int policy_take_fields(struct reader *reader, yyjson_val *object,
		       struct field *fields);

/* policy_terms_json.c */

enum {
	TERM_MEASURE, TERM_MEMORY, TERM_REVOKED, TERM_STORAGE, TERM_TRUST,
	TERM_KEYS
};

/* What a section says besides what it allows; @fields: one for each TERM_*. */
int policy_parse_terms(struct reader *reader, const struct field *fields,
		       struct policy_section *section);

/* policy_keys_json.c */

/* The field may be left out. */
int policy_parse_keys(struct reader *reader, const struct field *field,
		      struct policy_section *section);

#endif /* DSTACK_LIB_POLICY_FIELDS_H */
