// SPDX-License-Identifier: MIT
/*
 * How methods fill their answers
 *
 * Copyright The dstack for Linux authors
 */
#include "codec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void drop(void *data)
{
	rpc_wiping_allocator.free(NULL, data);
}

int rpc_put_text(char **field, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	/* What a message has before anybody gave it a text is nobody's. */
	if (*field != protobuf_c_empty_string)
		drop(*field);
	*field = copy;
	return 0;
}

int rpc_put_bytes(ProtobufCBinaryData *field, const void *data, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	if (!copy)
		return -ENOMEM;
	if (len)
		memcpy(copy, data, len);
	drop(field->data);
	field->data = copy;
	field->len = len;
	return 0;
}

/* The arrays themselves hold no secrets, but where these are. */
int rpc_add_text(size_t *nr, char ***field, const char *text)
{
	char **array = reallocarray(*field, *nr + 1, sizeof(*array));

	if (!array)
		return -ENOMEM;
	*field = array;
	array[*nr] = NULL;
	if (rpc_put_text(&array[*nr], text))
		return -ENOMEM;
	++*nr;
	return 0;
}

int rpc_add_bytes(size_t *nr, ProtobufCBinaryData **field, const void *data,
		  size_t len)
{
	ProtobufCBinaryData *array = reallocarray(*field, *nr + 1,
						  sizeof(*array));

	if (!array)
		return -ENOMEM;
	*field = array;
	array[*nr] = (ProtobufCBinaryData){ 0 };
	if (rpc_put_bytes(&array[*nr], data, len))
		return -ENOMEM;
	++*nr;
	return 0;
}
