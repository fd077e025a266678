// SPDX-License-Identifier: MIT
/*
 * Which code an operator knows, and where his contracts are
 *
 * Copyright The dstack for Linux authors
 *
 * The form is what 'dstackctl contract deploy --json' prints.
 */
#include <errno.h>
#include <string.h>

#include "room.h"

static const char *const layouts[] = {
	[CHAIN_KMS_UPSTREAM] = "kms-upstream",
	[CHAIN_KMS_LINUX] = "kms-linux",
	[CHAIN_APP_UPSTREAM] = "app-upstream",
	[CHAIN_APP_LINUX] = "app-linux",
};

#define LAYOUTS	(sizeof(layouts) / sizeof(layouts[0]))

const char *contract_layout_name(enum chain_layout layout)
{
	return layouts[layout];
}

static bool read_proxies(yyjson_val *list, struct contract_pins *pins)
{
	size_t nr = yyjson_arr_size(list), i;

	if (!yyjson_is_arr(list) || nr > CONTRACT_CODES_MAX)
		return false;
	for (i = 0; i < nr; i++)
		if (!chain_json_fixed(yyjson_arr_get(list, i),
				      pins->proxies[i], CHAIN_HASH))
			return false;
	pins->known.nr_proxies = nr;
	return true;
}

static bool read_code(yyjson_val *item, struct chain_code *code)
{
	yyjson_val *layout = yyjson_obj_get(item, "layout");
	size_t i;

	if (yyjson_obj_size(item) != 2 ||
	    !chain_json_fixed(yyjson_obj_get(item, "codeHash"), code->hash,
			      CHAIN_HASH))
		return false;
	for (i = CHAIN_KMS_UPSTREAM; i < LAYOUTS; i++)
		if (yyjson_equals_str(layout, layouts[i]))
			break;
	code->layout = i;
	return i < LAYOUTS;
}

static bool read_codes(yyjson_val *list, struct contract_pins *pins)
{
	size_t nr = yyjson_arr_size(list), i;

	if (!yyjson_is_arr(list) || nr > CONTRACT_CODES_MAX)
		return false;
	for (i = 0; i < nr; i++)
		if (!read_code(yyjson_arr_get(list, i), &pins->codes[i]))
			return false;
	pins->known.nr_codes = nr;
	return true;
}

static bool read_field(yyjson_val *key, yyjson_val *value,
		       struct contract_pins *pins)
{
	uint8_t ignored[CHAIN_ADDRESS];

	if (yyjson_equals_str(key, "chainId")) {
		pins->chain_id = yyjson_get_uint(value);
		return pins->chain_id;
	}
	if (yyjson_equals_str(key, "kms")) {
		pins->has_kms = chain_json_fixed(value, pins->kms,
						 CHAIN_ADDRESS);
		return pins->has_kms;
	}
	if (yyjson_equals_str(key, "proxies"))
		return read_proxies(value, pins);
	if (yyjson_equals_str(key, "implementations"))
		return read_codes(value, pins);
	/* For people: the chain says it as well. */
	return (yyjson_equals_str(key, "owner") ||
		yyjson_equals_str(key, "kmsImplementation") ||
		yyjson_equals_str(key, "appImplementation")) &&
		chain_json_fixed(value, ignored, CHAIN_ADDRESS);
}

int contract_pins_read(const char *text, size_t len,
		       struct contract_pins *pins, struct chain_why *why)
{
	yyjson_doc *doc = yyjson_read(text, len, 0);
	yyjson_val *root = yyjson_doc_get_root(doc), *key;
	yyjson_obj_iter iter = yyjson_obj_iter_with(root);
	int err = 0;

	memset(pins, 0, sizeof(*pins));
	pins->known.proxies = pins->proxies;
	pins->known.codes = pins->codes;
	if (!yyjson_is_obj(root))
		err = chain_fail(why, -EINVAL, "it is no object of JSON");
	while (!err && (key = yyjson_obj_iter_next(&iter)))
		if (!read_field(key, yyjson_obj_iter_get_val(key), pins))
			err = chain_fail(why, -EINVAL,
					 "its field '%.40s' is not known, or not what it should be",
					 yyjson_get_str(key));
	yyjson_doc_free(doc);
	return err;
}
