// SPDX-License-Identifier: MIT
/*
 * Who had to sign a block, and that enough of them did
 *
 * Copyright The dstack for Linux authors
 */
#include <errno.h>
#include <string.h>

#include "light.h"

#define EPOCH_SLOTS	32

static const struct light_fork mainnet_forks[] = {
	{ 269568, { 4 }, 5 },		/* Deneb */
	{ 364032, { 5 }, 6 },		/* Electra */
	{ 411392, { 6 }, 6 },		/* Fulu */
};

const struct light_chain light_mainnet = {
	.validators_root = {
		0x4b, 0x36, 0x3d, 0xb9, 0x4e, 0x28, 0x61, 0x20,
		0xd7, 0x6e, 0xb9, 0x05, 0x34, 0x0f, 0xdd, 0x4e,
		0x54, 0xbf, 0xe9, 0xf0, 0x6b, 0xf3, 0x3f, 0xf6,
		0xcf, 0x5a, 0xd2, 0x7f, 0x51, 0x1b, 0xfe, 0x95,
	},
	.genesis_time = 1606824023,
	.forks = mainnet_forks,
	.nr_forks = sizeof(mainnet_forks) / sizeof(mainnet_forks[0]),
};

uint64_t light_period(uint64_t slot)
{
	return slot / LIGHT_PERIOD_SLOTS;
}

const struct light_fork *light_fork_at(const struct light_chain *chain,
				       uint64_t slot)
{
	size_t i = chain->nr_forks;

	while (i--)
		if (slot / EPOCH_SLOTS >= chain->forks[i].epoch)
			return &chain->forks[i];
	return NULL;
}

/* What is signed is the root, for this purpose, of this fork of this chain. */
static void signing_root(const struct light_chain *chain,
			 const struct light_fork *fork, const uint8_t *root,
			 uint8_t out[CHAIN_HASH])
{
	static const uint8_t sync_committee[4] = { 7 };
	uint8_t version[CHAIN_HASH] = { 0 }, data[CHAIN_HASH];
	uint8_t domain[CHAIN_HASH];

	memcpy(version, fork->version, sizeof(fork->version));
	ssz_pair(version, chain->validators_root, data);
	memcpy(domain, sync_committee, 4);
	memcpy(domain + 4, data, CHAIN_HASH - 4);
	ssz_pair(root, domain, out);
}

static const struct light_committee *
committee_of(const struct light_store *store, uint64_t slot)
{
	uint64_t period = light_period(slot);

	if (store->current.known && store->current.period == period)
		return &store->current;
	if (store->next.known && store->next.period == period)
		return &store->next;
	return NULL;
}

static unsigned int count_bits(const uint8_t *bits)
{
	unsigned int i, nr = 0;

	for (i = 0; i < LIGHT_BITS_SIZE; i++)
		nr += __builtin_popcount(bits[i]);
	return nr;
}

int light_signed(const struct light_chain *chain,
		 const struct light_store *store,
		 const uint8_t root[CHAIN_HASH],
		 const uint8_t aggregate[LIGHT_AGGREGATE_SIZE], uint64_t slot,
		 struct chain_why *why)
{
	const struct light_committee *committee = committee_of(store, slot);
	/* Who signs in a slot signs by the rules of the slot before. */
	const struct light_fork *fork = light_fork_at(chain,
						      slot ? slot - 1 : 0);
	unsigned int nr = count_bits(aggregate);
	uint8_t message[CHAIN_HASH];

	if (!committee)
		return chain_fail(why, -ESTALE,
				  "it is signed by the committee of period %llu, and those of %llu and the next are known",
				  (unsigned long long)light_period(slot),
				  (unsigned long long)store->current.period);
	if (!fork)
		return chain_fail(why, -EBADMSG,
				  "it is of a fork before Deneb");
	if (3 * nr < 2 * LIGHT_KEYS)
		return chain_fail(why, -EBADMSG,
				  "%u of the committee's %d signed it, less than two thirds",
				  nr, LIGHT_KEYS);
	signing_root(chain, fork, root, message);
	if (!light_keys_signed(committee->keys, aggregate, message))
		return chain_fail(why, -EBADMSG,
				  "the committee's signature is wrong");
	return 0;
}
