// SPDX-License-Identifier: MIT
/*
 * The machine that a guest says it has
 *
 * Copyright The dstack for Linux authors
 *
 * Its word is needed for the memory alone, which the registers then confirm.
 * QEMU's version decides how pages are added, and both ways are of the same
 * firmware; what devices there are decides the ACPI tables, which are looked at
 * by themselves.
 */
#include <errno.h>
#include <string.h>
#include <yyjson.h>

#include "room.h"

#define TEXT_MAX	65536

/* The names of firmware that measures what measure.c says. */
static bool variant_ok(yyjson_val *root)
{
	yyjson_val *variant = yyjson_obj_get(root, "ovmf_variant");

	return !variant || yyjson_is_null(variant) ||
		yyjson_equals_str(variant, "pre202505");
}

static int read_machine(yyjson_val *root, uint64_t *memory,
			struct image_why *why)
{
	yyjson_val *size = yyjson_obj_get(root, "memory_size");

	if (!yyjson_is_uint(size))
		return image_fail(why, -EBADMSG,
				  "its vm_config does not say how much memory it has");
	if (!variant_ok(root))
		return image_fail(why, -EBADMSG,
				  "its vm_config names a variant of OVMF whose events are not known here");
	*memory = yyjson_get_uint(size);
	return 0;
}

static int read_text(const char *text, size_t len, bool inner, uint64_t *memory,
		     struct image_why *why)
{
	yyjson_doc *doc = len && len <= TEXT_MAX ?
		yyjson_read(text, len, 0) : NULL;
	yyjson_val *root = yyjson_doc_get_root(doc), *whole;
	int err;

	whole = inner ? NULL : yyjson_obj_get(root, "vm_config");
	if (!yyjson_is_obj(root))
		err = image_fail(why, -EBADMSG, len ?
				 "its vm_config is no JSON object" :
				 "there is no vm_config in its evidence");
	else if (yyjson_is_str(whole))
		/* Older guests give the whole SysConfig. */
		err = read_text(yyjson_get_str(whole), yyjson_get_len(whole),
				true, memory, why);
	else
		err = read_machine(root, memory, why);
	yyjson_doc_free(doc);
	return err;
}

int image_config_read(const void *text, size_t len, uint64_t *memory,
		      struct image_why *why)
{
	return read_text(text, len, false, memory, why);
}
