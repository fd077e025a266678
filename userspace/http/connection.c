// SPDX-License-Identifier: MIT
/*
 * Connections: how many, for how long, how much they may send
 *
 * Copyright The dstack for Linux authors
 *
 * libevent has a bound for one head and one body, and for silence.  A client
 * that sends a byte now and then, and many that send much, are bounded here.
 */
#include "server.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <string.h>

/* What a request has without asking, and how many have more at a time. */
#define SMALL_BYTES	16384
#define LARGE_MAX	4

static bool may_accept(const struct listener *listener)
{
	return !listener->socket.remote || listener->connections <
		listener->http->limits.remote_connections;
}

void connection_pause(struct http *http, bool pause)
{
	size_t i;

	http->paused = pause;
	for (i = 0; i < http->nr_listeners; i++) {
		if (pause)
			evconnlistener_disable(http->listeners[i].accept);
		else if (may_accept(&http->listeners[i]))
			evconnlistener_enable(http->listeners[i].accept);
	}
}

/* Whoever waited to be accepted may be now. */
static void ended(struct listener *listener)
{
	struct http *http = listener->http;

	http->connections--;
	listener->connections--;
	if (http->paused && !http->draining)
		connection_pause(http, false);
	else if (!http->paused && listener->socket.remote)
		evconnlistener_enable(listener->accept);
}

static void accept_again(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	evconnlistener_enable(arg);
}

/* The connection that can't be accepted stays: not to look at it is to wait. */
void connection_refused(struct evconnlistener *accept, void *arg)
{
	struct timeval time = { .tv_sec = 1 };

	(void)arg;
	if (!event_base_once(evconnlistener_get_base(accept), -1, EV_TIMEOUT,
			     accept_again, accept, &time))
		evconnlistener_disable(accept);
}

static struct bufferevent *make(const struct listener *listener,
				struct event_base *base)
{
	struct http_tls *tls = listener->http->config.tls;

	return tls && listener->socket.remote ? tls->accept(tls, base) :
		bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
}

/* libevent gives it its descriptor and its callbacks once this returns. */
struct bufferevent *connection_accept(struct event_base *base, void *arg)
{
	struct listener *listener = arg;
	struct http *http = listener->http;
	struct connection *connection = calloc(1, sizeof(*connection));
	struct bufferevent *bev;

	bev = connection ? make(listener, base) : NULL;
	if (!bev) {
		free(connection);
		return NULL;
	}
	bufferevent_incref(bev);
	connection->bev = bev;
	connection->listener = listener;
	connection_enter(connection, CONNECTION_IDLE);
	SIMPLEQ_INSERT_TAIL(&http->fresh, connection, link);
	event_active(http->fresh_event, EV_TIMEOUT, 0);
	if (++http->connections >= http->limits.connections)
		connection_pause(http, true);
	if (++listener->connections >= http->limits.remote_connections &&
	    listener->socket.remote)
		evconnlistener_disable(listener->accept);
	return bev;
}

static void put_large(struct connection *connection)
{
	if (!connection->large)
		return;
	connection->large = false;
	connection->listener->http->large--;
	account_put_large(connection->account);
}

static bool take_large(struct connection *connection)
{
	struct http *http = connection->listener->http;

	if (connection->large)
		return true;
	if (http->large >= LARGE_MAX || !connection->account ||
	    !account_take_large(connection->account))
		return false;
	connection->large = true;
	http->large++;
	return true;
}

void connection_enter(struct connection *connection,
		      enum connection_state state)
{
	struct evbuffer *input;

	connection->state = state;
	connection->since_ms = http_now_ms();
	connection->stalled = false;
	if (state != CONNECTION_IDLE && state != CONNECTION_RECEIVING)
		return;
	put_large(connection);
	/* Of a request that was sent behind the last there may be some. */
	input = bufferevent_get_input(connection->bev);
	connection->received = evbuffer_get_length(input);
	if (connection->received)
		connection->state = CONNECTION_RECEIVING;
}

static void on_input(struct evbuffer *input,
		     const struct evbuffer_cb_info *info, void *arg)
{
	struct connection *connection = arg;

	(void)input;
	if (!info->n_added)
		return;
	if (connection->state == CONNECTION_IDLE)
		connection_enter(connection, CONNECTION_RECEIVING);
	connection->received += info->n_added;
	if (connection->state != CONNECTION_RECEIVING ||
	    connection->received <= SMALL_BYTES || take_large(connection))
		return;
	/* What is here is looked at; the rest waits in the socket. */
	connection->stalled = true;
	bufferevent_disable(connection->bev, EV_READ);
}

