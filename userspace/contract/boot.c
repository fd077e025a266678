// SPDX-License-Identifier: MIT
/*
 * The identity of a boot, as a KMS asks about it
 *
 * Copyright The dstack for Linux authors
 *
 * Of upstream's webhook, within its limits: hex with or without "0x", short of
 * its width with zeros in front.  What it does not know is refused.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib.h"
#include "room.h"

#define WORD		32
#define STATUS_MAX	128
#define ADVISORIES_MAX	128
#define ADVISORY_MAX	256
#define TEXT_MAX	4096	/* of what no contract looks at */

static const struct field {
	const char *name;
	size_t at, len;			/* 0: it is text */
	bool needed;
} fields[] = {
	{ "appId", offsetof(struct chain_boot, app_id), CHAIN_ADDRESS, true },
	{ "composeHash", offsetof(struct chain_boot, compose_hash),
	  WORD, true },
	{ "instanceId", offsetof(struct chain_boot, instance_id),
	  CHAIN_ADDRESS, true },
	{ "deviceId", offsetof(struct chain_boot, device_id), WORD, true },
	{ "mrAggregated", offsetof(struct chain_boot, mr_aggregated),
	  WORD, true },
	{ "osImageHash", offsetof(struct chain_boot, os_image_hash),
	  WORD, true },
	{ "mrSystem", offsetof(struct chain_boot, mr_system), WORD, false },
	{ "teeVariant", 0, 0, false },
	{ "keyProviderInfo", 0, 0, false },
	{ "tcbStatus", 0, 0, false },
	{ "advisoryIds", 0, 0, false },
};

#define FIELDS	(sizeof(fields) / sizeof(fields[0]))

static bool read_hex(yyjson_val *value, uint8_t *out, size_t len)
{
	const char *text = yyjson_get_str(value);
	char even[2 * CHAIN_HASH] = "0";
	size_t nr = yyjson_get_len(value), odd;

	if (!text || strlen(text) != nr)
		return false;
	if (nr >= 2 && text[0] == '0' && text[1] == 'x') {
		text += 2;
		nr -= 2;
	}
	if (nr > 2 * len)
		return false;
	odd = nr & 1;
	memcpy(even + odd, text, nr);
	nr += odd;
	memset(out, 0, len);
	return libdstack_from_hex(even, nr, out + len - nr / 2, nr / 2);
}

/* Text of at most @max bytes, without a zero in it. */
static const char *read_text(yyjson_val *value, size_t max)
{
	const char *text = yyjson_get_str(value);

	return text && yyjson_get_len(value) <= max &&
		strlen(text) == yyjson_get_len(value) ? text : NULL;
}

static bool read_advisories(yyjson_val *list, struct contract_boot *boot)
{
	size_t nr = yyjson_arr_size(list), i;

	if (!yyjson_is_arr(list) || nr > ADVISORIES_MAX)
		return false;
	boot->advisories = calloc(nr + 1, sizeof(*boot->advisories));
	if (!boot->advisories)
		return false;
	for (i = 0; i < nr; i++) {
		boot->advisories[i] = read_text(yyjson_arr_get(list, i),
						ADVISORY_MAX);
		if (!boot->advisories[i])
			return false;
	}
	boot->boot.advisory_ids = boot->advisories;
	boot->boot.nr_advisory_ids = nr;
	return true;
}

static bool read_field(const struct field *field, yyjson_val *value,
		       struct contract_boot *boot)
{
	if (field->len)
		return read_hex(value, (uint8_t *)&boot->boot + field->at,
				field->len);
	if (!strcmp(field->name, "advisoryIds"))
		return read_advisories(value, boot);
	if (strcmp(field->name, "tcbStatus") != 0)
		return read_text(value, TEXT_MAX);
	boot->boot.tcb_status = read_text(value, STATUS_MAX);
	return boot->boot.tcb_status;
}

static int read_fields(yyjson_val *root, struct contract_boot *boot,
		       struct chain_why *why)
{
	yyjson_obj_iter iter = yyjson_obj_iter_with(root);
	bool seen[FIELDS] = { false };
	yyjson_val *key;
	size_t i;

	while ((key = yyjson_obj_iter_next(&iter))) {
		for (i = 0; i < FIELDS; i++)
			if (yyjson_equals_str(key, fields[i].name))
				break;
		if (i == FIELDS)
			return chain_fail(why, -EINVAL,
					  "the boot has a field '%.40s', which is not known",
					  yyjson_get_str(key));
		if (seen[i] || !read_field(&fields[i],
					   yyjson_obj_iter_get_val(key), boot))
			return chain_fail(why, -EINVAL,
					  "the boot's field %s is not what it should be",
					  fields[i].name);
		seen[i] = true;
	}
	for (i = 0; i < FIELDS; i++)
		if (fields[i].needed && !seen[i])
			return chain_fail(why, -EINVAL,
					  "the boot has no field %s",
					  fields[i].name);
	return 0;
}

int contract_boot_read(const char *text, size_t len,
		       struct contract_boot *boot, struct chain_why *why)
{
	yyjson_val *root;
	int err;

	memset(boot, 0, sizeof(*boot));
	boot->boot.tcb_status = "";
	boot->doc = yyjson_read(text, len, 0);
	root = yyjson_doc_get_root(boot->doc);
	if (!yyjson_is_obj(root))
		err = chain_fail(why, -EINVAL,
				 "the boot is no object of JSON");
	else
		err = read_fields(root, boot, why);
	if (err)
		contract_boot_clear(boot);
	return err;
}

void contract_boot_clear(struct contract_boot *boot)
{
	free(boot->advisories);
	yyjson_doc_free(boot->doc);
	memset(boot, 0, sizeof(*boot));
}
