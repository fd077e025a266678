// SPDX-License-Identifier: MIT
/*
 * Quotes, for whatever method needs one: who may ask, and what went wrong
 *
 * Copyright The dstack for Linux authors
 */
#include "quotes.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "../http/http.h"

/* Before a caller's deadline, so that it is we who say what is stuck. */
#define MARGIN_MS	1500
#define PATIENCE_MS	8500	/* of a caller without a deadline */
#define BLAME_MS	500	/* a host that is silent for so long is why */
/* Whoever comes when the host has been silent for so long need not wait. */
#define STUCK_MS	5000

static unsigned int in_seconds(int64_t ms)
{
	return (unsigned int)((ms + 999) / 1000);
}

static int later(struct rpc_error *error, int status, int64_t ms, int err)
{
	error->status = status;
	error->retry_after = in_seconds(ms);
	return err;
}

/* How long it has been asked for the quote at hand, and what came of it. */
static int64_t silent_ms(struct agent_quotes *quotes, int *trouble)
{
	int64_t ms;

	pthread_mutex_lock(&quotes->lock);
	ms = quotes->since_ms ? quotes_now_ms() - quotes->since_ms : 0;
	*trouble = quotes->trouble;
	pthread_mutex_unlock(&quotes->lock);
	return ms;
}

static int fail_stuck(struct rpc_error *error, int status, int64_t ms,
		      int trouble)
{
	if (trouble)
		rpc_fail(error, -ETIMEDOUT,
			 "the host of this machine has made no quote for %u s (%s): try again later",
			 in_seconds(ms), strerror(-trouble));
	else
		rpc_fail(error, -ETIMEDOUT,
			 "the host of this machine has not answered a request for a quote for %u s: try again later",
			 in_seconds(ms));
	return later(error, status, STUCK_MS, -ETIMEDOUT);
}

int64_t quotes_take(struct agent_quotes *quotes, const char *id)
{
	int64_t ms = agent_rate_take(quotes->rate, id, quotes_now_ms());

	quotes->stats.limited += ms > 0;
	return ms;
}

int quotes_fail_limited(const char *id, int64_t ms, struct rpc_error *error)
{
	if (ms < 0)
		return ms;
	rpc_fail(error, -EDQUOT,
		 "container '%s' asks for quotes too often: try again in %u s",
		 id, in_seconds(ms));
	return later(error, 429, ms, -EDQUOT);
}

int quotes_fail_stuck(struct agent_quotes *quotes, struct rpc_error *error)
{
	int trouble;
	int64_t silent = silent_ms(quotes, &trouble);

	return silent < STUCK_MS ? 0 :
		fail_stuck(error, 503, silent, trouble);
}

static int fail_timed_out(struct agent_quotes *quotes, struct rpc_error *error)
{
	int trouble;
	int64_t silent = silent_ms(quotes, &trouble);

	if (silent >= BLAME_MS || trouble)
		return fail_stuck(error, 504, silent, trouble);
	rpc_fail(error, -ETIMEDOUT,
		 "too many quotes are being asked for: try again later");
	return later(error, 504, STUCK_MS, -ETIMEDOUT);
}

static int fail_made(struct rpc_error *error, const struct quote_job *job)
{
	int err = job->err;

	switch (err) {
	case -EACCES:
		if (job->flags & DSTACK_QUOTE_F_BOUND)
			return rpc_fail(error, err,
					"the kernel can't tell which program this agent is: its file is open for writing");
		return rpc_fail(error, err,
				"report data that begins with \"%s\" is for the kernel to make",
				DSTACK_BOUND_TAG);
	case -EIO:
	case -EPROTO:
		return rpc_fail(error, err,
				"the TEE or its host refused to make a quote: %s",
				strerror(-err));
	case -ENOTRECOVERABLE:
		return rpc_fail(error, err,
				"somebody else extended the register: no event log explains a quote any more");
	case -ESTALE:
		return rpc_fail(error, err,
				"the container that asked has ended");
	default:
		return rpc_fail(error, err, "can't get a quote: %s",
				strerror(-err));
	}
}

int quotes_leave(const struct http_caller *caller, struct rpc_error *error)
{
	int err = http_leave(caller);

	if (!err)
		return 0;
	rpc_fail(error, err, "too many requests wait for quotes: try again later");
	return later(error, 503, STUCK_MS, err);
}

int quotes_finish(struct agent_quotes *quotes,
		  const struct http_caller *caller, struct quote_job *job,
		  struct rpc_error *error)
{
	int64_t deadline = caller->deadline_ms ?
			   caller->deadline_ms - MARGIN_MS :
			   quotes_now_ms() + PATIENCE_MS;
	int err = quotes_wait(quotes, job, deadline);

	http_return(caller);
	if (err)
		return fail_timed_out(quotes, error);
	return job->err ? fail_made(error, job) : 0;
}

static int submit(struct agent_quotes *quotes,
		  const struct http_caller *caller, struct quote_job *job,
		  struct rpc_error *error)
{
	int err = quotes_leave(caller, error);

	if (err)
		return err;
	pthread_mutex_lock(&quotes->lock);
	err = quotes_submit(quotes, caller->id, job);
	pthread_mutex_unlock(&quotes->lock);
	if (!err)
		return quotes_finish(quotes, caller, job, error);
	http_return(caller);
	return err;
}

int agent_quote(const struct agent *agent, const struct http_caller *caller,
		const uint8_t report_data[DSTACK_REPORT_DATA_SIZE],
		struct libdstack_quote *quote, struct rpc_error *error)
{
	struct agent_quotes *quotes = agent->quotes;
	struct quote_job *job;
	int64_t ms;
	int fd, err;

	pthread_mutex_lock(&quotes->lock);
	ms = quotes_take(quotes, caller->id);
	pthread_mutex_unlock(&quotes->lock);
	if (ms)
		return quotes_fail_limited(caller->id, ms, error);
	err = quotes_fail_stuck(quotes, error);
	if (err)
		return err;
	fd = quotes->config.open(caller, error);
	if (fd < 0)
		return fd;
	err = quotes_job_new(sizeof(*job), fd, &job);
	if (err)
		return err;
	memcpy(job->report_data, report_data, sizeof(job->report_data));
	err = submit(quotes, caller, job, error);
	if (!err) {
		*quote = job->quote;
		job->quote.data = NULL;
	}
	quotes_put(quotes, job);
	return err;
}
