// SPDX-License-Identifier: MIT
/*
 * One request on its way through the threads
 *
 * Copyright The dstack for Linux authors
 */
#include "call.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <openssl/crypto.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "../rpc/wipe.h"

/* What has no other place than the sockets: texts that need no escaping. */
static const struct {
	int status;
	const char *text;
} errors[] = {
	{ 400, "{\"error\":\"The length of the request is not clear\"}" },
	{ 403, "{\"error\":\"The caller has ended or can't be identified\"}" },
	{ 405, "{\"error\":\"Only GET and POST are served\"}" },
	{ 500, "{\"error\":\"The reply could not be made\"}" },
	{ 503, "{\"error\":\"Too many requests wait: try again\"}" },
	{ 504, "{\"error\":\"The request took too long: try again\"}" },
};

void reply_error(struct http_reply *reply, int status)
{
	size_t i;

	reply_wipe(reply);
	reply->status = status;
	reply->type = "application/json";
	for (i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		if (errors[i].status == status)
			reply->body = strdup(errors[i].text);
	reply->len = reply->body ? strlen(reply->body) : 0;
}

void reply_wipe_body(const void *body, size_t len, void *unused)
{
	(void)unused;
	if (!body)
		return;
	OPENSSL_cleanse((void *)body, len);
	free((void *)body);
}

void reply_wipe(struct http_reply *reply)
{
	reply_wipe_body(reply->body, reply->len, NULL);
	*reply = (struct http_reply){ .status = 500 };
}

/* Puts @text at *@at, which moves behind it. */
static const char *put(char **at, const char *text)
{
	char *start = *at;

	*at = stpcpy(start, text) + 1;
	return start;
}

static const char *or_none(const char *text)
{
	return text ? text : "";
}

struct call *call_new(struct connection *connection,
		      struct evhttp_request *from)
{
	const char *path = "", *query = "", *type = "", *method = "";
	struct evbuffer *body = NULL;
	struct call *call;
	size_t len = 0;
	char *at;

	if (from) {
		const struct evhttp_uri *uri =
			evhttp_request_get_evhttp_uri(from);
		const struct evkeyvalq *headers =
			evhttp_request_get_input_headers(from);

		method = evhttp_request_get_command(from) == EVHTTP_REQ_GET ?
			 "GET" : "POST";
		path = or_none(evhttp_uri_get_path(uri));
		query = or_none(evhttp_uri_get_query(uri));
		type = or_none(evhttp_find_header(headers, "Content-Type"));
		body = evhttp_request_get_input_buffer(from);
		len = evbuffer_get_length(body);
	}
	call = wipe_alloc(sizeof(*call) + strlen(path) + strlen(query) +
			  strlen(type) + len + 4);
	if (!call)
		return NULL;
	*call = (struct call){
		.connection = connection,
		.names_only = !from,
		.peer.pidfd = -1,
		.reply.status = 500,
	};
	call->request.caller.call = call;
	call->request.caller.device = -1;
	at = call->data;
	call->request.method = method;
	call->request.path = put(&at, path);
	call->request.query = put(&at, query);
	call->request.content_type = put(&at, type);
	call->request.body = at;
	call->request.len = len;
	if (len)
		evbuffer_remove(body, at, len);
	at[len] = '\0';
	return call;
}

void call_free(struct call *call)
{
	if (!call)
		return;
	caller_peer_close(&call->peer);
	caller_forget(&call->request.caller);
	X509_free(call->request.cert);
	sk_X509_pop_free(call->request.chain, X509_free);
	reply_wipe(&call->reply);
	wipe_free(call);
}
