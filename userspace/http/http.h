/* SPDX-License-Identifier: MIT */
/*
 * HTTP on sockets: requests in, replies out, and who asks
 *
 * Copyright The dstack for Linux authors
 *
 * One thread moves bytes and never waits; the handler runs on others and may.
 * Functions return 0 or -errno, after a message.
 */
#ifndef HTTP_H
#define HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "caller.h"

struct stack_st_X509;
struct x509_st;

struct http_request {
	const char *method;		/* "GET" or "POST" */
	const char *path;		/* as sent: still with its % */
	const char *query;		/* the same; "": none */
	const char *content_type;	/* "": none */
	const void *body;		/* with a NUL behind it */
	size_t len;
	unsigned int socket;		/* which of http_config.paths */
	bool remote;			/* that is no unix socket */
	struct http_caller caller;
	/*
	 * With TLS: the certificate whose key it has, and what it sent with it.
	 * Nobody has looked at them yet.  NULL: none.
	 */
	struct x509_st *cert;
	struct stack_st_X509 *chain;
};

struct http_reply {
	int status;			/* 500 unless the handler says other */
	unsigned int retry_after;	/* seconds; 0: that is not said */
	const char *type;		/* of the body; static */
	void *body;			/* malloc()ed; wiped, then freed */
	size_t len;
};

/*
 * Runs on several threads at once.  Request and caller are its own until it
 * returns.  A reply that comes after the deadline is thrown away.
 */
typedef void (*http_handle_fn)(void *arg, const struct http_request *request,
			       struct http_reply *reply);

/*
 * For a handler that has to wait for something that others wait for, too: from
 * http_leave() to http_return() another thread answers in its place.  It then
 * goes on when it is its turn.  -EAGAIN: so many wait that it must not, and it
 * does not return.  A caller that has no call, as in tests, may wait.
 */
int http_leave(const struct http_caller *caller);
void http_return(const struct http_caller *caller);

/* 0: as http_open() has it. */
struct http_limits {
	unsigned int connections;	/* in all; more wait to be accepted */
	unsigned int caller_connections;	/* more are closed */
	unsigned int remote_connections;	/* of these; more wait */
	unsigned int caller_queue;	/* calls of one that wait: 503 */
	unsigned int workers;		/* threads that handle calls */
	unsigned int workers_max;	/* with those that wait, or are stuck */
	size_t head;			/* bytes of a request before its body */
	size_t body;			/* bytes of that: 413 */
	size_t remote_head, remote_body; /* the same, of strangers */
	unsigned int receive_ms;	/* for a request to come in */
	unsigned int call_ms;		/* for its reply to be made: 504 */
	unsigned int send_ms;		/* for that to be taken */
	unsigned int idle_ms;		/* between requests */
	unsigned int drain_ms;		/* for all of that after http_stop() */
};

struct http_tls;

struct http_config {
	/*
	 * Of the sockets; what does not begin with '/' is ADDRESS:PORT.  NULL:
	 * none there.
	 */
	const char *const *paths;
	size_t nr;
	const char *version;		/* X-App-Version, for remote callers */
	struct http_tls *tls;		/* of tls.h, for those; NULL: none */
	/*
	 * These are told apart, by their addresses; else all of them together
	 * have what one caller has, and one thread.
	 */
	bool by_address;
	bool shares_ports;		/* with others of this program */
	/*
	 * Of those, on the loop's thread: may one more connection of @id be,
	 * and one has ended on which nothing was asked.  NULL: all may.
	 */
	bool (*admit)(void *arg, const char *id);
	void (*unused)(void *arg, const char *id);
	http_handle_fn handle;
	void *arg;
	struct caller_lookup lookup;
	/* One line about what is wrong here, not with a client.  NULL: none. */
	void (*message)(const char *text);
	struct http_limits limits;
};

struct http;

/*
 * Sockets that the service manager has opened (LISTEN_FDS) are used, others
 * made.  To be called before anything else that uses libevent, and before
 * threads; SIGPIPE is ignored from then on.  What @config points to must stay.
 * -EADDRINUSE: somebody serves a path; -EEXIST: something that is no socket is
 * in its place; -EPERM: others may write to its directory.
 */
int http_open(struct http **http, const struct http_config *config);
/* Calls @fn in the thread of http_run() when @fd can be read. */
int http_watch(struct http *http, int fd, void (*fn)(void *arg), void *arg);
/* Serves until http_stop(), then answers what was asked before it. */
int http_run(struct http *http);
/* From any thread or signal handler. */
void http_stop(struct http *http);
/*
 * Removes the sockets that http_open() made.  -ETIMEDOUT: a handler has not
 * returned in drain_ms; then what it uses stays, and it is time to exit.
 */
int http_close(struct http *http);

#endif /* HTTP_H */
