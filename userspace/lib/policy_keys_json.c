// SPDX-License-Identifier: MIT
/*
 * Which keys a section of a policy document lets its containers ask for
 *
 * Copyright The dstack for Linux authors
 */
#include "lib.h"

#include <errno.h>
#include <string.h>

#include "policy_fields.h"
#include "words.h"

/* One field of a term that is an array of words. */
struct words {
	const char *(*name_of)(uint32_t bit);
	uint32_t all;
	const char *want;
};

static const struct words kinds = {
	dstack_key_kind_name, __DSTACK_KEY_KIND_ALL,
	"\"bytes\", \"hmac\", \"aead\", \"ed25519\", \"secp256k1\" or \"p256\""
};

static const struct words scopes = {
	dstack_key_scope_name, __DSTACK_SCOPE_ALL,
	"\"container\" or \"app\""
};

static const struct words deliveries = {
	dstack_key_delivery_name, __DSTACK_DELIVER_ALL,
	"\"handle\", \"logon\", \"fscrypt\" or \"bytes\""
};

static uint32_t bit_of(const struct words *words, const char *name)
{
	uint32_t bit;

	for (bit = 1; name && bit & words->all; bit <<= 1)
		if (!strcmp(name, words->name_of(bit)))
			return bit;
	return 0;
}

static int parse_words(const struct reader *reader, const struct field *field,
		       const struct words *words, struct policy_mask *mask)
{
	yyjson_val *value;
	uint32_t bit;
	size_t i, nr;

	if (!yyjson_arr_size(field->value))
		return policy_refuse(reader, field, "want an array of %s, one at least",
				     words->want);
	yyjson_arr_foreach(field->value, i, nr, value) {
		bit = bit_of(words, policy_text(value));
		if (!bit)
			return policy_refuse(reader, field, "[%zu]: want %s", i,
					     words->want);
		if (mask->bits & bit)
			return policy_refuse(reader, field, "\"%s\" occurs twice; remove one",
					     words->name_of(bit));
		mask->bits |= bit;
		mask->written[i] = bit;
	}
	return 0;
}

static int parse_prefix(const struct reader *reader, const struct field *field,
			struct policy_key *key)
{
	const char *text = policy_text(field->value);

	if (!text || !policy_prefix_ok(text))
		return policy_refuse(reader, field, "want what the paths of the keys begin with, at most %d bytes of printable text; \"\" is for all",
				     DSTACK_TABLE_KEY_PREFIX);
	memcpy(key->path, text, strlen(text));
	return 0;
}

static int parse_scopes(const struct reader *reader, const struct field *field,
			struct policy_key *key)
{
	key->says_scope = field->value;
	if (key->says_scope)
		return parse_words(reader, field, &scopes, &key->scopes);
	key->scopes.bits = DSTACK_SCOPE_CONTAINER;
	return 0;
}

static int parse_key(struct reader *reader, struct policy_section *section,
		     yyjson_val *value)
{
	struct field fields[] = {
		{ FIELD("path") }, { FIELD("kinds") }, { FIELD("delivery") },
		{ FIELD("scope"), .optional = true }, { 0 }
	};
	struct policy_key key = { .place = reader->entry };
	int err;

	err = policy_take_fields(reader, value, fields) ?:
		parse_prefix(reader, &fields[0], &key) ?:
		parse_words(reader, &fields[1], &kinds, &key.kinds) ?:
		parse_words(reader, &fields[2], &deliveries, &key.delivery) ?:
		parse_scopes(reader, &fields[3], &key) ?:
		policy_add_key(reader->policy, section, &key);
	if (err == -EEXIST)
		return policy_refuse(reader, &fields[0], "an entry above has the same path; remove one");
	return err;
}

int policy_parse_keys(struct reader *reader, const struct field *field,
		      struct policy_section *section)
{
	yyjson_val *value;
	size_t i, nr;
	int err;

	if (!field->value)
		return 0;
	if (!yyjson_is_arr(field->value))
		return policy_refuse(reader, field, "want an array of entries; an empty one allows no key");
	if (yyjson_arr_size(field->value) > DSTACK_TABLE_KEYS)
		return policy_refuse(reader, field, "want at most %d entries",
				     DSTACK_TABLE_KEYS);
	section->says_keys = true;
	reader->array = "keys";
	yyjson_arr_foreach(field->value, i, nr, value) {
		reader->entry = i;
		err = parse_key(reader, section, value);
		if (err)
			return err;
	}
	reader->entry = NO_ENTRY;
	return 0;
}
