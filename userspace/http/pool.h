/* SPDX-License-Identifier: MIT */
/*
 * The threads: one that finds out who asks, and some that answer
 *
 * Copyright The dstack for Linux authors
 */
#ifndef HTTP_POOL_H
#define HTTP_POOL_H

#include "call.h"

struct pool;

/* @wake_fd: an eventfd, written when a call is done that none was before. */
int pool_open(struct pool **pool, const struct http_config *config,
	      const struct http_limits *limits, int wake_fd);
/* The calls that are in the pool must have been abandoned. */
int pool_close(struct pool *pool);
/* Finds the account of one who is remote, at once, if there is memory. */
void pool_name(struct pool *pool, struct call *call);
/* Takes @call, until pool_done() or pool_abandon(). */
void pool_submit(struct pool *pool, struct call *call);
/* Nobody waits for @call any more. */
void pool_abandon(struct pool *pool, struct call *call);
/* One that is done, or NULL. */
struct call *pool_done(struct pool *pool);
void pool_free_call(struct pool *pool, struct call *call);

/* What one caller has, whatever its processes and connections. */

/* The account of a call that is done; NULL: it has too many connections. */
struct account *account_connect(struct pool *pool, struct call *call);
const char *account_id(const struct account *account);
void account_disconnect(struct pool *pool, struct account *account);
/*
 * Bytes of replies that its connections have not taken yet, more or less.
 * With too many of them its calls wait.
 */
void account_owe(struct pool *pool, struct account *account, size_t bytes);
void account_take(struct pool *pool, struct account *account, size_t bytes);
/* One large request at a time. */
bool account_take_large(struct account *account);
void account_put_large(struct account *account);

#endif /* HTTP_POOL_H */
