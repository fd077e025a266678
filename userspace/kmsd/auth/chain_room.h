/* SPDX-License-Identifier: MIT */
/*
 * What the files of the back end share that reads contracts
 *
 * Copyright The dstack for Linux authors
 */
#ifndef KMSD_AUTH_CHAIN_ROOM_H
#define KMSD_AUTH_CHAIN_ROOM_H

#include <pthread.h>

#include "room.h"

#define PROOFS_MAX	256

/* proofs.c */

struct proofs;

struct proofs *proofs_new(void);	/* NULL: out of memory */
void proofs_free(struct proofs *proofs);

struct proofs_view {
	struct chain_view chain;
	struct proofs *proofs;
};

/* Of struct chain_source; @view: a struct proofs_view. */
int proofs_prove(void *view, const uint8_t address[CHAIN_ADDRESS],
		 struct chain_slot *slots, size_t nr,
		 struct chain_account *account, struct chain_why *why);

/* follow.c */

struct follow;

/*
 * A light client of these servers.  It goes on from what was kept of it, or
 * begins at its checkpoint, when it is asked.  What @auth has must stay.
 */
struct follow *follow_new(const struct auth *auth);
void follow_free(struct follow *follow);
/* The newest block that is final.  One thread at a time. */
int follow_head(struct follow *follow, uint64_t now,
		struct chain_header *header, struct chain_why *why);

/* head.c */

struct heads;

struct heads_options {
	const struct chain_client *client;
	struct follow *follow;		/* NULL: servers have to agree */
	uint64_t share_ms;
	struct chain_head head;
	int (*keep)(void *arg, const struct chain_head *head);
	void *arg;
};

struct heads *heads_new(const struct heads_options *options);
void heads_free(struct heads *heads);
/*
 * A block that is not older than share_ms, or what asking for one gave: of
 * those who want one at the same time one asks, and all have the answer.
 */
int heads_view(struct heads *heads, uint64_t now, struct chain_view *view,
	       struct chain_why *why);

#endif /* KMSD_AUTH_CHAIN_ROOM_H */
