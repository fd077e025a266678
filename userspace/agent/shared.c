// SPDX-License-Identifier: MIT
/*
 * Quotes that all who come from other machines share
 *
 * Copyright The dstack for Linux authors
 *
 * They ask for few things, all of the host: a quote of each is made once in a
 * while, however many ask for it, and who comes meanwhile waits for that.
 */
#include "quotes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "../http/http.h"

#define KINDS		4	/* of report data; three are there */
#define FRESH_MS	2000
#define MARGIN_MS	1500	/* for the reply */
#define PATIENCE_MS	8500

struct kind {
	uint8_t report_data[DSTACK_REPORT_DATA_SIZE];
	struct libdstack_quote quote;	/* no data: there is none */
	int64_t at_ms;			/* that it was asked for */
	bool making;
};

struct agent_shared {
	pthread_mutex_t lock;		/* of all below */
	pthread_cond_t made;
	struct kind kinds[KINDS];
};

int agent_shared_open(struct agent_shared **out)
{
	struct agent_shared *shared = calloc(1, sizeof(*shared));
	int err = -ENOMEM;

	if (shared)
		err = -pthread_mutex_init(&shared->lock, NULL);
	if (!err)
		err = quotes_cond_init(&shared->made);
	if (err) {
		free(shared);
		return err;
	}
	*out = shared;
	return 0;
}

void agent_shared_close(struct agent_shared *shared)
{
	size_t i;

	if (!shared)
		return;
	for (i = 0; i < KINDS; i++)
		libdstack_quote_free(&shared->kinds[i].quote);
	pthread_cond_destroy(&shared->made);
	pthread_mutex_destroy(&shared->lock);
	free(shared);
}

/* The one, or the oldest that nobody makes; NULL: all are being made. */
static struct kind *find(struct agent_shared *shared,
			 const uint8_t report_data[DSTACK_REPORT_DATA_SIZE])
{
	struct kind *kind, *oldest = NULL;
	size_t i;

	for (i = 0; i < KINDS; i++) {
		kind = &shared->kinds[i];
		if (kind->at_ms && !memcmp(kind->report_data, report_data,
					   DSTACK_REPORT_DATA_SIZE))
			return kind;
		if (!kind->making && (!oldest || kind->at_ms < oldest->at_ms))
			oldest = kind;
	}
	if (oldest) {
		libdstack_quote_free(&oldest->quote);
		memset(oldest, 0, sizeof(*oldest));
		memcpy(oldest->report_data, report_data,
		       DSTACK_REPORT_DATA_SIZE);
	}
	return oldest;
}

static bool is_fresh(const struct kind *kind)
{
	return kind->quote.data && quotes_now_ms() - kind->at_ms < FRESH_MS;
}

/* With the lock held; others may ask for other kinds meanwhile. */
static int make(struct agent_shared *shared, struct kind *kind,
		const struct agent *agent, const struct http_caller *caller,
		struct rpc_error *error)
{
	struct libdstack_quote quote = { 0 };
	int err;

	kind->making = true;
	kind->at_ms = quotes_now_ms();
	pthread_mutex_unlock(&shared->lock);
	err = agent_quote(agent, caller, kind->report_data, &quote, error);
	pthread_mutex_lock(&shared->lock);
	libdstack_quote_free(&kind->quote);
	kind->quote = quote;
	kind->making = false;
	pthread_cond_broadcast(&shared->made);
	return err;
}

/* With the lock held.  The thread is not needed meanwhile. */
static int wait_for(struct agent_shared *shared, const struct kind *kind,
		    const struct http_caller *caller, struct rpc_error *error)
{
	int64_t ms = caller->deadline_ms ? caller->deadline_ms - MARGIN_MS :
		     quotes_now_ms() + PATIENCE_MS;
	int err = quotes_leave(caller, error);

	if (err)
		return err;
	while (kind->making && !err)
		err = quotes_wait_until(&shared->made, &shared->lock, ms);
	pthread_mutex_unlock(&shared->lock);
	http_return(caller);
	pthread_mutex_lock(&shared->lock);
	if (!err && kind->quote.data)
		return 0;
	error->status = 503;
	return rpc_fail(error, -EAGAIN,
			"the quote that others asked for could not be had: try again");
}

static int get(struct agent_shared *shared, struct kind *kind,
	       const struct agent *agent, const struct http_caller *caller,
	       struct rpc_error *error)
{
	if (kind && is_fresh(kind))
		return 0;
	if (kind)
		return kind->making ?
			wait_for(shared, kind, caller, error) :
			make(shared, kind, agent, caller, error);
	error->status = 503;
	return rpc_fail(error, -EAGAIN, "too much is asked for: try again");
}

int agent_shared_quote(const struct agent *agent,
		       const struct http_caller *caller,
		       const uint8_t report_data[DSTACK_REPORT_DATA_SIZE],
		       struct libdstack_quote *quote, struct rpc_error *error)
{
	struct agent_shared *shared = agent->shared;
	struct kind *kind;
	int err;

	pthread_mutex_lock(&shared->lock);
	kind = find(shared, report_data);
	err = get(shared, kind, agent, caller, error);
	if (!err)
		err = quotes_copy(&kind->quote, quote);
	pthread_mutex_unlock(&shared->lock);
	return err;
}
