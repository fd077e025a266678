// SPDX-License-Identifier: MIT
/*
 * Roots of what the beacon chain has in its blocks and states
 *
 * Copyright The dstack for Linux authors
 */
#include <openssl/sha.h>
#include <string.h>

#include "light.h"

uint64_t ssz_u64(const uint8_t *bytes)
{
	uint64_t value = 0;
	size_t i;

	for (i = 8; i--;)
		value = value << 8 | bytes[i];
	return value;
}

void ssz_pair(const uint8_t *left, const uint8_t *right,
	      uint8_t out[CHAIN_HASH])
{
	uint8_t both[2 * CHAIN_HASH];

	memcpy(both, left, CHAIN_HASH);
	memcpy(both + CHAIN_HASH, right, CHAIN_HASH);
	SHA256(both, sizeof(both), out);
}

bool ssz_merkle(const light_root *leaves, size_t nr, unsigned int depth,
		uint8_t root[CHAIN_HASH])
{
	uint8_t level[LIGHT_KEYS][CHAIN_HASH];
	size_t i, all = (size_t)1 << depth;

	if (depth > 9 || nr > all)
		return false;
	memset(level, 0, sizeof(level));
	memcpy(level, leaves, nr * CHAIN_HASH);
	for (; all > 1; all /= 2)
		for (i = 0; i < all / 2; i++)
			ssz_pair(level[2 * i], level[2 * i + 1], level[i]);
	memcpy(root, level[0], CHAIN_HASH);
	return true;
}

bool ssz_branch(const uint8_t leaf[CHAIN_HASH], const uint8_t *branch,
		unsigned int depth, uint64_t index,
		const uint8_t root[CHAIN_HASH])
{
	uint8_t node[CHAIN_HASH];
	unsigned int i;

	memcpy(node, leaf, CHAIN_HASH);
	for (i = 0; i < depth; i++, branch += CHAIN_HASH, index >>= 1) {
		if (index & 1)
			ssz_pair(branch, node, node);
		else
			ssz_pair(node, branch, node);
	}
	return !index && !memcmp(node, root, CHAIN_HASH);
}

bool ssz_committee(const uint8_t keys[LIGHT_COMMITTEE_SIZE],
		   uint8_t root[CHAIN_HASH])
{
	uint8_t leaves[LIGHT_KEYS + 1][CHAIN_HASH] = { { 0 } };
	uint8_t key[2 * CHAIN_HASH] = { 0 };
	size_t i;

	for (i = 0; i <= LIGHT_KEYS; i++) {
		memcpy(key, keys + i * LIGHT_KEY_SIZE, LIGHT_KEY_SIZE);
		SHA256(key, sizeof(key), leaves[i]);
	}
	if (!ssz_merkle(leaves, LIGHT_KEYS, 9, root))
		return false;
	ssz_pair(root, leaves[LIGHT_KEYS], root);
	return true;
}
