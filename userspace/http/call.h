/* SPDX-License-Identifier: MIT */
/*
 * One request on its way through the threads
 *
 * Copyright The dstack for Linux authors
 */
#ifndef HTTP_CALL_H
#define HTTP_CALL_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "http.h"

struct account;
struct connection;
struct evhttp_request;
struct pool;

enum call_stage {
	CALL_UNNAMED,			/* waits until it is known who asks */
	CALL_NAMING,			/* the namer has it */
	CALL_WAITING,			/* for a worker */
	CALL_RUNNING,			/* a worker has it */
	CALL_DONE,			/* waits for the loop */
};

/*
 * Whoever takes it from one of the pool's lists owns it, but for what has its
 * owner beside it.
 */
struct call {
	TAILQ_ENTRY(call) link;
	struct connection *connection;	/* the loop's */
	enum call_stage stage;		/* the pool's, under its lock */
	bool abandoned, away;		/* the same */
	pthread_cond_t *turn;		/* the same; NULL: it waits for none */
	struct pool *pool;		/* since it was submitted */
	struct account *account;	/* the same; NULL: not known yet */
	bool names_only;		/* asks only who has connected */
	struct caller_peer peer;
	struct http_request request;	/* its strings are in @data */
	struct http_reply reply;
	char data[];
};

TAILQ_HEAD(calls, call);

/* Takes the body out of @from, which is NULL for a call that names only. */
struct call *call_new(struct connection *connection,
		      struct evhttp_request *from);
/* Wipes it and its reply. */
void call_free(struct call *call);

/* A reply without a reply: the form that errors of methods have as well. */
void reply_error(struct http_reply *reply, int status);
void reply_wipe(struct http_reply *reply);
/* For evbuffer_add_reference(). */
void reply_wipe_body(const void *body, size_t len, void *unused);

#endif /* HTTP_CALL_H */
