/* SPDX-License-Identifier: MIT */
/*
 * Quotes that callers share
 *
 * Copyright The dstack for Linux authors
 *
 * Whoever comes while a quote is being made is in the next batch.  Nobody waits
 * for a batch to fill.
 */
#ifndef AGENT_BATCH_H
#define AGENT_BATCH_H

#include <libdstack_batch.h>

#include "quote.h"

/*
 * A quote, for libdstack_quote_free(), and the part of it that is the caller's.
 * 0 or -errno with @error, as of agent_quote().
 */
int agent_batch_quote(const struct agent *agent,
		      const struct http_caller *caller,
		      const uint8_t report_data[DSTACK_REPORT_DATA_SIZE],
		      struct libdstack_quote *quote,
		      struct libdstack_batch *part, struct rpc_error *error);

#endif /* AGENT_BATCH_H */
