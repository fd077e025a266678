// SPDX-License-Identifier: MIT
/*
 * Quotes that callers share
 *
 * Copyright The dstack for Linux authors
 *
 * A batch is asked for by the host, not by any of its containers: none of them
 * speaks for another, or pays for it.  Whether each may have a quote was asked
 * when it joined.
 */
#include "batch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "agent.h"
#include "../http/http.h"
#include "quotes.h"

/* Its turns are of no container: this is none's id. */
#define BATCH_ID	""
#define PARTS_FIRST	16

struct batch {
	struct quote_job job;		/* first */
	size_t count, room;		/* under the lock until it is taken */
	struct libdstack_batch *parts;
};

/* in the thread */

static int own_digest(struct dstack_digest *program)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	err = libdstack_file_digest(fd, program);
	close(fd);
	return err;
}

static int active_epoch(uint64_t *epoch)
{
	struct libdstack_control *control;
	struct libdstack_status status;
	int err = libdstack_control_open(&control);

	if (err)
		return err;
	err = libdstack_status(control, &status);
	libdstack_control_close(control);
	*epoch = err ? 0 : status.policy_epoch;
	return err;
}

static int vouch(struct agent_quotes *quotes, struct dstack_digest *program,
		 uint64_t *epoch)
{
	if (quotes->config.vouch)
		return quotes->config.vouch(program, epoch);
	return own_digest(program) ?: active_epoch(epoch);
}

static int begin(struct agent_quotes *quotes, struct quote_job *job)
{
	struct batch *batch = (struct batch *)job;
	struct rpc_error error;
	size_t i;
	int err;

	/* Its first part found no memory. */
	if (!batch->count)
		return -ENOMEM;
	job->fd = quotes->config.open(NULL, &error);
	if (job->fd < 0)
		return job->fd;
	job->flags = DSTACK_QUOTE_F_BOUND;
	err = vouch(quotes, &batch->parts[0].program, &batch->parts[0].epoch);
	for (i = 1; i < batch->count; i++) {
		batch->parts[i].program = batch->parts[0].program;
		batch->parts[i].epoch = batch->parts[0].epoch;
	}
	return err ?: libdstack_batch_make(batch->parts, batch->count,
					   job->report_data);
}

static bool is_of_quote(const struct libdstack_batch *part,
			const struct libdstack_quote *quote)
{
	uint8_t own[DSTACK_REPORT_DATA_SIZE];

	return !libdstack_batch_report_data(part, own) &&
		!memcmp(own, quote->report_data, sizeof(own));
}

/* The policy may have become another since it was asked for. */
static int end(struct agent_quotes *quotes, struct quote_job *job)
{
	struct batch *batch = (struct batch *)job;
	struct libdstack_batch *first = &batch->parts[0];
	size_t i;
	int err;

	if (!is_of_quote(first, &job->quote)) {
		err = vouch(quotes, &first->program, &first->epoch);
		if (err)
			return err;
		if (!is_of_quote(first, &job->quote))
			return -EAGAIN;
		for (i = 1; i < batch->count; i++)
			batch->parts[i].epoch = first->epoch;
	}
	pthread_mutex_lock(&quotes->lock);
	quotes->stats.batched += batch->count;
	pthread_mutex_unlock(&quotes->lock);
	return 0;
}

static void free_parts(struct quote_job *job)
{
	free(((struct batch *)job)->parts);
}

/* callers */

static bool has(const struct batch *batch, const char *id)
{
	size_t i;

	for (i = 0; i < batch->count; i++)
		if (!strcmp(batch->parts[i].id, id))
			return true;
	return false;
}

static int add(struct batch *batch, const struct libdstack_batch *part,
	       size_t *index)
{
	size_t room = batch->room ? 2 * batch->room : PARTS_FIRST;
	struct libdstack_batch *parts = batch->parts;

	if (batch->count == batch->room) {
		parts = reallocarray(parts, room, sizeof(*parts));
		if (!parts)
			return -ENOMEM;
		batch->parts = parts;
		batch->room = room;
	}
	*index = batch->count++;
	parts[*index] = *part;
	return 0;
}

static int start(struct agent_quotes *quotes, struct batch **batch)
{
	struct quote_job *job;
	int err = quotes_job_new(sizeof(**batch), -1, &job);

	if (err)
		return err;
	job->begin = begin;
	job->end = end;
	job->free = free_parts;
	err = quotes_submit(quotes, BATCH_ID, job);
	if (err) {
		quotes_job_free(job);
		return err;
	}
	quotes->forming = job;
	*batch = (struct batch *)job;
	return 0;
}

/*
 * With the lock held.  *@ms: until its container may have a quote.  Each costs
 * it but one token, however many of its callers share it.
 */
static int join(struct agent_quotes *quotes,
		const struct libdstack_batch *part, struct batch **out,
		size_t *index, int64_t *ms)
{
	struct batch *batch = (struct batch *)quotes->forming;
	int err;

	if (batch && batch->count == LIBDSTACK_BATCH_MAX)
		batch = NULL;
	if (!batch || !has(batch, part->id)) {
		*ms = quotes_take(quotes, part->id);
		if (*ms)
			return -EDQUOT;
	}
	if (!batch) {
		err = start(quotes, &batch);
		if (err)
			return err;
	} else {
		batch->job.refs++;
	}
	*out = batch;
	/* Should this fail, the hold is still to be put. */
	return add(batch, part, index);
}

/* That the caller is who it was, and may act, is asked as for its own quote. */
static int prepare(struct agent_quotes *quotes,
		   const struct http_caller *caller,
		   const uint8_t report_data[DSTACK_REPORT_DATA_SIZE],
		   struct libdstack_batch *part, struct rpc_error *error)
{
	int fd = quotes->config.open(caller, error);

	if (fd < 0)
		return fd;
	close(fd);
	memset(part, 0, sizeof(*part));
	memcpy(part->id, caller->id, sizeof(part->id));
	memcpy(part->report_data, report_data, sizeof(part->report_data));
	return getrandom(part->salt, sizeof(part->salt), 0) ==
		sizeof(part->salt) ? 0 : -EIO;
}

int agent_batch_quote(const struct agent *agent,
		      const struct http_caller *caller,
		      const uint8_t report_data[DSTACK_REPORT_DATA_SIZE],
		      struct libdstack_quote *quote,
		      struct libdstack_batch *part, struct rpc_error *error)
{
	struct agent_quotes *quotes = agent->quotes;
	struct batch *batch = NULL;
	int64_t ms = 0;
	size_t index = 0;
	int err;

	err = quotes_fail_stuck(quotes, error) ?:
	      prepare(quotes, caller, report_data, part, error) ?:
	      quotes_leave(caller, error);
	if (err)
		return err;
	pthread_mutex_lock(&quotes->lock);
	err = join(quotes, part, &batch, &index, &ms);
	pthread_mutex_unlock(&quotes->lock);
	if (err) {
		http_return(caller);
		if (ms)
			err = quotes_fail_limited(caller->id, ms, error);
	} else {
		err = quotes_finish(quotes, caller, &batch->job, error) ?:
		      quotes_copy(&batch->job.quote, quote);
	}
	if (!err)
		*part = batch->parts[index];
	if (batch)
		quotes_put(quotes, &batch->job);
	return err;
}
