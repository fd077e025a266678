// SPDX-License-Identifier: MIT
/*
 * What a section of a policy document says besides what it allows
 *
 * Copyright The dstack for Linux authors
 */
#include "lib.h"

#include <string.h>

#include "policy_fields.h"
#include "words.h"

/* The one of @nr names that the field has; what a field does not say stays. */
static int parse_choice(const struct reader *reader, const struct field *field,
			const char *(*name_of)(uint32_t), uint32_t nr,
			const char *want, bool *said, uint32_t *choice)
{
	const char *text = policy_text(field->value);
	uint32_t i;

	if (!field->value)
		return 0;
	*said = true;
	for (i = 0; text && i < nr; i++) {
		if (strcmp(text, name_of(i)) != 0)
			continue;
		*choice = i;
		return 0;
	}
	return policy_refuse(reader, field, "want %s", want);
}

static uint32_t storage_of(const char *name)
{
	uint32_t i;

	for (i = 0; name && i < __DSTACK_STORAGE_MAX; i++)
		if (__DSTACK_STORAGE_ACCEPTABLE & 1U << i &&
		    !strcmp(name, dstack_storage_name(i)))
			return i;
	return __DSTACK_STORAGE_MAX;
}

static int take_class(const struct reader *reader, const struct field *field,
		      size_t i, yyjson_val *value,
		      struct policy_classes *classes)
{
	uint32_t storage = storage_of(policy_text(value));

	if (storage == __DSTACK_STORAGE_MAX)
		return policy_refuse(reader, field, "[%zu]: want \"fs-verity\", \"dm-verity\", \"authenticated\", \"disk\", \"memory\" or \"memfd\"",
				     i);
	if (classes->mask & 1U << storage)
		return policy_refuse(reader, field, "\"%s\" occurs twice; remove one",
				     dstack_storage_name(storage));
	classes->mask |= 1U << storage;
	classes->written[classes->nr++] = storage;
	return 0;
}

static int parse_classes(const struct reader *reader, const struct field *field,
			 struct policy_classes *classes)
{
	yyjson_val *value;
	size_t i, nr;
	int err;

	if (!field->value)
		return 0;
	if (!yyjson_is_arr(field->value))
		return policy_refuse(reader, field, "want an array of storage classes");
	classes->said = true;
	classes->mask = 0;
	yyjson_arr_foreach(field->value, i, nr, value) {
		err = take_class(reader, field, i, value, classes);
		if (err)
			return err;
	}
	return 0;
}

/* @limit: what may be in it at most, or NULL. */
static int parse_use(struct reader *reader, const struct field *field,
		     const struct policy_use *limit, struct policy_use *use)
{
	struct field fields[] = {
		{ FIELD("exec"), .optional = true },
		{ FIELD("map"), .optional = true },
		{ FIELD("script"), .optional = true },
		{ FIELD("kernel"), .optional = true },
		{ FIELD("control"), .optional = true }, { 0 }
	};
	size_t i;
	int err;

	if (!field->value)
		return 0;
	use->said = true;
	reader->object = field->name;
	reader->at = field->at;
	err = policy_take_fields(reader, field->value, fields);
	for (i = 0; !err && i < POLICY_KINDS; i++) {
		err = parse_classes(reader, &fields[i], &use->kinds[i]);
		if (!err && limit &&
		    use->kinds[i].mask & ~limit->kinds[i].mask)
			err = policy_refuse(reader, &fields[i], "trusts a class that \"storage\" does not accept for this kind");
	}
	reader->object = NULL;
	return err;
}

int policy_parse_terms(struct reader *reader, const struct field *fields,
		       struct policy_section *section)
{
	return parse_choice(reader, &fields[TERM_MEASURE], dstack_mode_name,
			    __DSTACK_MODE_MAX, "\"every\" or \"first\"",
			    &section->says_measure, &section->measure) ?:
		parse_choice(reader, &fields[TERM_MEMORY], policy_memory_name,
			     2, "\"deny\" or \"allow\"",
			     &section->says_memory, &section->memory) ?:
		parse_choice(reader, &fields[TERM_REVOKED], dstack_action_name,
			     __DSTACK_ACTION_MAX,
			     "\"log\", \"kill\" or \"freeze\"",
			     &section->says_revoked, &section->revoked) ?:
		parse_use(reader, &fields[TERM_STORAGE], NULL,
			  &section->accept) ?:
		parse_use(reader, &fields[TERM_TRUST], &section->accept,
			  &section->trust) ?:
		policy_parse_keys(reader, &fields[TERM_KEYS], section);
}
