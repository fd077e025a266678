// SPDX-License-Identifier: MIT
/*
 * Fields of messages, by what protobuf-c says about them
 *
 * Copyright The dstack for Linux authors
 */
#include "codec.h"

#include <errno.h>
#include <openssl/asn1.h>
#include <string.h>

/* A message has no more fields than a word has bits. */
#define FIELDS_MAX	64
#define UNICODE_MAX	0x10ffff

static void *member(const ProtobufCMessage *msg, unsigned int offset)
{
	return (char *)msg + offset;
}

static size_t size_of(const ProtobufCFieldDescriptor *field)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		return sizeof(char *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_UINT64:
		return sizeof(uint64_t);
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(ProtobufCMessage *);
	default:
		/* No message of ours has others. */
		return 0;
	}
}

/* What protobuf-c has for optional fields, other than messages. */
static bool is_oneof(const ProtobufCFieldDescriptor *field)
{
	return field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF;
}

static bool is_there(const ProtobufCMessage *msg,
		     const ProtobufCFieldDescriptor *field)
{
	const void *value = member(msg, field->offset);

	if (is_oneof(field))
		return *(uint32_t *)member(msg, field->quantifier_offset) ==
			field->id;
	if (field->type == PROTOBUF_C_TYPE_MESSAGE)
		return *(ProtobufCMessage * const *)value;
	return true;
}

const ProtobufCFieldDescriptor *
rpc_field_named(const ProtobufCMessageDescriptor *desc, const char *name,
		size_t len)
{
	return strlen(name) != len ? NULL :
		protobuf_c_message_descriptor_get_field_by_name(desc, name);
}

void rpc_field_get(const ProtobufCMessage *msg,
		   const ProtobufCFieldDescriptor *field,
		   struct rpc_values *values)
{
	values->step = size_of(field);
	if (field->label == PROTOBUF_C_LABEL_REPEATED) {
		values->nr = *(size_t *)member(msg, field->quantifier_offset);
		values->at = *(char **)member(msg, field->offset);
		return;
	}
	values->nr = is_there(msg, field);
	values->at = member(msg, field->offset);
}

ProtobufCMessage *rpc_message_new(const ProtobufCMessageDescriptor *desc,
				  ProtobufCAllocator *allocator)
{
	ProtobufCMessage *msg = allocator->alloc(allocator->allocator_data,
						 desc->sizeof_message);

	if (msg)
		protobuf_c_message_init(desc, msg);
	return msg;
}

/* Doubles the room for an array each time that it is full. */
static int grow(struct rpc_fill *fill, const ProtobufCFieldDescriptor *field,
		size_t nr)
{
	ProtobufCAllocator *allocator = fill->allocator;
	void **array = member(fill->msg, field->offset);
	size_t size = size_of(field);
	void *larger;

	if (nr & (nr - 1))
		return 0;
	larger = allocator->alloc(allocator->allocator_data,
				  (nr ? 2 * nr : 1) * size);
	if (!larger)
		return rpc_fail(fill->error, -ENOMEM, "out of memory");
	if (nr)
		memcpy(larger, *array, nr * size);
	allocator->free(allocator->allocator_data, *array);
	*array = larger;
	return 0;
}

static int add_item(struct rpc_fill *fill,
		    const ProtobufCFieldDescriptor *field, void **value)
{
	size_t *nr = member(fill->msg, field->quantifier_offset);
	int err;

	if (*nr >= RPC_ITEMS_MAX)
		return rpc_fail(fill->error, -E2BIG, "%s: more than %u values",
				field->name, RPC_ITEMS_MAX);
	err = grow(fill, field, *nr);
	if (err)
		return err;
	*value = *(char **)member(fill->msg, field->offset) +
		*nr * size_of(field);
	memset(*value, 0, size_of(field));
	++*nr;
	return 0;
}

