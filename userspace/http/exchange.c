// SPDX-License-Identifier: MIT
/*
 * Requests from libevent to the pool, replies from the pool to libevent
 *
 * Copyright The dstack for Linux authors
 *
 * From the end of a request to the end of its reply nothing is read of its
 * connection.  So a client that is done sending gets its reply, and one that
 * sends on is made to wait.
 */
#include "server.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <string.h>

static void owe(struct connection *connection, size_t bytes)
{
	if (!connection->account)
		return;
	connection->owed = bytes;
	account_owe(connection->listener->http->pool, connection->account,
		    bytes);
}

static void pay(struct connection *connection)
{
	if (connection->owed)
		account_take(connection->listener->http->pool,
			     connection->account, connection->owed);
	connection->owed = 0;
}

static void on_sent(struct evhttp_request *req, void *arg)
{
	struct connection *connection = arg;

	(void)req;
	connection->req = NULL;
	pay(connection);
	connection_enter(connection, CONNECTION_IDLE);
}

/* The body of @reply is libevent's then. */
static bool fill(struct evbuffer *body, struct http_reply *reply)
{
	if (!body)
		return false;
	if (reply->len && evbuffer_add_reference(body, reply->body, reply->len,
						 reply_wipe_body, NULL))
		return false;
	if (reply->len)
		reply->body = NULL;
	return true;
}

/* What upstream tells strangers. */
static bool set_version(struct evkeyvalq *headers,
			const struct listener *listener)
{
	const char *version = listener->http->config.version;

	return !listener->socket.remote || !version ||
		!evhttp_add_header(headers, "X-App-Version", version);
}

static bool set_headers(struct evkeyvalq *headers,
			const struct http_reply *reply, bool last)
{
	char len[24], seconds[24];

	snprintf(len, sizeof(len), "%zu", reply->len);
	snprintf(seconds, sizeof(seconds), "%u", reply->retry_after);
	return !evhttp_add_header(headers, "Content-Length", len) &&
		!evhttp_add_header(headers, "Content-Type",
				   reply->type ? reply->type :
				   "application/octet-stream") &&
		(!reply->retry_after ||
		 !evhttp_add_header(headers, "Retry-After", seconds)) &&
		(!last || !evhttp_add_header(headers, "Connection", "close"));
}

/* Takes what is in @reply. */
static void answer(struct connection *connection, struct http_reply *reply)
{
	struct evhttp_request *req = connection->req;
	struct evbuffer *body = evbuffer_new();
	bool last = connection->last || connection->listener->http->draining;

	connection_enter(connection, CONNECTION_SENDING);
	evhttp_request_set_on_complete_cb(req, on_sent, connection);
	if (reply->status < 200 || reply->status > 599)
		reply_error(reply, 500);
	if (set_headers(evhttp_request_get_output_headers(req), reply, last) &&
	    set_version(evhttp_request_get_output_headers(req),
			connection->listener) &&
	    (evhttp_request_get_command(req) == EVHTTP_REQ_HEAD ||
	     fill(body, reply))) {
		owe(connection, reply->len);
		evhttp_send_reply(req, reply->status, NULL, body);
	} else {
		evhttp_send_error(req, 500, NULL);
	}
	if (body)
		evbuffer_free(body);
	reply_wipe(reply);
	bufferevent_disable(connection->bev, EV_READ);
}

static void refuse(struct connection *connection, int status)
{
	struct http_reply reply = { 0 };

	connection->last = true;
	reply_error(&reply, status);
	answer(connection, &reply);
}

/* libevent takes the first length of several, and codings it does not know. */
static bool framed_well(struct evhttp_request *req)
{
	const struct evkeyvalq *headers = evhttp_request_get_input_headers(req);
	const struct evkeyval *header;
	unsigned int lengths = 0;

	TAILQ_FOREACH(header, headers, next) {
		if (!strcasecmp(header->key, "Content-Length"))
			lengths++;
		else if (!strcasecmp(header->key, "Transfer-Encoding") &&
			 strcasecmp(header->value, "chunked"))
			return false;
	}
	return lengths < 2;
}

