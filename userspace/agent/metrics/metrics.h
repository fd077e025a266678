/* SPDX-License-Identifier: MIT */
/*
 * What is counted, for Prometheus
 *
 * Copyright The dstack for Linux authors
 *
 * Nothing here tells what a key, a quote or a request holds: how many, how
 * long, and of which container.
 */
#ifndef AGENT_METRICS_H
#define AGENT_METRICS_H

#include <libdstack.h>
#include <stdatomic.h>

#include "../quote.h"

#define METRICS_TYPE	"text/plain; version=0.0.4"

enum metrics_counter {
	METRICS_KEYS,			/* told to containers */
	METRICS_SIGNATURES,
	METRICS_CERTIFICATES,
	METRICS_KMS_CALLS,
	METRICS_KMS_FAILURES,
	METRICS_REPLIES,		/* and the first digit of the status */
	METRICS_NR = METRICS_REPLIES + 6
};

/* What the agent did since it started; threads count at once. */
struct metrics_counters {
	atomic_uint_fast64_t value[METRICS_NR];
};

/* One of enum metrics_counter.  @counters may be NULL. */
static inline void metrics_count(struct metrics_counters *counters,
				 unsigned int which)
{
	if (counters && which < METRICS_NR)
		atomic_fetch_add_explicit(&counters->value[which], 1,
					  memory_order_relaxed);
}

/* What they are made of. */
struct metrics_source {
	const struct metrics_counters *counters;
	const struct agent_quote_stats *quotes;
	const struct libdstack_status *status;	/* NULL: it can't be asked */
	const struct libdstack_container *containers;
	size_t nr_containers;
};

/* The text, for free().  0 or -ENOMEM. */
int metrics_write(const struct metrics_source *source, char **text,
		  size_t *len);
/* The same, of this machine's module; if that can't be asked, without it. */
int metrics_text(const struct metrics_counters *counters,
		 const struct agent_quote_stats *quotes, char **text,
		 size_t *len);

#endif /* AGENT_METRICS_H */
