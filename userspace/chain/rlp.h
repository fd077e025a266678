/* SPDX-License-Identifier: MIT */
/*
 * RLP, in its one form or not at all
 *
 * Copyright The dstack for Linux authors
 *
 * The encoding of headers and trie nodes: strings and lists with a length in
 * front (Yellow Paper, appendix B).  Whatever has a shorter form is refused.
 */
#ifndef CHAIN_RLP_H
#define CHAIN_RLP_H

#include "chain.h"

struct rlp_item {
	struct chain_bytes body;	/* of a list: the items in it */
	size_t size;			/* with its length in front */
	bool list;
};

/* Takes the next item away from @in.  False at the end, or if it is none. */
bool rlp_take(struct chain_bytes *in, struct rlp_item *item);
/* @in is one list and nothing else; *@items is for rlp_take(). */
bool rlp_list(struct chain_bytes in, struct chain_bytes *items);
/* A string of exactly @len bytes. */
bool rlp_fixed(struct chain_bytes *in, void *out, size_t len);
/* A number without leading zeros, big-endian in the end of @out. */
bool rlp_number(struct chain_bytes *in, uint8_t *out, size_t len);
bool rlp_u64(struct chain_bytes *in, uint64_t *out);

/* One list that grows; @full once something found no room. */
struct rlp_out {
	uint8_t *data;			/* of who writes; 65536 are the most */
	size_t room;
	size_t len;			/* with room for the list's head */
	bool full;
};

void rlp_begin(struct rlp_out *out, void *data, size_t room);
void rlp_put(struct rlp_out *out, const void *data, size_t len);
/* As a number is: without leading zeros. */
void rlp_put_number(struct rlp_out *out, const uint8_t *data, size_t len);
void rlp_put_u64(struct rlp_out *out, uint64_t value);
/* A list in the list, with nothing in it. */
void rlp_put_empty(struct rlp_out *out);
/* The whole list; without data if it is too long. */
struct chain_bytes rlp_end(struct rlp_out *out);

#endif /* CHAIN_RLP_H */
