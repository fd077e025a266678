/* SPDX-License-Identifier: MIT */
/*
 * rpc: methods of protobuf messages, called by HTTP requests
 *
 * Copyright The dstack for Linux authors
 *
 * What a request and an answer look like is in
 * Documentation/userspace-api/agent.rst.  Knows no sockets and no method.
 */
#ifndef RPC_H
#define RPC_H

#include <libdstack.h>
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

#define RPC_BODY_MAX	(10u << 20)
#define RPC_QUERY_MAX	(64u << 10)
#define RPC_ITEMS_MAX	1024	/* of a repeated field in a request */

/* Why a call failed, for who called. */
struct rpc_error {
	int status;			/* of HTTP; 400 unless changed */
	unsigned int retry_after;	/* seconds; 0: that is not said */
	char text[LIBDSTACK_MESSAGE_MAX];	/* ASCII */
};

/* Replaces the text.  Returns @err. */
int rpc_fail(struct rpc_error *error, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

struct rpc_method {
	const char *name;		/* NULL: no more methods */
	uint32_t needs;			/* for rpc_mount.allow to know */
	const ProtobufCMessageDescriptor *in, *out;
	/*
	 * A field of @in that is bytes here, and to the caller a text: one that
	 * may have NULs.  Others may not.  NULL: @in has none.
	 */
	const char *text;
	/*
	 * Fills @out, whose strings, bytes and arrays are malloc'ed, as by the
	 * rpc_put functions below.  What is in @in and @out is wiped when they
	 * are freed.  Called by many threads at once.  Returns 0 or -errno.
	 * NULL: the API has the method, and it is not offered here.
	 */
	int (*call)(void *server, const void *caller,
		    const ProtobufCMessage *in, ProtobufCMessage *out,
		    struct rpc_error *error);
};

/* Where methods are: @prefix, then a name that may have @service before it. */
struct rpc_mount {
	const char *prefix;		/* "/v1/", with both; NULL: the last */
	const char *service;		/* "Tappd.", or NULL */
	const struct rpc_method *methods;
	/*
	 * Asked before a method sees its request: 0 or -errno with @error.
	 * NULL: everybody may call all.
	 */
	int (*allow)(const void *server, const void *caller,
		     const struct rpc_method *method, struct rpc_error *error);
};

struct rpc_request {
	const char *what;		/* in errors; NULL: "the request" */
	const char *method, *path;
	const char *query, *content_type;	/* either may be NULL */
	const void *body;
	size_t len;
};

struct rpc_reply {
	int status;
	unsigned int retry_after;	/* as of the error */
	const char *type;		/* static */
	void *body;			/* malloc'ed; may hold a secret */
	size_t len;
};

/*
 * To be called now and then: of a long text that was answered, what would make
 * the same answer sooner is not kept from one call to the next without use.
 */
void rpc_json_rest(void);
/*
 * Answers a request, whatever is in it.  @server and @caller are for the
 * methods.
 */
void rpc_serve(const struct rpc_mount *mounts, void *server,
	       const void *caller,
	       const struct rpc_request *request, struct rpc_reply *reply);
/* Wipes the body and frees it. */
void rpc_reply_free(struct rpc_reply *reply);

/*
 * For methods: a copy of @text or @data in place of what @field has, or behind
 * the @nr that it has.  0 or -ENOMEM.
 */
int rpc_put_text(char **field, const char *text);
int rpc_put_bytes(ProtobufCBinaryData *field, const void *data, size_t len);
int rpc_add_text(size_t *nr, char ***field, const char *text);
int rpc_add_bytes(size_t *nr, ProtobufCBinaryData **field, const void *data,
		  size_t len);

#endif /* RPC_H */