int rpc_fill_add(struct rpc_fill *fill, const ProtobufCFieldDescriptor *field,
		 void **value)
{
	const ProtobufCMessageDescriptor *desc = fill->msg->descriptor;
	size_t index = field - desc->fields;

	if (!size_of(field) || desc->n_fields > FIELDS_MAX)
		return rpc_fail(fill->error, -EOPNOTSUPP, "%s: not a field that can be given so",
				field->name);
	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return add_item(fill, field, value);
	if (fill->seen & 1ull << index)
		return rpc_fail(fill->error, -EBADMSG, "%s: given twice",
				field->name);
	fill->seen |= 1ull << index;
	if (is_oneof(field))
		*(uint32_t *)member(fill->msg, field->quantifier_offset) =
			field->id;
	*value = member(fill->msg, field->offset);
	memset(*value, 0, size_of(field));
	return 0;
}

static bool is_utf8(const char *text, size_t len)
{
	const unsigned char *at = (const unsigned char *)text;
	unsigned long value;
	int used;

	while (len) {
		used = UTF8_getc(at, len < 4 ? (int)len : 4, &value);
		if (used <= 0 || value > UNICODE_MAX)
			return false;
		at += used;
		len -= used;
	}
	return true;
}

/*
 * Messages have C strings: what is behind a NUL would be lost, and one key be
 * taken for another.
 */
int rpc_check_text(const ProtobufCFieldDescriptor *field, const void *text,
		   size_t len, struct rpc_error *error)
{
	if (field->type == PROTOBUF_C_TYPE_STRING && memchr(text, '\0', len))
		return rpc_fail(error, -EBADMSG, "%s: a text can't have a NUL",
				field->name);
	if (!is_utf8(text, len))
		return rpc_fail(error, -EBADMSG, "%s: not UTF-8", field->name);
	return 0;
}

bool rpc_field_is_text(const ProtobufCFieldDescriptor *field,
		       const struct rpc_method *method)
{
	return method->text && !strcmp(field->name, method->text);
}

static int put_string(struct rpc_fill *fill,
		      const ProtobufCFieldDescriptor *field, const char *text,
		      size_t len, char **string)
{
	ProtobufCAllocator *allocator = fill->allocator;
	int err = rpc_check_text(field, text, len, fill->error);

	if (err)
		return err;
	*string = allocator->alloc(allocator->allocator_data, len + 1);
	if (!*string)
		return rpc_fail(fill->error, -ENOMEM, "out of memory");
	memcpy(*string, text, len);
	(*string)[len] = '\0';
	return 0;
}

static int put_hex(struct rpc_fill *fill, const ProtobufCFieldDescriptor *field,
		   const char *text, size_t len, ProtobufCBinaryData *bytes)
{
	ProtobufCAllocator *allocator = fill->allocator;

	if (len >= 2 && text[0] == '0' && text[1] == 'x') {
		text += 2;
		len -= 2;
	}
	if (!len)
		return 0;
	bytes->data = allocator->alloc(allocator->allocator_data, len / 2 + 1);
	if (!bytes->data)
		return rpc_fail(fill->error, -ENOMEM, "out of memory");
	bytes->len = len / 2;
	if (!libdstack_from_hex(text, len, bytes->data, bytes->len))
		return rpc_fail(fill->error, -EBADMSG, "%s: not bytes in hex, two digits each",
				field->name);
	return 0;
}

static int put_bytes(struct rpc_fill *fill,
		     const ProtobufCFieldDescriptor *field, const char *text,
		     size_t len, ProtobufCBinaryData *bytes)
{
	char *copy;
	int err = put_string(fill, field, text, len, &copy);

	if (err)
		return err;
	bytes->data = (uint8_t *)copy;
	bytes->len = len;
	return 0;
}

int rpc_fill_text(struct rpc_fill *fill, const ProtobufCFieldDescriptor *field,
		  const char *text, size_t len)
{
	void *value;
	int err = rpc_fill_add(fill, field, &value);

	if (err)
		return err;
	if (field->type == PROTOBUF_C_TYPE_STRING)
		return put_string(fill, field, text, len, value);
	if (rpc_field_is_text(field, fill->method))
		return put_bytes(fill, field, text, len, value);
	return put_hex(fill, field, text, len, value);
}
