/* SPDX-License-Identifier: MIT */
/*
 * Key epochs that are ready, as epochs.c and epochs_change.c share them
 *
 * Copyright The dstack for Linux authors
 */
#ifndef KMSD_EPOCHS_H
#define KMSD_EPOCHS_H

#include "kmsd.h"

struct ready {
	uint64_t number;
	struct issue *issue;		/* NULL: it is retired */
	/* By what others know it, and who vouches for it: as it is stored. */
	struct issue_public public;
	uint8_t succession[KEY_SUCCESSION_MAX];
	size_t succession_len;
};

struct epochs {
	struct state *state;
	/*
	 * Of who adds or retires one, or makes up the mind to.  It is taken
	 * before the other one; what there is changes with both.
	 */
	pthread_mutex_t change;
	pthread_rwlock_t lock;
	size_t nr;
	struct ready ready[KEY_EPOCHS_MAX];	/* the oldest first */
	/* What the contract says, at that block. */
	struct chain_epochs limits;
	struct chain_head block;
};

/* What becomes of an epoch, by the state and by the contract. */
enum epoch_life {
	EPOCH_LIVES, EPOCH_RETIRED, EPOCH_REVOKED, EPOCH_ENDED, EPOCH_EARLY,
};

/* With the lock. */
enum epoch_life epoch_life(const struct epochs *epochs,
			   const struct ready *ready);
/* Of who has @change: it is stored already, and now it is there. */
int epochs_add(struct epochs *epochs, const struct key_epoch *epoch,
	       time_t now);

#endif /* KMSD_EPOCHS_H */