/* A handshake that failed, or one for nothing. */
static void tell_unused(const struct connection *connection)
{
	const struct http_config *config = &connection->listener->http->config;

	if (config->unused && !connection->asked && connection->account &&
	    connection->listener->socket.remote)
		config->unused(config->arg, account_id(connection->account));
}

/* Frees what is ours of it, whatever the reason is that it ends. */
static void on_close(struct evhttp_connection *evcon, void *arg)
{
	struct connection *connection = arg;
	struct listener *listener = connection->listener;
	struct http *http = listener->http;

	(void)evcon;
	tell_unused(connection);
	exchange_forget(connection);
	put_large(connection);
	if (connection->account)
		account_disconnect(http->pool, connection->account);
	evbuffer_remove_cb(bufferevent_get_input(connection->bev), on_input,
			   connection);
	http->table[connection->fd] = NULL;
	free(connection);
	ended(listener);
	if (http->draining && !http->connections)
		event_base_loopbreak(http->base);
}

void connection_close(struct connection *connection)
{
	evhttp_connection_free(connection->evcon);
}

static bool table_put(struct http *http, struct connection *connection)
{
	size_t want = (size_t)connection->fd + 1;
	struct connection **table;

	if (want > http->table_len) {
		table = reallocarray(http->table, 2 * want, sizeof(*table));
		if (!table)
			return false;
		memset(table + http->table_len, 0,
		       (2 * want - http->table_len) * sizeof(*table));
		http->table = table;
		http->table_len = 2 * want;
	}
	http->table[connection->fd] = connection;
	return true;
}

/* The argument of the callbacks that libevent has set is its connection. */
static bool welcome(struct connection *connection)
{
	struct http *http = connection->listener->http;
	struct bufferevent *bev = connection->bev;
	void *evcon = NULL;

	bufferevent_getcb(bev, NULL, NULL, NULL, &evcon);
	if (!evcon)
		return false;
	connection->evcon = evcon;
	connection->fd = bufferevent_getfd(bev);
	if (!table_put(http, connection)) {
		connection_close(connection);
		return false;
	}
	evhttp_connection_set_closecb(evcon, on_close, connection);
	if (!evbuffer_add_cb(bufferevent_get_input(bev), on_input,
			     connection) || !exchange_name(connection))
		connection_close(connection);
	return true;
}

void connection_welcome(struct http *http)
{
	struct connection *connection;
	struct listener *listener;
	struct bufferevent *bev;

	while ((connection = SIMPLEQ_FIRST(&http->fresh))) {
		SIMPLEQ_REMOVE_HEAD(&http->fresh, link);
		bev = connection->bev;
		listener = connection->listener;
		if (!welcome(connection)) {
			free(connection);
			ended(listener);
		}
		bufferevent_decref(bev);
	}
}

struct connection *connection_of(struct http *http, struct evhttp_request *req)
{
	struct evhttp_connection *evcon = evhttp_request_get_connection(req);
	struct bufferevent *bev = evhttp_connection_get_bufferevent(evcon);
	evutil_socket_t fd = bufferevent_getfd(bev);
	struct connection *connection;

	if (fd < 0 || (size_t)fd >= http->table_len)
		return NULL;
	connection = http->table[fd];
	return connection && connection->evcon == evcon ? connection : NULL;
}

static void resume(struct connection *connection)
{
	if (connection->stalled && take_large(connection)) {
		connection->stalled = false;
		bufferevent_enable(connection->bev, EV_READ);
	}
}

static void tick(struct connection *connection, int64_t now)
{
	const struct http *http = connection->listener->http;
	const struct http_limits *limits = &http->limits;
	int64_t ms = now - connection->since_ms;

	switch (connection->state) {
	case CONNECTION_IDLE:
		if (ms >= limits->idle_ms || connection->last || http->draining)
			connection_close(connection);
		break;
	case CONNECTION_RECEIVING:
		if (ms >= limits->receive_ms)
			connection_close(connection);
		else
			resume(connection);
		break;
	case CONNECTION_CALLING:
		if (ms >= limits->call_ms)
			exchange_give_up(connection, 504);
		break;
	case CONNECTION_SENDING:
		if (ms >= limits->send_ms)
			connection_close(connection);
		break;
	}
}

void connection_tick(struct http *http)
{
	int64_t now = http_now_ms();
	size_t fd;

	for (fd = 0; fd < http->table_len; fd++)
		if (http->table[fd])
			tick(http->table[fd], now);
}
