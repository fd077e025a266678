// SPDX-License-Identifier: MIT
/*
 * Messages in JSON
 *
 * Copyright The dstack for Linux authors
 *
 * yyjson reads and writes it, and not jansson as elsewhere: it takes its memory
 * from an allocator of each document's own, which is bounded or wiped, writes
 * JSON in ASCII, and does not recurse.
 */
#include "codec.h"

#include <errno.h>

static int fill_message(struct rpc_fill *fill, yyjson_val *object);

static int wrong(struct rpc_fill *fill, const ProtobufCFieldDescriptor *field,
		 const char *wanted)
{
	return rpc_fail(fill->error, -EBADMSG, "%s: %s is wanted",
			field->name, wanted);
}

static int fill_child(struct rpc_fill *fill,
		      const ProtobufCFieldDescriptor *field, yyjson_val *value)
{
	struct rpc_fill child = {
		.method = fill->method,
		.allocator = fill->allocator,
		.error = fill->error,
	};
	void *place;
	int err;

	if (!yyjson_is_obj(value))
		return wrong(fill, field, "an object");
	/* Before it has a place that is not NULL, as arrays have no holes. */
	child.msg = rpc_message_new(field->descriptor, fill->allocator);
	if (!child.msg)
		return rpc_fail(fill->error, -ENOMEM, "out of memory");
	err = rpc_fill_add(fill, field, &place);
	if (err) {
		protobuf_c_message_free_unpacked(child.msg, fill->allocator);
		return err;
	}
	*(ProtobufCMessage **)place = child.msg;
	return fill_message(&child, value);
}

static int fill_bool(struct rpc_fill *fill,
		     const ProtobufCFieldDescriptor *field, yyjson_val *value)
{
	void *place;
	int err;

	if (!yyjson_is_bool(value))
		return wrong(fill, field, "true or false");
	err = rpc_fill_add(fill, field, &place);
	if (!err)
		*(protobuf_c_boolean *)place = yyjson_get_bool(value);
	return err;
}

static int fill_number(struct rpc_fill *fill,
		       const ProtobufCFieldDescriptor *field, yyjson_val *value)
{
	void *place;
	int err;

	if (!yyjson_is_uint(value))
		return wrong(fill, field, "a whole number from 0 on");
	err = rpc_fill_add(fill, field, &place);
	if (!err)
		*(uint64_t *)place = yyjson_get_uint(value);
	return err;
}

static int fill_value(struct rpc_fill *fill,
		      const ProtobufCFieldDescriptor *field, yyjson_val *value)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_MESSAGE:
		return fill_child(fill, field, value);
	case PROTOBUF_C_TYPE_BOOL:
		return fill_bool(fill, field, value);
	case PROTOBUF_C_TYPE_UINT64:
		return fill_number(fill, field, value);
	default:
		if (!yyjson_is_str(value))
			return wrong(fill, field, "a string");
		return rpc_fill_text(fill, field, yyjson_get_str(value),
				     yyjson_get_len(value));
	}
}

static int fill_array(struct rpc_fill *fill,
		      const ProtobufCFieldDescriptor *field, yyjson_val *array)
{
	size_t i, nr;
	yyjson_val *value;
	int err;

	if (!yyjson_is_arr(array))
		return wrong(fill, field, "an array");
	yyjson_arr_foreach(array, i, nr, value) {
		err = fill_value(fill, field, value);
		if (err)
			return err;
	}
	return 0;
}

/*
 * null is for fields that may be absent: taken for an empty text elsewhere, it
 * would give a caller with a mistake another key than was meant.
 */
static int fill_field(struct rpc_fill *fill,
		      const ProtobufCFieldDescriptor *field, yyjson_val *value)
{
	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return fill_array(fill, field, value);
	if (yyjson_is_null(value) &&
	    (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
		return 0;
	return fill_value(fill, field, value);
}

/*
 * What is unknown is of a newer API, and ignored.  As deep as the types of
 * messages are: none of ours has itself as a field.
 */
static int fill_message(struct rpc_fill *fill, yyjson_val *object)
{
	const ProtobufCFieldDescriptor *field;
	yyjson_val *key, *value;
	size_t i, nr;
	int err;

	yyjson_obj_foreach(object, i, nr, key, value) {
		field = rpc_field_named(fill->msg->descriptor,
					yyjson_get_str(key),
					yyjson_get_len(key));
		err = field ? fill_field(fill, field, value) : 0;
		if (err)
			return err;
	}
	return 0;
}

static const char *what(const struct rpc_request *request)
{
	return request->what ? request->what : "the request";
}

static int read_object(const struct rpc_request *request, yyjson_val *root,
		       const struct rpc_method *method,
		       ProtobufCAllocator *allocator, ProtobufCMessage **msg,
		       struct rpc_error *error)
{
	struct rpc_fill fill = {
		.method = method, .allocator = allocator, .error = error,
	};

	if (!yyjson_is_obj(root))
		return rpc_fail(error, -EBADMSG, "%s is not a JSON object",
				what(request));
	fill.msg = rpc_message_new(method->in, allocator);
	*msg = fill.msg;
	if (!fill.msg)
		return rpc_fail(error, -ENOMEM, "out of memory");
	return fill_message(&fill, root);
}

int rpc_json_read(const struct rpc_request *request,
		  const struct rpc_method *method,
		  struct rpc_memory *memory, ProtobufCMessage **msg,
		  struct rpc_error *error)
{
	ProtobufCAllocator allocator = rpc_memory_for_messages(memory);
	/* yyjson begins with a value for six bytes. */
	struct rpc_memory text = {
		.left = 5 * request->len + (1u << 20), .secret = memory->secret,
	};
	yyjson_alc alc = rpc_memory_for_json(&text);
	yyjson_read_err why;
	yyjson_doc *doc;
	int err;

	doc = yyjson_read_opts((char *)request->body, request->len,
			       YYJSON_READ_NOFLAG, &alc, &why);
	if (!doc && text.exhausted)
		return rpc_fail(error, -E2BIG, "%s has too many values",
				what(request));
	if (!doc)
		return rpc_fail(error, -EBADMSG, "%s is not JSON: %s at byte %zu",
				what(request), why.msg, why.pos);
	err = read_object(request, yyjson_doc_get_root(doc), method,
			  &allocator, msg, error);
	yyjson_doc_free(doc);
	return err;
}
