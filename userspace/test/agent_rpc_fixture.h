/* SPDX-License-Identifier: MIT */
/*
 * An agent of which nothing is real but the messages
 *
 * Copyright The dstack for Linux authors
 */
#ifndef AGENT_RPC_FIXTURE_H
#define AGENT_RPC_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <guest_v0.pb-c.h>
#include <guest_v1.pb-c.h>
#include <stdlib.h>
#include <string.h>

#include "../rpc/codec.h"

/* Whom methods are called for. */
static char the_agent, the_caller;

/* The last request that came to a method, in JSON. */
static char seen[8192];
static unsigned int calls;
static int (*answer)(ProtobufCMessage *out, struct rpc_error *error);

/* JSON here has ' for ", and so have texts that are compared with it. */
static char *swap(char *text, size_t len, char from, char to)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (text[i] == from)
			text[i] = to;
	return text;
}

static int method(void *server, const void *caller,
		  const ProtobufCMessage *in, ProtobufCMessage *out,
		  struct rpc_error *error)
{
	void *text;
	size_t len;

	assert_ptr_equal(server, &the_agent);
	assert_ptr_equal(caller, &the_caller);
	calls++;
	assert_int_equal(rpc_json_write(in, &text, &len), 0);
	len = len < sizeof(seen) ? len : sizeof(seen) - 1;
	memcpy(seen, text, len);
	seen[len] = '\0';
	swap(seen, len, '"', '\'');
	free(text);
	return answer ? answer(out, error) : 0;
}

#define METHOD(name, request, response) \
	{ name, 0, &request##__descriptor, &response##__descriptor, NULL, \
	  method }

static const struct rpc_method v0_methods[] = {
	METHOD("GetTlsKey", guest__v0__get_tls_key_request,
	       guest__v0__get_tls_key_response),
	METHOD("GetKey", guest__v0__get_key_request,
	       guest__v0__get_key_response),
	METHOD("GetQuote", guest__v0__report_data_request,
	       guest__v0__get_quote_response),
	METHOD("Info", guest__v0__empty, guest__v0__info_response),
	METHOD("EmitEvent", guest__v0__emit_event_request, guest__v0__empty),
	{ "Sign", 0, &guest__v0__sign_request__descriptor,
	  &guest__v0__sign_response__descriptor, NULL, NULL },
	{ }
};

static const struct rpc_method v1_methods[] = {
	METHOD("Attest", guest__v1__attest_request, guest__v1__attest_response),
	/* Nobody asks for one in a request, but messages can be in one. */
	METHOD("Attested", guest__v1__attest_response,
	       guest__v1__version_response),
	{ "GetKey", 0, &guest__v1__get_key_request__descriptor,
	  &guest__v1__get_key_response__descriptor, "domain", method },
	METHOD("Version", guest__v1__version_request,
	       guest__v1__version_response),
	{ }
};

static const struct rpc_method old_methods[] = {
	METHOD("GetKey", guest__v0__get_key_request,
	       guest__v0__get_key_response),
	{ }
};

/* What is said to each call of the first API; NULL: nothing against it. */
static const char *refusal;

static int allow(const void *server, const void *caller,
		 const struct rpc_method *called, struct rpc_error *error)
{
	assert_ptr_equal(server, &the_agent);
	assert_ptr_equal(caller, &the_caller);
	if (!refusal)
		return 0;
	error->status = 403;
	return rpc_fail(error, -EACCES, "%s: %s", called->name, refusal);
}

static const struct rpc_mount mounts[] = {
	{ "/", NULL, v0_methods, allow },
	{ "/v1/", NULL, v1_methods, NULL },
	{ "/prpc/", "Old.", old_methods, NULL },
	{ }
};

static struct rpc_reply reply;

static void serve(const struct rpc_request *request)
{
	struct rpc_request copy = *request;
	void *body = malloc(request->len ? request->len : 1);

	/* No byte behind it is looked at. */
	assert_non_null(body);
	if (request->len)
		memcpy(body, request->body, request->len);
	copy.body = body;
	rpc_reply_free(&reply);
	seen[0] = '\0';
	calls = 0;
	rpc_serve(mounts, &the_agent, &the_caller, &copy, &reply);
	free(body);
}

/* A JSON body with ' for ". */
static void post(const char *path, const char *json)
{
	size_t len = strlen(json);
	char *body = strdup(json);
	const struct rpc_request request = {
		.method = "POST", .path = path,
		.content_type = "application/json",
		.body = body ? swap(body, len, '\'', '"') : NULL, .len = len,
	};

	assert_non_null(body);
	serve(&request);
	free(body);
}

static void assert_reply(int status, const char *type, const char *text)
{
	char *body = strndup(reply.body ? reply.body : "", reply.len);

	assert_non_null(body);
	swap(body, strlen(body), '"', '\'');
	if (reply.status != status || strcmp(body, text) != 0)
		fail_msg("%d instead of %d: %s", reply.status, status, body);
	assert_string_equal(reply.type, type);
	free(body);
}

static void assert_json(const char *text)
{
	assert_reply(200, "application/json", text);
}

static void assert_json_error(int status, const char *why)
{
	char text[2048];

	snprintf(text, sizeof(text), "{\n  'error': '%s'\n}", why);
	assert_reply(status, "application/json", text);
}

static int forget(void **state)
{
	(void)state;
	rpc_reply_free(&reply);
	answer = NULL;
	return 0;
}

#endif /* AGENT_RPC_FIXTURE_H */
