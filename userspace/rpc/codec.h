/* SPDX-License-Identifier: MIT */
/*
 * What turns requests into messages, and messages into answers
 *
 * Copyright The dstack for Linux authors
 */
#ifndef RPC_CODEC_H
#define RPC_CODEC_H

#include <stdint.h>
#include <yyjson.h>

#include "rpc.h"

/* memory.c */

/* What one request may take, whatever is in it. */
struct rpc_memory {
	size_t left;			/* bytes */
	bool exhausted;			/* more was asked for */
	bool secret;			/* wiped when it is given back */
};

ProtobufCAllocator rpc_memory_for_messages(struct rpc_memory *memory);
yyjson_alc rpc_memory_for_json(struct rpc_memory *memory);
/* As it was asked for when @data was allocated. */
size_t rpc_memory_size(const void *data);

/* malloc(), and a free() that wipes: for messages that methods fill. */
extern ProtobufCAllocator rpc_wiping_allocator;

/* fields.c */

/* The values that a field has: none, one, or those of an array. */
struct rpc_values {
	size_t nr, step;
	const char *at;			/* the first; each @step bytes long */
};

/* @name has a NUL behind its @len bytes, or earlier: then it is nobody's. */
const ProtobufCFieldDescriptor *
rpc_field_named(const ProtobufCMessageDescriptor *desc, const char *name,
		size_t len);
void rpc_field_get(const ProtobufCMessage *msg,
		   const ProtobufCFieldDescriptor *field,
		   struct rpc_values *values);

/* Whether a field of bytes is what a method has as a text. */
bool rpc_field_is_text(const ProtobufCFieldDescriptor *field,
		       const struct rpc_method *method);
/* Whether that may be a text: UTF-8, and without a NUL where strings are. */
int rpc_check_text(const ProtobufCFieldDescriptor *field, const void *text,
		   size_t len, struct rpc_error *error);

/* A message that is being read. */
struct rpc_fill {
	const struct rpc_method *method;	/* of which it is the request */
	ProtobufCMessage *msg;
	ProtobufCAllocator *allocator;
	struct rpc_error *error;
	uint64_t seen;			/* fields that are not repeated */
};

/* An empty message, or NULL. */
ProtobufCMessage *rpc_message_new(const ProtobufCMessageDescriptor *desc,
				  ProtobufCAllocator *allocator);
/*
 * Where one more value of @field goes, which is there and zero from then on.
 * @error says why not.
 */
int rpc_fill_add(struct rpc_fill *fill, const ProtobufCFieldDescriptor *field,
		 void **value);
/* One more value of a field of strings or bytes. */
int rpc_fill_text(struct rpc_fill *fill, const ProtobufCFieldDescriptor *field,
		  const char *text, size_t len);

/* json_in.c, query.c, protobuf.c: *@msg is freed with @memory's allocator. */

int rpc_json_read(const struct rpc_request *request,
		  const struct rpc_method *method,
		  struct rpc_memory *memory, ProtobufCMessage **msg,
		  struct rpc_error *error);
int rpc_query_read(const char *query, const struct rpc_method *method,
		   struct rpc_memory *memory, ProtobufCMessage **msg,
		   struct rpc_error *error);
int rpc_protobuf_read(const struct rpc_request *request,
		      const struct rpc_method *method,
		      struct rpc_memory *memory, ProtobufCMessage **msg,
		      struct rpc_error *error);
/* Whether json=1, json=true or just json is in a query. */
bool rpc_query_wants_json(const char *query);

/* json_out.c, protobuf.c: *@body is malloc'ed.  0, -ENOMEM or -EILSEQ. */

int rpc_json_write(const ProtobufCMessage *msg, void **body, size_t *len);
int rpc_json_write_error(const char *text, void **body, size_t *len);
int rpc_protobuf_write(const ProtobufCMessage *msg, void **body, size_t *len);
int rpc_protobuf_write_error(const char *text, void **body, size_t *len);

#endif /* RPC_CODEC_H */
