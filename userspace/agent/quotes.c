// SPDX-License-Identifier: MIT
/*
 * The thread that asks for quotes
 *
 * Copyright The dstack for Linux authors
 *
 * The kernel has one request at a time with the host, and waits long for it.
 * So that no more than one thread ever does, there is but one.
 */
#include "quotes.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"

/* What may pass is tried again after so long, and then twice as long. */
#define PAUSE_MS	50
#define PAUSE_MAX_MS	1000
/* This may be for ever, and is not tried again as often as one likes. */
#define REFUSALS_MAX	3
#define CLOSE_MS	1000	/* for a quote that is under way */

int64_t quotes_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

int quotes_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t ms)
{
	struct timespec until = { ms / 1000, ms % 1000 * 1000000L };

	return pthread_cond_timedwait(cond, lock, &until);
}

int quotes_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;
	int err = pthread_condattr_init(&attr);

	if (err)
		return -err;
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	err = pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
	return -err;
}

/* jobs */

int quotes_job_new(size_t size, int fd, struct quote_job **out)
{
	struct quote_job *job = calloc(1, size);
	int err = -ENOMEM;

	if (job)
		err = quotes_cond_init(&job->finished);
	if (job && !err) {
		job->fd = fd;
		job->refs = 1;
		*out = job;
		return 0;
	}
	free(job);
	if (fd >= 0)
		close(fd);
	return err;
}

void quotes_job_free(struct quote_job *job)
{
	if (job->free)
		job->free(job);
	if (job->fd >= 0)
		close(job->fd);
	libdstack_quote_free(&job->quote);
	pthread_cond_destroy(&job->finished);
	free(job);
}

void quotes_put(struct agent_quotes *quotes, struct quote_job *job)
{
	unsigned int left;

	pthread_mutex_lock(&quotes->lock);
	left = --job->refs;
	pthread_mutex_unlock(&quotes->lock);
	if (!left)
		quotes_job_free(job);
}

int quotes_copy(const struct libdstack_quote *from, struct libdstack_quote *to)
{
	*to = *from;
	to->data = malloc(from->len ?: 1);
	if (!to->data)
		return -ENOMEM;
	memcpy(to->data, from->data, from->len);
	return 0;
}

/* the queue */

static struct quote_client *client_of(struct agent_quotes *quotes,
				      const char *id)
{
	struct quote_client *client;

	TAILQ_FOREACH(client, &quotes->clients, link)
		if (!strcmp(client->id, id))
			return client;
	client = calloc(1, sizeof(*client));
	if (!client)
		return NULL;
	memcpy(client->id, id, strnlen(id, sizeof(client->id) - 1));
	TAILQ_INIT(&client->jobs);
	TAILQ_INSERT_TAIL(&quotes->clients, client, link);
	return client;
}

int quotes_submit(struct agent_quotes *quotes, const char *id,
		  struct quote_job *job)
{
	job->client = client_of(quotes, id);
	if (!job->client)
		return -ENOMEM;
	job->refs++;
	TAILQ_INSERT_TAIL(&job->client->jobs, job, link);
	pthread_cond_broadcast(&quotes->wake);
	return 0;
}

/* The client has had its turn, or wants none. */
static void unlink_job(struct agent_quotes *quotes, struct quote_job *job)
{
	struct quote_client *client = job->client;

	if (quotes->forming == job)
		quotes->forming = NULL;
	TAILQ_REMOVE(&client->jobs, job, link);
	job->client = NULL;
	TAILQ_REMOVE(&quotes->clients, client, link);
	if (TAILQ_EMPTY(&client->jobs))
		free(client);
	else
		TAILQ_INSERT_TAIL(&quotes->clients, client, link);
}

static struct quote_job *take(struct agent_quotes *quotes)
{
	struct quote_client *client = TAILQ_FIRST(&quotes->clients);
	struct quote_job *job;

	if (!client)
		return NULL;
	job = TAILQ_FIRST(&client->jobs);
	unlink_job(quotes, job);
	return job;
}

/* callers */

/* One that nobody else waits for is not made, if it can be helped. */
static void leave(struct agent_quotes *quotes, struct quote_job *job)
{
	quotes->stats.timed_out++;
	if (!job->client || job->refs > 2)
		return;
	unlink_job(quotes, job);
	job->refs--;
}

int quotes_wait(struct agent_quotes *quotes, struct quote_job *job,
		int64_t deadline_ms)
{
	int err = 0;

	pthread_mutex_lock(&quotes->lock);
	quotes->stats.waiting++;
	while (!job->done && !err)
		err = quotes_wait_until(&job->finished, &quotes->lock,
					deadline_ms);
	quotes->stats.waiting--;
	if (!job->done)
		leave(quotes, job);
	err = job->done ? 0 : -ETIMEDOUT;
	pthread_mutex_unlock(&quotes->lock);
	return err;
}

/* the thread */

static bool may_pass(int err, unsigned int *refusals)
{
	switch (err) {
	case -EAGAIN:
	case -EBUSY:
	case -EINTR:
	case -ETIMEDOUT:
		return true;
	case -EIO:
		return ++*refusals < REFUSALS_MAX;
	default:
		return false;
	}
}

/* With the lock held: a quote took so long. */
static void count(struct agent_quote_stats *stats, uint64_t ms)
{
	size_t i;

	stats->total_ms += ms;
	if (ms > stats->longest_ms)
		stats->longest_ms = ms;
	for (i = 0; i < AGENT_QUOTE_BOUNDS; i++)
		stats->within[i] += ms <= agent_quote_bounds_ms[i];
}

