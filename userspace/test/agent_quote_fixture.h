/* SPDX-License-Identifier: MIT */
/*
 * A host that makes quotes, or does not, as a test wants it
 *
 * Copyright The dstack for Linux authors
 */
#ifndef AGENT_QUOTE_FIXTURE_H
#define AGENT_QUOTE_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../agent/agent.h"
#include "../agent/batch.h"

#define ASKERS_MAX	200

static struct agent agent;
static atomic_int held;		/* the host answers once it is 0 */
static atomic_int asking;	/* how many wait for the host */
static atomic_int made;		/* quotes that it made */
static atomic_int failures;	/* so many quotes fail, */
static atomic_int failure;	/* with this */
static atomic_int epoch;	/* of the policy, as the kernel has it */
static char order[ASKERS_MAX + 1];	/* whose quotes were made, in order */

static inline int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static inline void sleep_ms(long ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

static inline int open_nothing(const struct http_caller *caller,
			       struct rpc_error *error)
{
	(void)caller;
	(void)error;
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static const struct dstack_digest program = {
	.alg = DSTACK_ALG_SHA256, .value = { 0xd5 },
};

static inline int vouch(struct dstack_digest *digest, uint64_t *now)
{
	*digest = program;
	*now = epoch;
	return 0;
}

/* What is in it is what was asked for, or what the kernel makes of that. */
static inline int get_quote(int fd, uint32_t flags,
			    const uint8_t report_data[DSTACK_REPORT_DATA_SIZE],
			    struct libdstack_quote *quote)
{
	(void)fd;
	asking++;
	while (held)
		sleep_ms(2);
	asking--;
	memset(quote, 0, sizeof(*quote));
	if (failures > 0) {
		failures--;
		return failure;
	}
	order[made++ % ASKERS_MAX] = report_data[0];
	quote->data = malloc(DSTACK_REPORT_DATA_SIZE);
	quote->len = DSTACK_REPORT_DATA_SIZE;
	memcpy(quote->report_data, report_data, DSTACK_REPORT_DATA_SIZE);
	if (flags & DSTACK_QUOTE_F_BOUND)
		libdstack_bound_report_data(report_data, DSTACK_HOST_ID,
					    &program, epoch,
					    quote->report_data);
	memcpy(quote->data, quote->report_data, DSTACK_REPORT_DATA_SIZE);
	return 0;
}

static inline void start_quotes(unsigned int rate, unsigned int burst)
{
	const struct agent_quote_config config = {
		.rate = rate, .burst = burst,
		.open = open_nothing, .get = get_quote, .vouch = vouch,
	};

	held = 0;
	made = 0;
	failures = 0;
	memset(order, 0, sizeof(order));
	if (agent_quotes_open(&agent.quotes, &config))
		abort();
}

static inline int stop_quotes(void)
{
	held = 0;
	return agent_quotes_close(agent.quotes);
}

/* One call, in a thread of its own. */
struct asker {
	pthread_t thread;
	struct http_caller caller;
	uint8_t report_data[DSTACK_REPORT_DATA_SIZE];
	struct libdstack_quote quote;
	struct libdstack_batch part;
	struct rpc_error error;
	int64_t took_ms;
	int err;
};

static inline struct asker asker(const char *id, uint8_t data, int64_t patience)
{
	struct asker asker = { .report_data = { data } };

	snprintf(asker.caller.id, sizeof(asker.caller.id), "%s", id);
	asker.caller.deadline_ms = now_ms() + patience;
	return asker;
}

static inline void *ask(void *arg)
{
	struct asker *asker = arg;
	int64_t start = now_ms();

	asker->err = agent_quote(&agent, &asker->caller, asker->report_data,
				 &asker->quote, &asker->error);
	asker->took_ms = now_ms() - start;
	return NULL;
}

static inline void *ask_batch(void *arg)
{
	struct asker *asker = arg;
	int64_t start = now_ms();

	asker->err = agent_batch_quote(&agent, &asker->caller,
				       asker->report_data, &asker->quote,
				       &asker->part, &asker->error);
	asker->took_ms = now_ms() - start;
	return NULL;
}

static inline void begin(struct asker *asker, void *(*fn)(void *arg))
{
	if (pthread_create(&asker->thread, NULL, fn, asker))
		abort();
}

static inline void end(struct asker *asker)
{
	pthread_join(asker->thread, NULL);
}

static inline void wait_until_asking(void)
{
	int64_t until = now_ms() + 10000;

	while (!asking && now_ms() < until)
		sleep_ms(2);
	if (!asking)
		abort();
}

static inline void wait_until_waiting(uint64_t count)
{
	struct agent_quote_stats stats;
	int64_t until = now_ms() + 10000;

	do {
		agent_quotes_stats(agent.quotes, &stats);
	} while (stats.waiting != count && now_ms() < until);
	if (stats.waiting != count)
		abort();
}

#endif /* AGENT_QUOTE_FIXTURE_H */
