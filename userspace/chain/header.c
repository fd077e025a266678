// SPDX-License-Identifier: MIT
/*
 * Headers of blocks: what their hash covers, and who is whose parent
 *
 * Copyright The dstack for Linux authors
 *
 * Forks only ever added fields at the end: base fee, withdrawals, two of blob
 * gas, the beacon chain's root, requests.
 */
#include "chain.h"

#include <errno.h>
#include <string.h>

#include "rlp.h"

#define FIELDS_MIN	15
#define FIELDS_MAX	21

static bool skip(struct chain_bytes *in, size_t nr)
{
	struct rlp_item item;

	while (nr--)
		if (!rlp_take(in, &item) || item.list)
			return false;
	return true;
}

static bool right_number(struct chain_bytes in)
{
	struct rlp_item item;
	size_t nr = 0;

	for (; in.len; nr++)
		if (nr == FIELDS_MAX || !rlp_take(&in, &item) || item.list)
			return false;
	return nr >= FIELDS_MIN;
}

static bool read_fields(struct chain_bytes in, struct chain_header *header)
{
	/* Parent, uncles, miner, state, transactions, receipts, bloom, ... */
	return rlp_fixed(&in, header->parent, CHAIN_HASH) && skip(&in, 2) &&
	       rlp_fixed(&in, header->state_root, CHAIN_HASH) &&
	       skip(&in, 4) && rlp_u64(&in, &header->number) &&
	       skip(&in, 2) && rlp_u64(&in, &header->time);
}

int chain_header_read(struct chain_bytes rlp, struct chain_header *header,
		      struct chain_why *why)
{
	struct chain_bytes in;

	memset(header, 0, sizeof(*header));
	if (rlp.len > CHAIN_HEADER_MAX || !rlp_list(rlp, &in) ||
	    !right_number(in) || !read_fields(in, header))
		return chain_fail(why, -EBADMSG, "this is no block's header");
	if (!chain_keccak(rlp.data, rlp.len, header->hash))
		return chain_fail(why, -EIO, "there is no KECCAK-256");
	return 0;
}

int chain_header_link(const struct chain_header *head,
		      const struct chain_header *older, size_t nr,
		      struct chain_why *why)
{
	size_t i;

	for (i = 0; i < nr; i++, head = older, older++) {
		if (memcmp(head->parent, older->hash, CHAIN_HASH))
			return chain_fail(why, -EBADMSG,
					  "block %llu is not of the chain that is trusted",
					  (unsigned long long)older->number);
		if (older->number + 1 != head->number ||
		    older->time >= head->time)
			return chain_fail(why, -EBADMSG,
					  "block %llu is no parent of %llu",
					  (unsigned long long)older->number,
					  (unsigned long long)head->number);
	}
	return 0;
}
