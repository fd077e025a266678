/* SPDX-License-Identifier: MIT */
/*
 * How often each container may ask for what costs the host something
 *
 * Copyright The dstack for Linux authors
 *
 * A bucket of tokens for each container.  Of the containers that asked, those
 * of late are remembered; a bucket that is forgotten is a full one.  Its user
 * sees to it that only one thread is in here.
 */
#ifndef AGENT_RATE_H
#define AGENT_RATE_H

#include <stdint.h>

#define AGENT_RATE_CONTAINERS	1024

struct agent_rate;

/* @per_second tokens, up to @burst of them.  Either 0: as many as one likes. */
int agent_rate_open(struct agent_rate **rate, unsigned int per_second,
		    unsigned int burst);
/* From now on. */
void agent_rate_set(struct agent_rate *rate, unsigned int per_second,
		    unsigned int burst);
void agent_rate_close(struct agent_rate *rate);
/* 0: there is one; or the ms until then. */
int64_t agent_rate_wait(struct agent_rate *rate, const char *id,
			int64_t now_ms);
/* Takes one: 0; or the ms until there is one; or -ENOMEM. */
int64_t agent_rate_take(struct agent_rate *rate, const char *id,
			int64_t now_ms);

#endif /* AGENT_RATE_H */