static int identify(const struct connection *connection, struct call *call)
{
	const struct http_config *config = &connection->listener->http->config;

	call->peer.remote = connection->listener->socket.remote;
	if (!call->peer.remote)
		return caller_peer_of(connection->fd, &call->peer);
	return config->by_address ?
		caller_address_of(connection->fd, &call->peer) : 0;
}

void exchange_begin(struct evhttp_request *req, void *arg)
{
	struct listener *listener = arg;
	struct http *http = listener->http;
	struct connection *connection = connection_of(http, req);
	enum evhttp_cmd_type command = evhttp_request_get_command(req);
	struct call *call;

	if (!connection) {
		evhttp_send_error(req, 503, NULL);
		return;
	}
	connection->req = req;
	connection->asked = true;
	connection_enter(connection, CONNECTION_CALLING);
	if (command != EVHTTP_REQ_GET && command != EVHTTP_REQ_POST) {
		refuse(connection, 405);
		return;
	}
	if (!framed_well(req)) {
		refuse(connection, 400);
		return;
	}
	call = call_new(connection, req);
	if (!call) {
		refuse(connection, 500);
	} else if (identify(connection, call)) {
		call_free(call);
		refuse(connection, 403);
	} else {
		call->request.socket = listener->index;
		call->request.remote = listener->socket.remote;
		if (listener->socket.remote && http->config.tls)
			http->config.tls->peer(connection->bev, &call->request);
		call->request.caller.deadline_ms =
			connection->since_ms + http->limits.call_ms;
		connection->call = call;
		pool_submit(http->pool, call);
	}
}

static bool is_admitted(const struct http_config *config,
			const struct call *call)
{
	return !config->admit || !call->peer.remote ||
		config->admit(config->arg, call->request.caller.id);
}

/* One that nobody answers for, or one too many, ends: now, or soon. */
static void named(struct connection *connection, struct call *call)
{
	struct http *http = connection->listener->http;

	connection->naming = NULL;
	if (is_admitted(&http->config, call))
		connection->account = account_connect(http->pool, call);
	if (connection->account)
		return;
	if (connection->state == CONNECTION_IDLE ||
	    connection->state == CONNECTION_RECEIVING)
		connection_close(connection);
	else
		connection->last = true;
}

bool exchange_name(struct connection *connection)
{
	struct pool *pool = connection->listener->http->pool;
	struct call *call = call_new(connection, NULL);

	if (!call)
		return false;
	if (identify(connection, call)) {
		call_free(call);
		return false;
	}
	if (call->peer.remote) {
		pool_name(pool, call);
		named(connection, call);
		pool_free_call(pool, call);
		return true;
	}
	connection->naming = call;
	pool_submit(pool, call);
	return true;
}

static void called(struct connection *connection, struct call *call)
{
	connection->call = NULL;
	if (call->reply.status == 403)
		connection->last = true;
	if (!call->reply.body && call->reply.status == 500)
		reply_error(&call->reply, 500);
	answer(connection, &call->reply);
}

void exchange_done(struct http *http)
{
	struct call *call;

	while ((call = pool_done(http->pool))) {
		if (call->names_only)
			named(call->connection, call);
		else
			called(call->connection, call);
		pool_free_call(http->pool, call);
	}
}

void exchange_give_up(struct connection *connection, int status)
{
	pool_abandon(connection->listener->http->pool, connection->call);
	connection->call = NULL;
	refuse(connection, status);
}

void exchange_forget(struct connection *connection)
{
	struct pool *pool = connection->listener->http->pool;

	if (connection->call)
		pool_abandon(pool, connection->call);
	if (connection->naming)
		pool_abandon(pool, connection->naming);
	pay(connection);
	/* libevent leaves a request that it has handed over to who has it. */
	if (connection->state == CONNECTION_CALLING && connection->req &&
	    !evhttp_request_get_connection(connection->req))
		evhttp_request_free(connection->req);
}
