/* SPDX-License-Identifier: MIT */
/*
 * What the files of this room share
 *
 * Copyright The dstack for Linux authors
 */
#ifndef CONTRACT_ROOM_H
#define CONTRACT_ROOM_H

#include "contract.h"
#include "state.h"

/* state.c: where a namespace of ERC-7201 begins */
bool contract_namespace(const char *name, uint8_t base[32]);
/* A u64 in a slot's value, @from bytes from its low end. */
void contract_put_member(uint8_t value[32], size_t from, uint64_t member);
/* What has come by @now counts, and is no longer announced. */
void contract_settle(struct contract_state *state, uint64_t now);

/* prepare.c */

/* "server 2: ...", as a URL may have a key in it.  Returns @err. */
int contract_blame(struct chain_why *why, int err, size_t i,
		   const struct chain_why *own);
/* Gas; -EACCES: the contract refuses, in its words. */
int contract_estimate(const struct contract_sender *sender,
		      struct contract_tx *tx, struct chain_why *why);
/* The client's newest block of now. */
int contract_newest(const struct chain_client *client,
		    struct chain_view *view, struct chain_why *why);

#endif /* CONTRACT_ROOM_H */
