/* SPDX-License-Identifier: MIT */
/*
 * A KMS whose state is in shares, and that keeps those of others
 *
 * Copyright The dstack for Linux authors
 *
 *	peers.c		what others are asked
 *	sharing.c	what there is for it, and how a state is opened
 *	method_shares.c	what others, and the operator, ask
 */
#ifndef KMSD_SHARING_H
#define KMSD_SHARING_H

#include "kmsd.h"
#include "quorum/quorum.h"

/* peers.c */

/* For quorum_peers.arg. */
struct asked {
	struct kmsd *kmsd;
	char *const *urls;
};

/* What it has must stay.  What others say is other_said() from here on. */
void peers_init(struct asked *asked, struct kmsd *kmsd, char *const *urls,
		size_t nr, struct quorum_peers *peers);

/* sharing.c */

struct sharing {
	struct kmsd *kmsd;
	struct quorum_keeper *keeper;
	struct quorum *quorum;
	struct asked asked;
	struct quorum_peers peers;	/* as the configuration has them */
	bool is_shared;			/* the state, when this began */
	/* While the state is opened. */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t news;
	bool is_ended;			/* nobody waits for it any more */
	struct http *http;		/* to be stopped when it is open */
	struct state *state;
	int err;
};

bool sharing_is_ended(struct sharing *sharing);
/* False: it was ended. */
bool sharing_wait(struct sharing *sharing, unsigned int seconds);

#endif /* KMSD_SHARING_H */
