// SPDX-License-Identifier: MIT
/*
 * Which block is asked, for all who ask at a time
 *
 * Copyright The dstack for Linux authors
 *
 * The head never goes back: not in memory, not beside what was kept before this
 * process was there.  A block is only used after whoever keeps it has it.
 */
#include "chain_room.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct heads {
	struct heads_options options;
	pthread_mutex_t lock;		/* of all that is below */
	pthread_cond_t landed;
	bool asking;			/* somebody does, without the lock */
	uint64_t round;			/* how often that has ended */
	struct chain_head head;		/* accepted, and kept */
	bool have_view;
	struct chain_view view;
	uint64_t from_ms;		/* when it was asked for */
	int err;			/* of the last round */
	struct chain_why why;
};

/* Not the clock of chains, which may be set. */
static uint64_t clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct heads *heads_new(const struct heads_options *options)
{
	struct heads *heads = calloc(1, sizeof(*heads));

	if (!heads)
		return NULL;
	heads->options = *options;
	heads->head = options->head;
	pthread_mutex_init(&heads->lock, NULL);
	pthread_cond_init(&heads->landed, NULL);
	return heads;
}

void heads_free(struct heads *heads)
{
	if (!heads)
		return;
	pthread_cond_destroy(&heads->landed);
	pthread_mutex_destroy(&heads->lock);
	free(heads);
}

/* By signatures, if there is a light client; else by what servers say. */
static int find(struct heads *heads, struct chain_head *head, uint64_t now,
		struct chain_view *view, struct chain_why *why)
{
	const struct chain_client *client = heads->options.client;
	int err;

	if (!heads->options.follow)
		return chain_client_agree(client, head, now, view, why);
	memset(view, 0, sizeof(*view));
	err = follow_head(heads->options.follow, now, &view->header, why);
	if (!err)
		err = chain_head_accept(head, &view->header, &client->limits,
					now, why);
	if (!err)
		view->client = client;
	return err;
}

static int keep(struct heads *heads, const struct chain_head *head,
		struct chain_why *why)
{
	int err;

	if (!heads->options.keep ||
	    !memcmp(head->hash, heads->head.hash, CHAIN_HASH))
		return 0;
	err = heads->options.keep(heads->options.arg, head);
	return err ? chain_fail(why, err,
				"block %llu can't be kept, so it is not used: %s",
				(unsigned long long)head->number,
				strerror(-err)) : 0;
}

/* With the lock held, which is not while servers are asked. */
static void ask(struct heads *heads, uint64_t now)
{
	struct chain_head head = heads->head;
	struct chain_why why = { "" };
	uint64_t from = clock_ms();
	struct chain_view view;
	int err;

	heads->asking = true;
	pthread_mutex_unlock(&heads->lock);
	err = find(heads, &head, now, &view, &why);
	if (!err)
		err = keep(heads, &head, &why);
	pthread_mutex_lock(&heads->lock);
	heads->asking = false;
	heads->round++;
	heads->err = err;
	heads->why = why;
	heads->have_view = !err;
	if (!err) {
		heads->head = head;
		heads->view = view;
		heads->from_ms = from;
	}
	pthread_cond_broadcast(&heads->landed);
}

static bool is_fresh(const struct heads *heads)
{
	return heads->have_view &&
	       clock_ms() - heads->from_ms < heads->options.share_ms;
}

int heads_view(struct heads *heads, uint64_t now, struct chain_view *view,
	       struct chain_why *why)
{
	struct chain_head head;
	uint64_t round;
	int err = 0;

	memset(view, 0, sizeof(*view));
	pthread_mutex_lock(&heads->lock);
	if (!is_fresh(heads)) {
		round = heads->round;
		if (!heads->asking)
			ask(heads, now);
		while (heads->round == round)
			pthread_cond_wait(&heads->landed, &heads->lock);
		err = heads->err;
	}
	head = heads->head;
	if (err)
		chain_fail(why, err, "%s", heads->why.text);
	else
		*view = heads->view;
	pthread_mutex_unlock(&heads->lock);
	/* It may have been young when another thread asked for it. */
	if (!err)
		err = chain_head_accept(&head, &view->header,
					&heads->options.client->limits, now,
					why);
	if (err)
		memset(view, 0, sizeof(*view));
	return err;
}
