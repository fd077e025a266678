/* SPDX-License-Identifier: MIT */
/*
 * Which blocks a beacon chain has finalised, from one that is known
 *
 * Copyright The dstack for Linux authors
 *
 * The light client of the consensus specification, from Deneb on: a block that
 * an operator knows names a sync committee, whose signatures name later blocks
 * and the committee after it.  A beacon block leads to the header of the
 * execution chain, by whose state root accounts are proven.
 */
#ifndef CHAIN_LIGHT_H
#define CHAIN_LIGHT_H

#include "../chain.h"

#define LIGHT_KEYS		512
#define LIGHT_KEY_SIZE		48
#define LIGHT_COMMITTEE_SIZE	((LIGHT_KEYS + 1) * LIGHT_KEY_SIZE)
#define LIGHT_BITS_SIZE		(LIGHT_KEYS / 8)
#define LIGHT_SIGNATURE_SIZE	96
#define LIGHT_AGGREGATE_SIZE	(LIGHT_BITS_SIZE + LIGHT_SIGNATURE_SIZE)
#define LIGHT_SLOT_SECONDS	12
#define LIGHT_PERIOD_SLOTS	8192

struct light_fork {
	uint64_t epoch;
	uint8_t version[4];
	uint8_t depth;			/* of committees below the state */
};

/* A chain; forks in order.  What a later one signs is refused. */
struct light_chain {
	uint8_t validators_root[CHAIN_HASH];	/* at genesis */
	uint64_t genesis_time;
	const struct light_fork *forks;
	size_t nr_forks;
};

extern const struct light_chain light_mainnet;

struct light_committee {
	bool known;
	uint64_t period;
	/* As SSZ has it: keys and their sum. */
	uint8_t keys[LIGHT_COMMITTEE_SIZE];
};

/* What is believed.  To be kept where nobody changes it or takes it back. */
struct light_store {
	uint64_t slot;			/* of the newest finalised block */
	struct chain_header header;	/* of it, on the execution chain */
	struct light_committee current, next;
};

/* Of an operator's block: its root, and its LightClientBootstrap. */
int light_begin(const struct light_chain *chain,
		const uint8_t checkpoint[CHAIN_HASH], struct chain_bytes ssz,
		struct light_store *store, struct chain_why *why);
/*
 * Follows a LightClientUpdate or a LightClientFinalityUpdate.  *store is as it
 * was if it is refused: -EBADMSG; -ESTALE: signed by a committee that is not
 * known, so that updates between are missing.
 */
int light_update(const struct light_chain *chain, struct light_store *store,
		 struct chain_bytes ssz, uint64_t now, struct chain_why *why);

/* Bytes of a store, to be kept; light_load() takes nothing else. */
#define LIGHT_SAVED_SIZE	(8 + 8 + 3 * CHAIN_HASH + 16 + \
				 2 * (16 + LIGHT_COMMITTEE_SIZE))

void light_save(const struct light_store *store,
		uint8_t out[LIGHT_SAVED_SIZE]);
int light_load(struct chain_bytes in, struct light_store *store,
	       struct chain_why *why);

/* header.c */

struct light_header {
	uint64_t slot;
	uint8_t root[CHAIN_HASH];
	uint8_t state_root[CHAIN_HASH];
	struct chain_header execution;
};

/* A LightClientHeader, whose execution header is shown to be its block's. */
int light_header_read(struct chain_bytes ssz, struct light_header *header,
		      struct chain_why *why);

/* sign.c */

uint64_t light_period(uint64_t slot);
/* The fork of a slot; NULL: of none that is known. */
const struct light_fork *light_fork_at(const struct light_chain *chain,
				       uint64_t slot);
/* The committee of that slot signed the block's root, two thirds of it. */
int light_signed(const struct light_chain *chain,
		 const struct light_store *store,
		 const uint8_t root[CHAIN_HASH],
		 const uint8_t aggregate[LIGHT_AGGREGATE_SIZE], uint64_t slot,
		 struct chain_why *why);

/* ssz.c */

typedef uint8_t light_root[CHAIN_HASH];

uint64_t ssz_u64(const uint8_t *bytes);
/* Of @nr leaves, up to 512, made up to 2 ^ @depth with zeros. */
bool ssz_merkle(const light_root *leaves, size_t nr, unsigned int depth,
		uint8_t root[CHAIN_HASH]);
void ssz_pair(const uint8_t *left, const uint8_t *right,
	      uint8_t out[CHAIN_HASH]);
/* Whether @leaf is leaf number @index of a tree of this depth. */
bool ssz_branch(const uint8_t leaf[CHAIN_HASH], const uint8_t *branch,
		unsigned int depth, uint64_t index,
		const uint8_t root[CHAIN_HASH]);
bool ssz_committee(const uint8_t keys[LIGHT_COMMITTEE_SIZE],
		   uint8_t root[CHAIN_HASH]);

/* bls.c: the only file that knows blst */

/* Each of them is a key: of the right group, and not zero. */
bool light_keys_good(const uint8_t keys[LIGHT_COMMITTEE_SIZE]);
/* Those whose bits are set signed @root together. */
bool light_keys_signed(const uint8_t keys[LIGHT_COMMITTEE_SIZE],
		       const uint8_t aggregate[LIGHT_AGGREGATE_SIZE],
		       const uint8_t root[CHAIN_HASH]);

#endif /* CHAIN_LIGHT_H */
