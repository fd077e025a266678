/* SPDX-License-Identifier: MIT */
/*
 * What the loop's files share
 *
 * Copyright The dstack for Linux authors
 *
 * All of it belongs to the thread of http_run().
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "http.h"
#include "pool.h"
#include "socket.h"

struct bufferevent;
struct evconnlistener;
struct event;
struct event_base;
struct evhttp;
struct evhttp_connection;
struct evhttp_request;

struct ssl_ctx_st;

/* What is between bytes and requests: tls.c, which not every program has. */
struct http_tls {
	struct bufferevent *(*accept)(struct http_tls *tls,
				      struct event_base *base);
	/* References to what http_request has. */
	void (*peer)(struct bufferevent *bev, struct http_request *request);
	pthread_mutex_t lock;
	struct ssl_ctx_st *ctx;
};

struct listener {
	struct http *http;
	unsigned int index;		/* of its path */
	struct http_socket socket;
	struct evhttp *evhttp;
	struct evconnlistener *accept;	/* @evhttp's to free */
	unsigned int connections;	/* that it has accepted, if remote */
};

enum connection_state {
	CONNECTION_IDLE,
	CONNECTION_RECEIVING,
	CONNECTION_CALLING,		/* its request is the pool's */
	CONNECTION_SENDING,
};

struct connection {
	SIMPLEQ_ENTRY(connection) link;	/* while it is fresh */
	struct listener *listener;
	struct bufferevent *bev;
	struct evhttp_connection *evcon;	/* NULL: not known yet */
	struct evhttp_request *req;	/* CALLING and SENDING */
	struct call *call;		/* CALLING */
	struct call *naming;		/* to find out who has connected */
	struct account *account;	/* NULL: not known yet */
	int fd;
	enum connection_state state;
	int64_t since_ms;		/* that it is in this state */
	size_t received;		/* bytes of this request, or of more */
	size_t owed;			/* bytes of its reply, if accounted */
	bool large;			/* may send more than most need to */
	bool stalled;			/* would, and waits for its turn */
	bool last;			/* closes after the next reply */
	bool asked;			/* there was a request */
};

SIMPLEQ_HEAD(connections, connection);

struct watch {
	SLIST_ENTRY(watch) link;
	struct event *event;
	void (*fn)(void *arg);
	void *arg;
};

SLIST_HEAD(watches, watch);

struct http {
	struct http_config config;
	struct http_limits limits;
	struct pool *pool;
	struct event_base *base;
	int wake_fd;			/* eventfd: a call is done, or stop */
	struct event *wake;		/* @wake_fd */
	struct event *fresh_event;	/* connections were accepted */
	struct event *tick;		/* while there are any */
	struct event *drain;		/* time is over */
	struct listener *listeners;
	size_t nr_listeners;
	struct connections fresh;
	struct connection **table;	/* by descriptor */
	size_t table_len;
	unsigned int connections;
	unsigned int large;		/* of them */
	bool paused;			/* nothing is accepted */
	bool draining;
	atomic_bool stop;
	struct watches watches;
};

/* server.c */

int64_t http_now_ms(void);
__attribute__((format(printf, 2, 3)))
void http_message(const struct http *http, const char *fmt, ...);

/* connection.c */

/* For evhttp_set_bevcb(); its argument is the listener. */
struct bufferevent *connection_accept(struct event_base *base, void *arg);
/* For evconnlistener_set_error_cb(): no descriptors are left, for instance. */
void connection_refused(struct evconnlistener *accept, void *arg);
/* Connections that were accepted since get their deadlines, and a name. */
void connection_welcome(struct http *http);
/* NULL: there was no memory to keep it in mind. */
struct connection *connection_of(struct http *http,
				 struct evhttp_request *req);
void connection_enter(struct connection *connection,
		      enum connection_state state);
/* Not from a callback of the connection itself. */
void connection_close(struct connection *connection);
/* What time has done to them. */
void connection_tick(struct http *http);
void connection_pause(struct http *http, bool pause);

/* exchange.c */

/* For evhttp_set_gencb(); its argument is the listener. */
void exchange_begin(struct evhttp_request *req, void *arg);
/* Calls that are done. */
void exchange_done(struct http *http);
/* Answers in the place of the call, of which nothing is heard any more. */
void exchange_give_up(struct connection *connection, int status);
/* Lets go of what a connection that is being freed waits for. */
void exchange_forget(struct connection *connection);
/* Asks who has connected; false: nobody that could be asked about. */
bool exchange_name(struct connection *connection);

#endif /* HTTP_SERVER_H */