static int get(struct agent_quotes *quotes, struct quote_job *job)
{
	int64_t start = quotes_now_ms();
	int err;

	err = quotes->config.get(job->fd, job->flags, job->report_data,
				 &job->quote);
	pthread_mutex_lock(&quotes->lock);
	if (!err)
		count(&quotes->stats, quotes_now_ms() - start);
	pthread_mutex_unlock(&quotes->lock);
	return err;
}

/* False: nobody waits for it any more. */
static bool pause_for(struct agent_quotes *quotes, struct quote_job *job,
		      int err, int64_t ms)
{
	int64_t until = quotes_now_ms() + ms;
	bool wanted;

	pthread_mutex_lock(&quotes->lock);
	quotes->trouble = err;
	while (!quotes->closing && job->refs > 1 && quotes_now_ms() < until)
		quotes_wait_until(&quotes->wake, &quotes->lock, until);
	wanted = !quotes->closing && job->refs > 1;
	quotes->stats.retries += wanted;
	pthread_mutex_unlock(&quotes->lock);
	return wanted;
}

static int make(struct agent_quotes *quotes, struct quote_job *job)
{
	unsigned int refusals = 0;
	int64_t pause = PAUSE_MS;
	int err;

	err = job->begin ? job->begin(quotes, job) : 0;
	if (err)
		return err;
	for (;;) {
		err = get(quotes, job);
		if (!may_pass(err, &refusals) ||
		    !pause_for(quotes, job, err, pause))
			break;
		pause = pause < PAUSE_MAX_MS / 2 ? 2 * pause : PAUSE_MAX_MS;
	}
	if (!err && job->end)
		err = job->end(quotes, job);
	return err;
}

static void serve(struct agent_quotes *quotes, struct quote_job *job)
{
	int err;

	quotes->since_ms = quotes_now_ms();
	quotes->trouble = 0;
	pthread_mutex_unlock(&quotes->lock);
	err = make(quotes, job);
	pthread_mutex_lock(&quotes->lock);
	quotes->since_ms = 0;
	if (err)
		quotes->stats.failed++;
	else
		quotes->stats.made++;
	job->err = err;
	job->done = true;
	pthread_cond_broadcast(&job->finished);
	pthread_mutex_unlock(&quotes->lock);
	quotes_put(quotes, job);
	pthread_mutex_lock(&quotes->lock);
}

static void *run(void *arg)
{
	struct agent_quotes *quotes = arg;
	struct quote_job *job;

	pthread_mutex_lock(&quotes->lock);
	while (!quotes->closing) {
		job = take(quotes);
		if (job)
			serve(quotes, job);
		else
			pthread_cond_wait(&quotes->wake, &quotes->lock);
	}
	quotes->ended = true;
	pthread_cond_broadcast(&quotes->wake);
	pthread_mutex_unlock(&quotes->lock);
	return NULL;
}

/* the service */

static int open_device(const struct http_caller *caller,
		       struct rpc_error *error)
{
	int fd;

	if (caller)
		return agent_device_keep(caller, error);
	fd = libdstack_device_open();
	return fd < 0 ? rpc_fail(error, fd, "the dstack module is not there: %s",
				 strerror(-fd)) : fd;
}

/* Signals are for the program's own threads. */
static int start_thread(struct agent_quotes *quotes)
{
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	err = pthread_create(&quotes->thread, NULL, run, quotes);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -err;
}

int agent_quotes_open(struct agent_quotes **out,
		      const struct agent_quote_config *config)
{
	struct agent_quotes *quotes = calloc(1, sizeof(*quotes));
	int err;

	if (!quotes)
		return -ENOMEM;
	quotes->config = *config;
	if (!quotes->config.open)
		quotes->config.open = open_device;
	if (!quotes->config.get)
		quotes->config.get = libdstack_get_quote;
	TAILQ_INIT(&quotes->clients);
	err = agent_rate_open(&quotes->rate, config->rate, config->burst);
	if (!err)
		err = -pthread_mutex_init(&quotes->lock, NULL);
	if (!err)
		err = quotes_cond_init(&quotes->wake);
	if (!err)
		err = start_thread(quotes);
	if (err) {
		agent_rate_close(quotes->rate);
		free(quotes);
		return err;
	}
	*out = quotes;
	return 0;
}

int agent_quotes_close(struct agent_quotes *quotes)
{
	int64_t until = quotes_now_ms() + CLOSE_MS;
	int err = 0;

	if (!quotes)
		return 0;
	pthread_mutex_lock(&quotes->lock);
	quotes->closing = true;
	pthread_cond_broadcast(&quotes->wake);
	while (!quotes->ended && !err)
		err = quotes_wait_until(&quotes->wake, &quotes->lock, until);
	err = quotes->ended ? 0 : -EBUSY;
	pthread_mutex_unlock(&quotes->lock);
	if (err)
		return err;
	pthread_join(quotes->thread, NULL);
	agent_rate_close(quotes->rate);
	pthread_cond_destroy(&quotes->wake);
	pthread_mutex_destroy(&quotes->lock);
	free(quotes);
	return 0;
}

void agent_quotes_limit(struct agent_quotes *quotes, unsigned int rate,
			unsigned int burst)
{
	pthread_mutex_lock(&quotes->lock);
	agent_rate_set(quotes->rate, rate, burst);
	pthread_mutex_unlock(&quotes->lock);
}

void agent_quotes_stats(struct agent_quotes *quotes,
			struct agent_quote_stats *stats)
{
	pthread_mutex_lock(&quotes->lock);
	*stats = quotes->stats;
	pthread_mutex_unlock(&quotes->lock);
}
