// SPDX-License-Identifier: MIT
/*
 * How often each container may ask for what costs the host something
 *
 * Copyright The dstack for Linux authors
 */
#include "rate.h"

#include <errno.h>
#include <linux/dstack.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define TOKEN	1000			/* parts: one comes in so many ms */

struct bucket {
	TAILQ_ENTRY(bucket) link;
	char id[DSTACK_ID_SIZE];
	int64_t parts, at_ms;		/* so many were in it then */
};

TAILQ_HEAD(buckets, bucket);

struct agent_rate {
	struct buckets buckets;		/* who asked last comes last */
	unsigned int nr;
	int64_t per_second, most;
};

int agent_rate_open(struct agent_rate **out, unsigned int per_second,
		    unsigned int burst)
{
	struct agent_rate *rate = calloc(1, sizeof(*rate));

	if (!rate)
		return -ENOMEM;
	TAILQ_INIT(&rate->buckets);
	agent_rate_set(rate, per_second, burst);
	*out = rate;
	return 0;
}

void agent_rate_set(struct agent_rate *rate, unsigned int per_second,
		    unsigned int burst)
{
	rate->per_second = per_second;
	rate->most = (int64_t)burst * TOKEN;
}

static void forget_first(struct agent_rate *rate)
{
	struct bucket *bucket = TAILQ_FIRST(&rate->buckets);

	TAILQ_REMOVE(&rate->buckets, bucket, link);
	free(bucket);
	rate->nr--;
}

void agent_rate_close(struct agent_rate *rate)
{
	while (rate && rate->nr)
		forget_first(rate);
	free(rate);
}

static struct bucket *find(const struct agent_rate *rate, const char *id)
{
	struct bucket *bucket;

	TAILQ_FOREACH(bucket, &rate->buckets, link)
		if (!strcmp(bucket->id, id))
			return bucket;
	return NULL;
}

static struct bucket *add(struct agent_rate *rate, const char *id,
			  int64_t now_ms)
{
	struct bucket *bucket = calloc(1, sizeof(*bucket));

	if (!bucket)
		return NULL;
	if (rate->nr == AGENT_RATE_CONTAINERS)
		forget_first(rate);
	memcpy(bucket->id, id, strnlen(id, sizeof(bucket->id) - 1));
	bucket->parts = rate->most;
	bucket->at_ms = now_ms;
	TAILQ_INSERT_TAIL(&rate->buckets, bucket, link);
	rate->nr++;
	return bucket;
}

static void fill(const struct agent_rate *rate, struct bucket *bucket,
		 int64_t now_ms)
{
	int64_t ms = now_ms - bucket->at_ms;

	/* With so much time it is full, and the product has no bound. */
	if (ms >= rate->most / rate->per_second)
		bucket->parts = rate->most;
	else if (ms > 0)
		bucket->parts += ms * rate->per_second;
	if (bucket->parts > rate->most)
		bucket->parts = rate->most;
	bucket->at_ms = now_ms;
}

static int64_t wait_of(const struct agent_rate *rate,
		       const struct bucket *bucket)
{
	return bucket->parts >= TOKEN ? 0 :
		(TOKEN - bucket->parts + rate->per_second - 1) /
		rate->per_second;
}

int64_t agent_rate_wait(struct agent_rate *rate, const char *id,
			int64_t now_ms)
{
	struct bucket *bucket = rate->per_second && rate->most ?
		find(rate, id) : NULL;

	if (!bucket)
		return 0;
	fill(rate, bucket, now_ms);
	return wait_of(rate, bucket);
}

int64_t agent_rate_take(struct agent_rate *rate, const char *id,
			int64_t now_ms)
{
	struct bucket *bucket;
	int64_t wait;

	if (!rate->per_second || !rate->most)
		return 0;
	bucket = find(rate, id) ?: add(rate, id, now_ms);
	if (!bucket)
		return -ENOMEM;
	TAILQ_REMOVE(&rate->buckets, bucket, link);
	TAILQ_INSERT_TAIL(&rate->buckets, bucket, link);
	fill(rate, bucket, now_ms);
	wait = wait_of(rate, bucket);
	if (!wait)
		bucket->parts -= TOKEN;
	return wait;
}
