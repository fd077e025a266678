// SPDX-License-Identifier: MIT
/*
 * A request's way to its method, and back
 *
 * Copyright The dstack for Linux authors
 */
#include "codec.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define TYPE_JSON	"application/json"
#define TYPE_PROTOBUF	"application/octet-stream"
#define TYPE_TEXT	"text/plain; charset=utf-8"

/* One request while it is served. */
struct call {
	const struct rpc_request *request;
	bool get, json;
	struct rpc_memory memory;	/* of what it asks for */
	ProtobufCMessage *in, *out;
	struct rpc_error error;
};

int rpc_fail(struct rpc_error *error, int err, const char *fmt, ...)
{
	va_list args;
	char *at;

	va_start(args, fmt);
	vsnprintf(error->text, sizeof(error->text), fmt, args);
	va_end(args);
	/* Parts may be the caller's own bytes, which nothing shall obey. */
	for (at = error->text; *at; at++)
		if (*at < ' ' || *at > '~')
			*at = '?';
	return err;
}

void rpc_reply_free(struct rpc_reply *reply)
{
	rpc_wiping_allocator.free(NULL, reply->body);
	*reply = (struct rpc_reply){ 0 };
}

/*
 * Routes
 */

/* The part of @path that names a method, or NULL. */
static const char *below(const struct rpc_mount *mount, const char *path)
{
	size_t len = strlen(mount->prefix);

	if (strncmp(path, mount->prefix, len) != 0)
		return NULL;
	path += len;
	return *path && !strchr(path, '/') ? path : NULL;
}

static const struct rpc_mount *find_mount(const struct rpc_mount *mounts,
					  const char *path, const char **name)
{
	for (; mounts->prefix; mounts++) {
		*name = below(mounts, path);
		if (*name)
			return mounts;
	}
	return NULL;
}

static const char *without_service(const struct rpc_mount *mount,
				   const char *name)
{
	size_t len = mount->service ? strlen(mount->service) : 0;

	return len && !strncmp(name, mount->service, len) ? name + len : name;
}

static const struct rpc_method *find_method(const struct rpc_mount *mount,
					    const char *name)
{
	const struct rpc_method *method;

	for (method = mount->methods; method->name; method++)
		if (!strcmp(method->name, name))
			return method;
	return NULL;
}

/*
 * Codecs
 */

/* With parameters behind it, or without. */
static bool is_json(const char *type)
{
	size_t len = strlen(TYPE_JSON);

	if (!type || strncasecmp(type, TYPE_JSON, len) != 0)
		return false;
	type += len;
	type += strspn(type, " \t");
	return !*type || *type == ';';
}

static int read_request(struct call *call, const struct rpc_method *method)
{
	const struct rpc_request *request = call->request;
	struct rpc_request none = { .body = "" };

	if (call->get)
		return rpc_query_read(request->query, method, &call->memory,
				      &call->in, &call->error);
	/* Nothing is a message, too; for one without fields, so is anything. */
	if (!request->len || !method->in->n_fields)
		return rpc_protobuf_read(&none, method, &call->memory,
					 &call->in, &call->error);
	if (call->json)
		return rpc_json_read(request, method, &call->memory, &call->in,
				     &call->error);
	return rpc_protobuf_read(request, method, &call->memory, &call->in,
				 &call->error);
}

static int write_response(struct call *call, struct rpc_reply *reply)
{
	int err = call->json ?
		rpc_json_write(call->out, &reply->body, &reply->len) :
		rpc_protobuf_write(call->out, &reply->body, &reply->len);

	if (err == -EILSEQ)
		return rpc_fail(&call->error, err, "the response has a text that is not UTF-8");
	if (err)
		return rpc_fail(&call->error, err, "out of memory");
	return 0;
}

/*
 * Answers
 */

/* For who asked for something that is no method at all. */
static void say(struct rpc_reply *reply, int status, const char *text)
{
	reply->status = status;
	reply->type = TYPE_TEXT;
	reply->body = strdup(text);
	reply->len = reply->body ? strlen(text) : 0;
}

static void say_error(const struct call *call, struct rpc_reply *reply)
{
	const char *text = call->error.text;
	int err = call->json ?
		rpc_json_write_error(text, &reply->body, &reply->len) :
		rpc_protobuf_write_error(text, &reply->body, &reply->len);

	if (err) {
		say(reply, 500, text);
		return;
	}
	reply->status = call->error.status;
	reply->retry_after = call->error.retry_after;
}

static int run(struct call *call, const struct rpc_method *method,
	       void *server, const void *caller, struct rpc_reply *reply)
{
	int err;

	if (!method->call)
		return rpc_fail(&call->error, -EOPNOTSUPP, "%s is not offered here",
				method->name);
	err = read_request(call, method);
	if (err)
		return err;
	call->out = rpc_message_new(method->out, &rpc_wiping_allocator);
	if (!call->out)
		return rpc_fail(&call->error, -ENOMEM, "out of memory");
	err = method->call(server, caller, call->in, call->out, &call->error);
	if (err && !call->error.text[0]) {
		errno = -err;
		rpc_fail(&call->error, err, "%s failed: %m", method->name);
	}
	return err ? err : write_response(call, reply);
}

static int serve(struct call *call, const struct rpc_mount *mount,
		 const char *name, void *server, const void *caller,
		 struct rpc_reply *reply)
{
	const struct rpc_request *request = call->request;
	const struct rpc_method *method;

	if (request->len > RPC_BODY_MAX ||
	    (request->query && strlen(request->query) > RPC_QUERY_MAX)) {
		call->error.status = 413;
		return rpc_fail(&call->error, -EFBIG, "the request is larger than %u bytes, or its query than %u",
				RPC_BODY_MAX, RPC_QUERY_MAX);
	}
	name = without_service(mount, name);
	method = find_method(mount, name);
	if (!method) {
		call->error.status = 404;
		return rpc_fail(&call->error, -ENOENT, "Service not found: %s",
				name);
	}
	if (mount->allow) {
		int err = mount->allow(server, caller, method, &call->error);

		if (err)
			return err;
	}
	return run(call, method, server, caller, reply);
}

void rpc_serve(const struct rpc_mount *mounts, void *server,
	       const void *caller,
	       const struct rpc_request *request, struct rpc_reply *reply)
{
	struct call call = {
		.request = request,
		.get = !strcmp(request->method, "GET"),
		/* Each byte may be copied once, and small values are costly. */
		.memory = { .left = request->len + (1u << 20), .secret = true },
		.error.status = 400,
	};
	ProtobufCAllocator allocator = rpc_memory_for_messages(&call.memory);
	const struct rpc_mount *mount;
	const char *name;

	*reply = (struct rpc_reply){ .status = 200 };
	mount = find_mount(mounts, request->path, &name);
	if (!mount) {
		say(reply, 404, "404: there are no methods at this path\n");
		return;
	}
	if (!call.get && strcmp(request->method, "POST") != 0) {
		say(reply, 405, "405: methods are called by GET or POST\n");
		return;
	}
	call.json = call.get || rpc_query_wants_json(request->query) ||
		is_json(request->content_type);
	reply->type = call.json ? TYPE_JSON : TYPE_PROTOBUF;
	if (serve(&call, mount, name, server, caller, reply))
		say_error(&call, reply);
	protobuf_c_message_free_unpacked(call.in, &allocator);
	protobuf_c_message_free_unpacked(call.out, &rpc_wiping_allocator);
}
