/* SPDX-License-Identifier: MIT */
/*
 * Headers and proofs as servers write them
 *
 * Copyright The dstack for Linux authors
 */
#ifndef CHAIN_JSON_H
#define CHAIN_JSON_H

#include <yyjson.h>

#include "chain.h"

/* "0x" and exactly @len bytes. */
bool chain_json_fixed(yyjson_val *value, void *out, size_t len);
/* A number as they write it, "0x0" or without leading zeros. */
bool chain_json_u64(yyjson_val *value, uint64_t *out);
/* "0x" and at most @room bytes; *@len of them. */
bool chain_json_data(yyjson_val *value, uint8_t *out, size_t room,
		     size_t *len);

/*
 * A block's header, whose hash is made of its fields; the one that is said to
 * be its hash has to be that.
 */
int chain_json_header(yyjson_val *block, struct chain_header *header,
		      struct chain_why *why);

struct chain_proof {
	struct chain_bytes nodes[CHAIN_NODES_MAX];
	size_t nr;
	uint8_t *data;
};

/* Nodes of a list, for chain_proof_clear() whatever is returned. */
int chain_json_nodes(yyjson_val *list, struct chain_proof *proof,
		     struct chain_why *why);
void chain_proof_clear(struct chain_proof *proof);

struct chain_slot {
	uint8_t key[32];
	uint8_t value[32];
};

/*
 * What eth_getProof answers, for these slots in this order.  Of all that it
 * says only the nodes are looked at.
 */
int chain_json_prove(yyjson_val *answer, const uint8_t state_root[CHAIN_HASH],
		     const uint8_t address[CHAIN_ADDRESS],
		     struct chain_slot *slots, size_t nr,
		     struct chain_account *account, struct chain_why *why);

#endif /* CHAIN_JSON_H */
