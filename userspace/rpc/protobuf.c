// SPDX-License-Identifier: MIT
/*
 * Messages in protobuf
 *
 * Copyright The dstack for Linux authors
 */
#include "codec.h"

#include <errno.h>
#include <error.pb-c.h>
#include <stdlib.h>

/*
 * protobuf-c takes any bytes for a text and puts a NUL behind them: how many
 * there were shows in how much memory it asked for.
 */
static int check_text(const ProtobufCFieldDescriptor *field, const char *text,
		      struct rpc_error *error)
{
	if (text == field->default_value)
		return 0;
	return rpc_check_text(field, text, rpc_memory_size(text) - 1, error);
}

static int check_message(const ProtobufCMessage *msg,
			 const struct rpc_method *method,
			 struct rpc_error *error);

static int check_value(const ProtobufCFieldDescriptor *field, const void *value,
		       const struct rpc_method *method, struct rpc_error *error)
{
	const ProtobufCBinaryData *bytes = value;

	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		return check_text(field, *(char * const *)value, error);
	case PROTOBUF_C_TYPE_BYTES:
		return rpc_field_is_text(field, method) ?
			rpc_check_text(field, bytes->data, bytes->len, error) :
			0;
	case PROTOBUF_C_TYPE_MESSAGE:
		return check_message(*(ProtobufCMessage * const *)value,
				     method, error);
	default:
		return 0;
	}
}

static int check_field(const ProtobufCMessage *msg,
		       const ProtobufCFieldDescriptor *field,
		       const struct rpc_method *method, struct rpc_error *error)
{
	struct rpc_values values;
	int err = 0;

	rpc_field_get(msg, field, &values);
	if (field->label == PROTOBUF_C_LABEL_REPEATED &&
	    values.nr > RPC_ITEMS_MAX)
		return rpc_fail(error, -E2BIG, "%s: more than %u values",
				field->name, RPC_ITEMS_MAX);
	for (; values.nr && !err; values.nr--, values.at += values.step)
		err = check_value(field, values.at, method, error);
	return err;
}

/* As deep as the types of messages are: none of ours has itself as a field. */
static int check_message(const ProtobufCMessage *msg,
			 const struct rpc_method *method,
			 struct rpc_error *error)
{
	const ProtobufCMessageDescriptor *desc = msg->descriptor;
	unsigned int i;
	int err = 0;

	/* protobuf-c sees that there is no field 0 if it takes one byte. */
	for (i = 0; i < msg->n_unknown_fields; i++)
		if (!msg->unknown_fields[i].tag)
			return rpc_fail(error, -EBADMSG, "%s: there is no field 0",
					desc->name);
	for (i = 0; i < desc->n_fields && !err; i++)
		err = check_field(msg, &desc->fields[i], method, error);
	return err;
}

int rpc_protobuf_read(const struct rpc_request *request,
		      const struct rpc_method *method,
		      struct rpc_memory *memory, ProtobufCMessage **msg,
		      struct rpc_error *error)
{
	ProtobufCAllocator allocator = rpc_memory_for_messages(memory);

	*msg = protobuf_c_message_unpack(method->in, &allocator, request->len,
					 request->body);
	if (!*msg && memory->exhausted)
		return rpc_fail(error, -E2BIG, "the request has too many values");
	if (!*msg)
		return rpc_fail(error, -EBADMSG, "the request is not a protobuf message %s; for JSON, say 'Content-Type: application/json'",
				method->in->name);
	return check_message(*msg, method, error);
}

int rpc_protobuf_write(const ProtobufCMessage *msg, void **body, size_t *len)
{
	*len = protobuf_c_message_get_packed_size(msg);
	*body = malloc(*len ? *len : 1);
	if (!*body)
		return -ENOMEM;
	protobuf_c_message_pack(msg, *body);
	return 0;
}

int rpc_protobuf_write_error(const char *text, void **body, size_t *len)
{
	const Rpc__ProtoError error = {
		.base = PROTOBUF_C_MESSAGE_INIT(&rpc__proto_error__descriptor),
		.message = (char *)text,
	};

	return rpc_protobuf_write(&error.base, body, len);
}
