// SPDX-License-Identifier: MIT
/*
 * What an issuer says of an application
 *
 * Copyright The dstack for Linux authors
 *
 * An array of MessagePack: the members have their place, not a name.
 */
#include "ratls.h"

#include <errno.h>
#include <string.h>

#define INFO_MAX	65536U
#define MEMBERS_LEAST	8
#define MEMBERS_MOST	9

enum member {
	APP_ID, COMPOSE_HASH, INSTANCE_ID, DEVICE_ID, MR_SYSTEM, MR_AGGREGATED,
	OS_IMAGE_HASH, KEY_PROVIDER, INIT_SCRIPTS
};

/* Either way to write bytes: bin, or an array of small numbers. */
static bool read_bytes(const msgpack_object *obj, uint8_t *out, size_t size,
		       size_t *len)
{
	uint32_t i, value;

	if (obj->type == MSGPACK_OBJECT_BIN && obj->via.bin.size <= size) {
		*len = obj->via.bin.size;
		memcpy(out, obj->via.bin.ptr, *len);
		return true;
	}
	if (obj->type != MSGPACK_OBJECT_ARRAY || obj->via.array.size > size)
		return false;
	*len = obj->via.array.size;
	for (i = 0; i < *len; i++) {
		if (!mp_u32(&obj->via.array.ptr[i], &value) ||
		    value > UINT8_MAX)
			return false;
		out[i] = value;
	}
	return true;
}

static bool read_id(const msgpack_object *obj, struct libdstack_id *id)
{
	size_t len;

	if (!read_bytes(obj, id->data, sizeof(id->data), &len))
		return false;
	id->len = len;
	return true;
}

static bool read_hash(const msgpack_object *obj, uint8_t out[32])
{
	size_t len;

	return read_bytes(obj, out, 32, &len) && len == 32;
}

static bool read_scripts(const msgpack_object *obj,
			 struct libdstack_identity *info)
{
	size_t i;

	if (obj->type == MSGPACK_OBJECT_NIL)
		return true;
	if (obj->type != MSGPACK_OBJECT_ARRAY ||
	    obj->via.array.size > LIBDSTACK_INIT_SCRIPTS_MAX)
		return false;
	info->nr_init_scripts = obj->via.array.size;
	for (i = 0; i < info->nr_init_scripts; i++)
		if (!read_id(&obj->via.array.ptr[i], &info->init_scripts[i]))
			return false;
	return true;
}

static bool read_members(const msgpack_object *obj,
			 struct libdstack_identity *info)
{
	const msgpack_object *member = obj->via.array.ptr;
	uint32_t nr = obj->via.array.size;
	size_t len;

	if (obj->type != MSGPACK_OBJECT_ARRAY || nr < MEMBERS_LEAST ||
	    nr > MEMBERS_MOST)
		return false;
	return read_id(&member[APP_ID], &info->app_id) &&
		read_id(&member[COMPOSE_HASH], &info->compose_hash) &&
		read_id(&member[INSTANCE_ID], &info->instance_id) &&
		read_hash(&member[DEVICE_ID], info->device_id) &&
		read_hash(&member[MR_SYSTEM], info->mr_system) &&
		read_hash(&member[MR_AGGREGATED], info->mr_aggregated) &&
		read_id(&member[OS_IMAGE_HASH], &info->os_image_hash) &&
		read_bytes(&member[KEY_PROVIDER],
			   (uint8_t *)info->key_provider_info,
			   sizeof(info->key_provider_info) - 1, &len) &&
		(nr == MEMBERS_LEAST ||
		 read_scripts(&member[INIT_SCRIPTS], info));
}

int ratls_read_info(const struct libdstack_span *value,
		    struct libdstack_identity *info,
		    struct libdstack_failure *failure)
{
	const char *why = "too long";
	msgpack_object obj;
	msgpack_zone zone;
	int err = -EBADMSG;

	memset(info, 0, sizeof(*info));
	if (value->len <= INFO_MAX)
		err = mp_parse(value->data, value->len, &zone, &obj, &why);
	if (err)
		return verify_fail(failure, err == -ENOMEM ? REASON(MEMORY) :
				   REASON(MALFORMED), "app info: %s", why);
	if (!read_members(&obj, info))
		err = verify_fail(failure, REASON(MALFORMED),
				  "app info: not an array of hashes as it should be");
	msgpack_zone_destroy(&zone);
	return err;
}
