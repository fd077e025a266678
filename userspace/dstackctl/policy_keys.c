// SPDX-License-Identifier: MIT
/*
 * dstackctl policy: how a key term is shown
 *
 * Copyright The dstack for Linux authors
 */
#include "policy.h"

#include <string.h>

#include "words.h"

/* Behind @text, after @before. */
static void add_words(char text[KEY_TERM_TEXT], const char *before,
		      uint32_t bits, const char *(*name_of)(uint32_t bit))
{
	size_t len = strlen(text);
	uint32_t bit;

	for (bit = 1; bit && bit <= bits; bit <<= 1) {
		if (!(bits & bit))
			continue;
		len += snprintf(text + len, KEY_TERM_TEXT - len, "%s%s", before,
				name_of(bit));
		before = ",";
	}
}

char *key_term_text(const struct libdstack_key_term *term,
		    char text[KEY_TERM_TEXT])
{
	*text = '\0';
	add_words(text, "", term->kinds, dstack_key_kind_name);
	add_words(text, " ", term->scopes, dstack_key_scope_name);
	add_words(text, " ", term->delivery, dstack_key_delivery_name);
	return text;
}

static json_t *words_json(uint32_t bits, const char *(*name_of)(uint32_t bit))
{
	json_t *array = json_array();
	uint32_t bit;

	for (bit = 1; bit && bit <= bits; bit <<= 1)
		if (bits & bit)
			json_array_append_new(array, json_string(name_of(bit)));
	return array;
}

json_t *key_term_json(const struct libdstack_key_term *term)
{
	return json_pack("{s:s, s:o, s:o, s:o}", "path", term->path, "kinds",
			 words_json(term->kinds, dstack_key_kind_name),
			 "scope",
			 words_json(term->scopes, dstack_key_scope_name),
			 "delivery",
			 words_json(term->delivery, dstack_key_delivery_name));
}
