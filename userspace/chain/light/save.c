// SPDX-License-Identifier: MIT
/*
 * What a light client believes, as bytes to be kept
 *
 * Copyright The dstack for Linux authors
 *
 * Nothing here notices that bytes were changed, or are older ones: who keeps
 * them seals them and counts.
 */
#include <errno.h>
#include <string.h>

#include "light.h"

static const uint8_t magic[8] = "DSLIGHT1";

static uint8_t *put(uint8_t *out, const void *data, size_t len)
{
	memcpy(out, data, len);
	return out + len;
}

static uint8_t *put_u64(uint8_t *out, uint64_t value)
{
	size_t i;

	for (i = 0; i < 8; i++)
		*out++ = value >> 8 * i;
	return out;
}

static uint8_t *put_committee(uint8_t *out,
			      const struct light_committee *committee)
{
	out = put_u64(out, committee->known);
	out = put_u64(out, committee->known ? committee->period : 0);
	memset(out, 0, LIGHT_COMMITTEE_SIZE);
	if (committee->known)
		memcpy(out, committee->keys, LIGHT_COMMITTEE_SIZE);
	return out + LIGHT_COMMITTEE_SIZE;
}

void light_save(const struct light_store *store,
		uint8_t out[LIGHT_SAVED_SIZE])
{
	out = put(out, magic, sizeof(magic));
	out = put_u64(out, store->slot);
	out = put(out, store->header.hash, CHAIN_HASH);
	out = put(out, store->header.parent, CHAIN_HASH);
	out = put(out, store->header.state_root, CHAIN_HASH);
	out = put_u64(out, store->header.number);
	out = put_u64(out, store->header.time);
	out = put_committee(out, &store->current);
	put_committee(out, &store->next);
}

static bool get_committee(const uint8_t *in, struct light_committee *committee)
{
	uint64_t known = ssz_u64(in);

	committee->known = known;
	committee->period = ssz_u64(in + 8);
	memcpy(committee->keys, in + 16, LIGHT_COMMITTEE_SIZE);
	return known <= 1 && (!known || light_keys_good(committee->keys));
}

int light_load(struct chain_bytes in, struct light_store *store,
	       struct chain_why *why)
{
	const uint8_t *at = in.data;
	bool good;

	memset(store, 0, sizeof(*store));
	if (in.len != LIGHT_SAVED_SIZE || memcmp(at, magic, sizeof(magic)))
		return chain_fail(why, -EBADMSG,
				  "this is not the state of a light client");
	at += sizeof(magic);
	store->slot = ssz_u64(at);
	at += 8;
	memcpy(store->header.hash, at, CHAIN_HASH);
	memcpy(store->header.parent, at + CHAIN_HASH, CHAIN_HASH);
	memcpy(store->header.state_root, at + 2 * CHAIN_HASH, CHAIN_HASH);
	at += 3 * CHAIN_HASH;
	store->header.number = ssz_u64(at);
	store->header.time = ssz_u64(at + 8);
	at += 16;
	good = get_committee(at, &store->current) &&
		get_committee(at + 16 + LIGHT_COMMITTEE_SIZE, &store->next) &&
		store->current.known &&
		store->current.period == light_period(store->slot) &&
		(!store->next.known ||
		 store->next.period == store->current.period + 1);
	if (good)
		return 0;
	memset(store, 0, sizeof(*store));
	return chain_fail(why, -EBADMSG,
			  "this state of a light client has no committee for its block");
}
