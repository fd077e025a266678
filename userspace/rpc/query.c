// SPDX-License-Identifier: MIT
/*
 * Messages in the query of a URL: name=value&name=value
 *
 * Copyright The dstack for Linux authors
 */
#include "codec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool rpc_query_wants_json(const char *query)
{
	static const char *const wanting[] = {
		"json", "json=", "json=1", "json=true"
	};
	size_t i, len;

	for (; query && *query; query += len + (query[len] == '&')) {
		len = strcspn(query, "&");
		for (i = 0; i < sizeof(wanting) / sizeof(*wanting); i++)
			if (strlen(wanting[i]) == len &&
			    !memcmp(query, wanting[i], len))
				return true;
	}
	return false;
}

/* In place: it gets no longer.  False if '%' is not before two hex digits. */
static bool decode(char *text, size_t *len)
{
	size_t in, out = 0;

	for (in = 0; in < *len; in++, out++) {
		text[out] = text[in] == '+' ? ' ' : text[in];
		if (text[in] != '%')
			continue;
		if (*len - in < 3 ||
		    !libdstack_from_hex(text + in + 1, 2, text + out, 1))
			return false;
		in += 2;
	}
	*len = out;
	return true;
}

static int fill_bool(struct rpc_fill *fill,
		     const ProtobufCFieldDescriptor *field, const char *text)
{
	bool set = !strcmp(text, "true") || !strcmp(text, "1") || !*text;
	void *place;
	int err;

	if (!set && strcmp(text, "false") != 0 && strcmp(text, "0") != 0)
		return rpc_fail(fill->error, -EBADMSG, "%s: true or false is wanted",
				field->name);
	err = rpc_fill_add(fill, field, &place);
	if (!err)
		*(protobuf_c_boolean *)place = set;
	return err;
}

static int fill_number(struct rpc_fill *fill,
		       const ProtobufCFieldDescriptor *field, const char *text)
{
	uint64_t number;
	void *place;
	int err;

	if (!libdstack_parse_u64(text, UINT64_MAX, &number))
		return rpc_fail(fill->error, -EBADMSG, "%s: a whole number from 0 on is wanted",
				field->name);
	err = rpc_fill_add(fill, field, &place);
	if (!err)
		*(uint64_t *)place = number;
	return err;
}

static int fill_value(struct rpc_fill *fill,
		      const ProtobufCFieldDescriptor *field, const char *text,
		      size_t len)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_BOOL:
		return fill_bool(fill, field, text);
	case PROTOBUF_C_TYPE_UINT64:
		return fill_number(fill, field, text);
	case PROTOBUF_C_TYPE_MESSAGE:
		return rpc_fail(fill->error, -EBADMSG, "%s: can't be given in a query",
				field->name);
	default:
		return rpc_fill_text(fill, field, text, len);
	}
}

/* A repeated field is name=, name[]= or name[0]=, in the order of values. */
static const ProtobufCFieldDescriptor *
find_field(const ProtobufCMessageDescriptor *desc, char *name, size_t len)
{
	char *bracket = memchr(name, '[', len);
	const ProtobufCFieldDescriptor *field;

	if (bracket) {
		*bracket = '\0';
		len = bracket - name;
	}
	field = rpc_field_named(desc, name, len);
	if (field && bracket && field->label != PROTOBUF_C_LABEL_REPEATED)
		return NULL;
	return field;
}

/* @pair is NUL-terminated, also where it had its '='. */
static int fill_pair(struct rpc_fill *fill, char *pair, size_t len)
{
	size_t name_len = strcspn(pair, "=");
	char *value = pair + name_len + (name_len < len);
	size_t value_len = pair + len - value;
	const ProtobufCFieldDescriptor *field;

	pair[name_len] = '\0';
	if (!decode(pair, &name_len) || !decode(value, &value_len))
		return rpc_fail(fill->error, -EBADMSG, "the query has a '%%' without two hex digits behind it");
	pair[name_len] = '\0';
	value[value_len] = '\0';
	field = find_field(fill->msg->descriptor, pair, name_len);
	return field ? fill_value(fill, field, value, value_len) : 0;
}

static int fill_pairs(struct rpc_fill *fill, char *query)
{
	char *pair;
	int err;

	while ((pair = strsep(&query, "&"))) {
		err = fill_pair(fill, pair, strlen(pair));
		if (err)
			return err;
	}
	return 0;
}

int rpc_query_read(const char *query, const struct rpc_method *method,
		   struct rpc_memory *memory, ProtobufCMessage **msg,
		   struct rpc_error *error)
{
	ProtobufCAllocator allocator = rpc_memory_for_messages(memory);
	struct rpc_fill fill = {
		.method = method, .allocator = &allocator, .error = error,
	};
	char *copy = strdup(query ? query : "");
	int err;

	fill.msg = rpc_message_new(method->in, &allocator);
	*msg = fill.msg;
	if (copy && fill.msg)
		err = fill_pairs(&fill, copy);
	else
		err = rpc_fail(error, -ENOMEM, "out of memory");
	free(copy);
	return err;
}
