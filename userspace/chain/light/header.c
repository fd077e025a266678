// SPDX-License-Identifier: MIT
/*
 * A beacon block's header, and that of the execution chain in the block
 *
 * Copyright The dstack for Linux authors
 */
#include <errno.h>
#include <openssl/sha.h>
#include <string.h>

#include "light.h"

#define BEACON_SIZE	(2 * 8 + 3 * CHAIN_HASH)
#define BRANCH_DEPTH	4
#define BRANCH_INDEX	9	/* the payload among the body's fields */
#define EXECUTION_AT	(BEACON_SIZE + 4 + BRANCH_DEPTH * CHAIN_HASH)
#define EXECUTION_SIZE	584	/* without the extra data, which is last */
#define EXTRA_MAX	32
#define FIELDS		17

/* Fields of the execution header as SSZ has them: of more than 32 bytes ... */
#define BLOOM		256
/* ... and the offset of the extra data, in the place of what it has. */
#define OFFSET		4

static const uint16_t sizes[FIELDS] = {
	32, 20, 32, 32, BLOOM, 32, 8, 8, 8, 8, OFFSET, 32, 32, 32, 32, 8, 8,
};

enum {
	PARENT, RECIPIENT, STATE, RECEIPTS, LOGS, RANDAO, NUMBER, GAS_LIMIT,
	GAS_USED, TIME, EXTRA, FEE, HASH,
};

static uint32_t offset(const uint8_t *bytes)
{
	return bytes[0] | bytes[1] << 8 | bytes[2] << 16 |
		(uint32_t)bytes[3] << 24;
}

static void beacon_root(const uint8_t *beacon, uint8_t root[CHAIN_HASH])
{
	uint8_t leaves[5][CHAIN_HASH] = { { 0 } };

	memcpy(leaves[0], beacon, 8);
	memcpy(leaves[1], beacon + 8, 8);
	memcpy(leaves[2], beacon + 16, 3 * CHAIN_HASH);
	ssz_merkle(leaves, 5, 3, root);
}

/* A list of bytes, with its length. */
static void extra_root(const uint8_t *extra, size_t len,
		       uint8_t root[CHAIN_HASH])
{
	const uint8_t size[CHAIN_HASH] = { len };
	uint8_t data[CHAIN_HASH] = { 0 };

	memcpy(data, extra, len);
	ssz_pair(data, size, root);
}

static void execution_root(const uint8_t *in, size_t extra_len,
			   uint8_t root[CHAIN_HASH])
{
	uint8_t leaves[FIELDS][CHAIN_HASH] = { { 0 } };
	uint8_t bloom[BLOOM / CHAIN_HASH][CHAIN_HASH];
	const uint8_t *at = in;
	size_t i;

	for (i = 0; i < FIELDS; at += sizes[i], i++) {
		if (i == EXTRA) {
			extra_root(in + EXECUTION_SIZE, extra_len, leaves[i]);
		} else if (i == LOGS) {
			memcpy(bloom, at, sizeof(bloom));
			ssz_merkle(bloom, BLOOM / CHAIN_HASH, 3, leaves[i]);
		} else {
			memcpy(leaves[i], at, sizes[i]);
		}
	}
	ssz_merkle(leaves, FIELDS, 5, root);
}

static void execution_read(const uint8_t *in, struct chain_header *header)
{
	const uint8_t *at[FIELDS];
	size_t i;

	for (i = 0; i < FIELDS; in += sizes[i], i++)
		at[i] = in;
	memcpy(header->hash, at[HASH], CHAIN_HASH);
	memcpy(header->parent, at[PARENT], CHAIN_HASH);
	memcpy(header->state_root, at[STATE], CHAIN_HASH);
	header->number = ssz_u64(at[NUMBER]);
	header->time = ssz_u64(at[TIME]);
}

int light_header_read(struct chain_bytes ssz, struct light_header *header,
		      struct chain_why *why)
{
	const uint8_t *beacon = ssz.data, *execution;
	uint8_t root[CHAIN_HASH];
	size_t extra;

	memset(header, 0, sizeof(*header));
	if (ssz.len < EXECUTION_AT + EXECUTION_SIZE ||
	    ssz.len > EXECUTION_AT + EXECUTION_SIZE + EXTRA_MAX ||
	    offset(beacon + BEACON_SIZE) != EXECUTION_AT)
		return chain_fail(why, -EBADMSG,
				  "this is no header for light clients");
	execution = beacon + EXECUTION_AT;
	extra = ssz.len - EXECUTION_AT - EXECUTION_SIZE;
	if (offset(execution + 436) != EXECUTION_SIZE)
		return chain_fail(why, -EBADMSG,
				  "this is no execution header of Deneb or later");
	execution_root(execution, extra, root);
	if (!ssz_branch(root, beacon + BEACON_SIZE + 4, BRANCH_DEPTH,
			BRANCH_INDEX, beacon + 16 + 2 * CHAIN_HASH))
		return chain_fail(why, -EBADMSG,
				  "the execution header is not this block's");
	header->slot = ssz_u64(beacon);
	memcpy(header->state_root, beacon + 16 + CHAIN_HASH, CHAIN_HASH);
	beacon_root(beacon, header->root);
	execution_read(execution, &header->execution);
	return 0;
}
