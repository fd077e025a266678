/* SPDX-License-Identifier: MIT */
/*
 * The thread that asks for quotes, and what waits for it
 *
 * Copyright The dstack for Linux authors
 */
#ifndef AGENT_QUOTES_H
#define AGENT_QUOTES_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "quote.h"
#include "rate.h"

struct quote_client;

/*
 * One quote to be made.  Who submits it and the thread hold it, the last of
 * them frees it.
 */
struct quote_job {
	TAILQ_ENTRY(quote_job) link;
	struct quote_client *client;	/* NULL: not in the queue */
	unsigned int refs;		/* under the lock, as the two above */
	bool done;			/* the same: and the next two are set */
	int err;
	struct libdstack_quote quote;

	int fd;
	uint32_t flags;
	uint8_t report_data[DSTACK_REPORT_DATA_SIZE];
	pthread_cond_t finished;
	/*
	 * In the thread, without the lock: before the quote is asked for, and
	 * when it is there.  Either may be NULL.
	 */
	int (*begin)(struct agent_quotes *quotes, struct quote_job *job);
	int (*end)(struct agent_quotes *quotes, struct quote_job *job);
	/* What else is in it; or NULL. */
	void (*free)(struct quote_job *job);
};

TAILQ_HEAD(quote_jobs, quote_job);

struct quote_client {
	TAILQ_ENTRY(quote_client) link;
	char id[DSTACK_ID_SIZE];
	struct quote_jobs jobs;
};

TAILQ_HEAD(quote_clients, quote_client);

struct agent_quotes {
	struct agent_quote_config config;
	pthread_t thread;

	pthread_mutex_t lock;		/* of all below */
	pthread_cond_t wake;		/* the thread, or who closes */
	bool closing, ended;
	struct quote_clients clients;	/* whose turn it is comes first */
	struct quote_job *forming;	/* a batch, in the queue; or NULL */
	struct agent_rate *rate;
	struct agent_quote_stats stats;
	int64_t since_ms;		/* of the job at hand; 0: none is */
	int trouble;			/* why it is tried again; or 0 */
};

int64_t quotes_now_ms(void);
/* One that is waited for until a time of quotes_now_ms(): 0 or -errno. */
int quotes_cond_init(pthread_cond_t *cond);
/* As pthread_cond_timedwait(). */
int quotes_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t ms);
int quotes_copy(const struct libdstack_quote *from, struct libdstack_quote *to);
/* With one hold.  @fd is closed with it, and if there is no memory. */
int quotes_job_new(size_t size, int fd, struct quote_job **job);
/* One that nobody else holds. */
void quotes_job_free(struct quote_job *job);
/* With the lock held.  The thread has a hold then. */
int quotes_submit(struct agent_quotes *quotes, const char *id,
		  struct quote_job *job);
/* Without.  0: it is done; or -ETIMEDOUT. */
int quotes_wait(struct agent_quotes *quotes, struct quote_job *job,
		int64_t deadline_ms);
/* Without.  One hold less. */
void quotes_put(struct agent_quotes *quotes, struct quote_job *job);

/* quote.c */

/* With the lock held: a token of this container, as agent_rate_take(). */
int64_t quotes_take(struct agent_quotes *quotes, const char *id);
int quotes_fail_limited(const char *id, int64_t ms, struct rpc_error *error);
/* 0: the host is not known to be stuck. */
int quotes_fail_stuck(struct agent_quotes *quotes, struct rpc_error *error);
/*
 * The caller waits for a quote from the first to the end of the second, and its
 * thread is not needed meanwhile.
 */
int quotes_leave(const struct http_caller *caller, struct rpc_error *error);
int quotes_finish(struct agent_quotes *quotes,
		  const struct http_caller *caller, struct quote_job *job,
		  struct rpc_error *error);

#endif /* AGENT_QUOTES_H */
