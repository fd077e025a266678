// SPDX-License-Identifier: MIT
/*
 * How much one address may ask for
 *
 * Copyright The dstack for Linux authors
 *
 * A handshake costs a signature, and evidence several, before it is known who
 * that is: so what counts is where it comes from.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../agent/rate.h"
#include "../daemon/daemon.h"
#include "kmsd.h"

#define TOO_MANY_REQUESTS 429
#define NETWORK_BYTES	8		/* of an IPv6 address */

struct limits {
	pthread_mutex_t lock;
	struct agent_rate *rates[__LIMIT_MAX];
};

int limits_open(const struct kmsd_options *options, struct limits **out)
{
	struct limits *limits = calloc(1, sizeof(*limits));
	int err = 0, i;

	if (!limits)
		return -ENOMEM;
	pthread_mutex_init(&limits->lock, NULL);
	for (i = 0; !err && i < __LIMIT_MAX; i++)
		err = i == LIMIT_EVIDENCE ?
			agent_rate_open(&limits->rates[i],
					(unsigned int)options->rate,
					(unsigned int)options->burst) :
			agent_rate_open(&limits->rates[i],
					(unsigned int)options->request_rate,
					(unsigned int)options->request_burst);
	if (err)
		limits_close(limits);
	else
		*out = limits;
	return err;
}

void limits_close(struct limits *limits)
{
	int i;

	if (!limits)
		return;
	for (i = 0; i < __LIMIT_MAX; i++)
		agent_rate_close(limits->rates[i]);
	pthread_mutex_destroy(&limits->lock);
	free(limits);
}

/* Who has one address of IPv6 has at least those of its /64. */
static const char *network_of(const char *id, char out[CALLER_ADDRESS_MAX])
{
	struct in6_addr address;
	size_t len = strlen(id);

	if (len < 2 || len >= CALLER_ADDRESS_MAX)
		return id;
	memcpy(out, id + 1, len - 2);
	out[len - 2] = '\0';
	if (inet_pton(AF_INET6, out, &address) != 1 ||
	    IN6_IS_ADDR_V4MAPPED(&address))
		return id;
	memset(address.s6_addr + NETWORK_BYTES, 0,
	       sizeof(address) - NETWORK_BYTES);
	return inet_ntop(AF_INET6, &address, out, CALLER_ADDRESS_MAX) ? out :
		id;
}

int64_t limits_take(struct limits *limits, enum limit what, const char *id)
{
	char network[CALLER_ADDRESS_MAX];
	int64_t wait;

	id = network_of(id, network);
	pthread_mutex_lock(&limits->lock);
	wait = agent_rate_take(limits->rates[what], id, now_ms());
	pthread_mutex_unlock(&limits->lock);
	return wait;
}

int limits_status(struct kmsd *kmsd, enum limit what, const char *id,
		  unsigned int *retry_after)
{
	int64_t wait = limits_take(kmsd->limits, what, id);

	if (!wait)
		return 0;
	atomic_fetch_add(&kmsd->counters.limited, 1);
	/* Also of who was not counted, as there is no memory for it. */
	*retry_after = wait > 0 ? (unsigned int)(wait / 1000 + 1) : 1;
	return TOO_MANY_REQUESTS;
}

bool limits_allow(struct limits *limits, enum limit what, const char *id)
{
	char network[CALLER_ADDRESS_MAX];
	int64_t wait;

	id = network_of(id, network);
	pthread_mutex_lock(&limits->lock);
	wait = agent_rate_wait(limits->rates[what], id, now_ms());
	pthread_mutex_unlock(&limits->lock);
	return !wait;
}
