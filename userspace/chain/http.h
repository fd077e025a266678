/* SPDX-License-Identifier: MIT */
/*
 * Requests to servers that are not believed
 *
 * Copyright The dstack for Linux authors
 *
 * Time and sizes are bounded; there are no redirections, proxies or other
 * protocols.  Over plain HTTP only this machine is asked, unless the request
 * says otherwise.  No message has a URL in it.
 */
#ifndef CHAIN_HTTP_H
#define CHAIN_HTTP_H

#include "chain.h"

/*
 * Connections that stay open between requests, for all threads; whoever has
 * none opens one for each request.
 */
struct chain_pool;

struct chain_pool *chain_pool_new(void);	/* NULL: out of memory */
void chain_pool_free(struct chain_pool *pool);	/* NULL is none */

struct chain_request {
	const char *url;		/* https, or http to this machine */
	const char *body;		/* JSON that is POSTed; NULL: GET */
	const char *accept;		/* type of the answer; NULL: any */
	const char *agent;		/* User-Agent; NULL: none */
	const char *socket;		/* path of a unix socket; NULL: none */
	const char *ca_file;		/* NULL: the system's */
	long timeout_ms;
	size_t max;			/* bytes of the answer */
	bool plain;			/* http to any machine */
};

/* Whether a request may be sent there. */
bool chain_http_is_good(const struct chain_request *request);
/*
 * What is answered with a status of 2xx; *@reply is for free(), with a NUL
 * behind it.  -EHOSTUNREACH, -EBADMSG, -EINVAL, -ENOMEM.
 */
int chain_http_ask(struct chain_pool *pool,
		   const struct chain_request *request, char **reply,
		   size_t *len, struct chain_why *why);

#endif /* CHAIN_HTTP_H */
