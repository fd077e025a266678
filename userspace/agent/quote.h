/* SPDX-License-Identifier: MIT */
/*
 * Quotes, for whatever method needs one
 *
 * Copyright The dstack for Linux authors
 *
 * The host makes one quote after the other, in its own time.  One thread asks
 * for them; callers wait no longer than they have time, and take turns.
 */
#ifndef AGENT_QUOTE_H
#define AGENT_QUOTE_H

#include <libdstack.h>

#include "../http/caller.h"

struct agent;
struct rpc_error;

#define AGENT_QUOTE_RATE	10	/* of one container in a second, */
#define AGENT_QUOTE_BURST	50	/* and at once after a while of none */
#define AGENT_QUOTE_BOUNDS	10

/* Since the start, but for the last. */
struct agent_quote_stats {
	uint64_t made;		/* quotes */
	uint64_t failed;	/* quotes that could not be had */
	uint64_t batched;	/* callers who shared one */
	uint64_t limited;	/* callers who asked too often */
	uint64_t timed_out;	/* callers who waited in vain */
	uint64_t retries;	/* of the host, which was not ready */
	uint64_t longest_ms;	/* for one quote, from asking to having it */
	uint64_t total_ms;	/* for all that came */
	uint64_t within[AGENT_QUOTE_BOUNDS];	/* of them in such a time */
	uint64_t waiting;	/* callers, now */
};

/* What the times are, in ms; the last is any. */
static const uint64_t agent_quote_bounds_ms[AGENT_QUOTE_BOUNDS] = {
	10, 25, 50, 100, 250, 500, 1000, 5000, 30000, UINT64_MAX
};

struct agent_quote_config {
	unsigned int rate, burst;	/* of a container; 0: no limit */
	/*
	 * A descriptor that acts for @caller, who is NULL for ourselves, or
	 * -errno with @error; and a quote of that.  NULL: of /dev/dstack.
	 */
	int (*open)(const struct http_caller *caller,
		    struct rpc_error *error);
	int (*get)(int fd, uint32_t flags,
		   const uint8_t report_data[DSTACK_REPORT_DATA_SIZE],
		   struct libdstack_quote *quote);
	/*
	 * Who the kernel binds a quote of ours to: what this program is known
	 * by, and the epoch of the active policy.  NULL: as they are.
	 */
	int (*vouch)(struct dstack_digest *program, uint64_t *epoch);
};

struct agent_quotes;

int agent_quotes_open(struct agent_quotes **quotes,
		      const struct agent_quote_config *config);
/*
 * No caller may be left.  -EBUSY: the host has not answered; then what is used
 * for that stays, and it is time to exit.
 */
int agent_quotes_close(struct agent_quotes *quotes);
/* How many each container may have made, from now on. */
void agent_quotes_limit(struct agent_quotes *quotes, unsigned int rate,
			unsigned int burst);
void agent_quotes_stats(struct agent_quotes *quotes,
			struct agent_quote_stats *stats);

/*
 * A quote of the caller's container with this report data, for
 * libdstack_quote_free().  0, or -errno with an @error that says what to do.
 */
int agent_quote(const struct agent *agent, const struct http_caller *caller,
		const uint8_t report_data[DSTACK_REPORT_DATA_SIZE],
		struct libdstack_quote *quote, struct rpc_error *error);

#endif /* AGENT_QUOTE_H */
