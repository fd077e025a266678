// SPDX-License-Identifier: MIT
/*
 * What an issuer says of an application, written
 *
 * Copyright The dstack for Linux authors
 *
 * info.c reads it.  All that is bytes is bin here.
 */
#include <libdstack_ratls.h>

#include <errno.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

#define MEMBERS		9

static int put(msgpack_packer *pk, const void *data, size_t len)
{
	int err = msgpack_pack_bin(pk, len);

	/* Nothing has no body. */
	return err || !len ? err : msgpack_pack_bin_body(pk, data, len);
}

static int put_id(msgpack_packer *pk, const struct libdstack_id *id)
{
	return put(pk, id->data, id->len);
}

static int put_scripts(msgpack_packer *pk, const struct libdstack_identity *id)
{
	size_t i;
	int err;

	if (!id->nr_init_scripts)
		return msgpack_pack_nil(pk);
	err = msgpack_pack_array(pk, id->nr_init_scripts);
	for (i = 0; !err && i < id->nr_init_scripts; i++)
		err = put_id(pk, &id->init_scripts[i]);
	return err;
}

static int put_all(msgpack_packer *pk, const struct libdstack_identity *id)
{
	return msgpack_pack_array(pk, MEMBERS) ||
		put_id(pk, &id->app_id) || put_id(pk, &id->compose_hash) ||
		put_id(pk, &id->instance_id) ||
		put(pk, id->device_id, sizeof(id->device_id)) ||
		put(pk, id->mr_system, sizeof(id->mr_system)) ||
		put(pk, id->mr_aggregated, sizeof(id->mr_aggregated)) ||
		put_id(pk, &id->os_image_hash) ||
		put(pk, id->key_provider_info, strlen(id->key_provider_info)) ||
		put_scripts(pk, id);
}

int libdstack_ratls_info(const struct libdstack_identity *identity,
			 uint8_t **data, size_t *len)
{
	msgpack_sbuffer buffer;
	msgpack_packer pk;
	int err = 0;

	msgpack_sbuffer_init(&buffer);
	msgpack_packer_init(&pk, &buffer, msgpack_sbuffer_write);
	*data = NULL;
	if (!put_all(&pk, identity))
		*data = malloc(buffer.size);
	if (*data) {
		memcpy(*data, buffer.data, buffer.size);
		*len = buffer.size;
	} else {
		err = -ENOMEM;
	}
	msgpack_sbuffer_destroy(&buffer);
	return err;
}
