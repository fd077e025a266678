// SPDX-License-Identifier: MIT
/*
 * From one finalised block to the next, and from committee to committee
 *
 * Copyright The dstack for Linux authors
 */
#include <errno.h>
#include <string.h>

#include "light.h"

/* Where they are among the fields of a state. */
#define CURRENT_INDEX	22
#define NEXT_INDEX	23
#define FINALITY_INDEX	41

#define OFFSET_SIZE	4
#define TAIL_SIZE	(LIGHT_AGGREGATE_SIZE + 8)
#define DEPTH_MIN	5
#define DEPTH_MAX	6

/* Parts of an update; committee is NULL in one that is of finality alone. */
struct parts {
	struct light_header attested, finalized;
	const uint8_t *committee, *committee_branch, *finality_branch;
	const uint8_t *aggregate;
	uint64_t slot;			/* in which it was signed */
	unsigned int depth;
};

static uint32_t offset(const uint8_t *bytes)
{
	const uint8_t wide[8] = { bytes[0], bytes[1], bytes[2], bytes[3] };

	return ssz_u64(wide);
}

static bool fork_has_depth(const struct light_chain *chain, uint64_t slot,
			   unsigned int depth)
{
	const struct light_fork *fork = light_fork_at(chain, slot);

	return fork && fork->depth == depth;
}

static bool is_committee(const uint8_t *keys, const uint8_t *branch,
			 unsigned int depth, uint64_t index,
			 const uint8_t *state_root)
{
	uint8_t root[CHAIN_HASH];

	return ssz_committee(keys, root) &&
	       ssz_branch(root, branch, depth, index, state_root) &&
	       light_keys_good(keys);
}

static void set_committee(struct light_committee *committee, uint64_t period,
			  const uint8_t *keys)
{
	committee->known = true;
	committee->period = period;
	memcpy(committee->keys, keys, LIGHT_COMMITTEE_SIZE);
}

int light_begin(const struct light_chain *chain,
		const uint8_t checkpoint[CHAIN_HASH], struct chain_bytes ssz,
		struct light_store *store, struct chain_why *why)
{
	struct light_header header;
	struct chain_bytes rest;
	unsigned int depth;
	size_t fixed;
	int err;

	memset(store, 0, sizeof(*store));
	for (depth = DEPTH_MIN; depth <= DEPTH_MAX; depth++) {
		fixed = OFFSET_SIZE + LIGHT_COMMITTEE_SIZE +
			depth * CHAIN_HASH;
		if (ssz.len > fixed && offset(ssz.data) == fixed)
			break;
	}
	if (depth > DEPTH_MAX)
		return chain_fail(why, -EBADMSG,
				  "this is no bootstrap of a light client");
	rest = (struct chain_bytes){ ssz.data + fixed, ssz.len - fixed };
	err = light_header_read(rest, &header, why);
	if (err)
		return err;
	if (memcmp(header.root, checkpoint, CHAIN_HASH))
		return chain_fail(why, -EBADMSG,
				  "the bootstrap is of another block than the checkpoint");
	if (!fork_has_depth(chain, header.slot, depth) ||
	    !is_committee(ssz.data + OFFSET_SIZE,
			  ssz.data + OFFSET_SIZE + LIGHT_COMMITTEE_SIZE, depth,
			  CURRENT_INDEX, header.state_root))
		return chain_fail(why, -EBADMSG,
				  "the committee is not that of the checkpoint");
	set_committee(&store->current, light_period(header.slot),
		      ssz.data + OFFSET_SIZE);
	store->slot = header.slot;
	store->header = header.execution;
	return 0;
}

/*
 * Updates
 */

/* Both headers are behind what has a fixed size. */
static int read_headers(struct chain_bytes ssz, size_t first, size_t second,
			struct parts *parts, struct chain_why *why)
{
	struct chain_bytes a, b;
	int err;

	if (second < first || second > ssz.len)
		return chain_fail(why, -EBADMSG,
				  "this is no update of a light client");
	a = (struct chain_bytes){ ssz.data + first, second - first };
	b = (struct chain_bytes){ ssz.data + second, ssz.len - second };
	err = light_header_read(a, &parts->attested, why);
	if (!err)
		err = light_header_read(b, &parts->finalized, why);
	return err;
}

/* Its forms are told apart by the size of what comes before the headers. */
static int read_parts(struct chain_bytes ssz, struct parts *parts,
		      struct chain_why *why)
{
	size_t first = ssz.len >= 2 * OFFSET_SIZE ? offset(ssz.data) : 0;
	size_t base, at;

	memset(parts, 0, sizeof(*parts));
	for (parts->depth = DEPTH_MIN; parts->depth <= DEPTH_MAX;
	     parts->depth++) {
		base = 2 * OFFSET_SIZE + (parts->depth + 1) * CHAIN_HASH +
			TAIL_SIZE;
		if (first == base)
			break;
		base += LIGHT_COMMITTEE_SIZE + parts->depth * CHAIN_HASH;
		if (first == base)
			break;
	}
	if (parts->depth > DEPTH_MAX || ssz.len < first)
		return chain_fail(why, -EBADMSG,
				  "this is no update of a light client");
	at = OFFSET_SIZE;
	if (first > LIGHT_COMMITTEE_SIZE) {
		parts->committee = ssz.data + at;
		parts->committee_branch = ssz.data + at + LIGHT_COMMITTEE_SIZE;
		at += LIGHT_COMMITTEE_SIZE + parts->depth * CHAIN_HASH;
	}
	parts->finality_branch = ssz.data + at + OFFSET_SIZE;
	parts->aggregate = ssz.data + first - TAIL_SIZE;
	parts->slot = ssz_u64(ssz.data + first - 8);
	return read_headers(ssz, first, offset(ssz.data + at), parts, why);
}

static int check_slots(const struct light_chain *chain,
		       const struct parts *parts, uint64_t now,
		       struct chain_why *why)
{
	uint64_t slot_now = now < chain->genesis_time ? 0 :
		(now - chain->genesis_time) / LIGHT_SLOT_SECONDS;

	if (parts->slot <= parts->attested.slot ||
	    parts->attested.slot < parts->finalized.slot)
		return chain_fail(why, -EBADMSG,
				  "the update's slots are not in order");
	/* One more, for clocks that differ. */
	if (parts->slot > slot_now + 1)
		return chain_fail(why, -EBADMSG,
				  "slot %llu is in the future: check this machine's clock",
				  (unsigned long long)parts->slot);
	if (!fork_has_depth(chain, parts->attested.slot, parts->depth))
		return chain_fail(why, -EBADMSG,
				  "the update's form is not that of its fork");
	return 0;
}

/*
 * It names the committee that is missing.  A checkpoint may be later than the
 * block that its period's update is about.
 */
static bool leads_on(const struct light_store *store,
		     const struct parts *parts)
{
	return parts->committee && !store->next.known &&
	       light_period(parts->finalized.slot) == store->current.period &&
	       light_period(parts->attested.slot) == store->current.period;
}

static int check_parts(const struct light_chain *chain,
		       const struct light_store *store,
		       const struct parts *parts, uint64_t now,
		       struct chain_why *why)
{
	int err = check_slots(chain, parts, now, why);

	if (!err)
		err = light_signed(chain, store, parts->attested.root,
				   parts->aggregate, parts->slot, why);
	if (err)
		return err;
	if (!ssz_branch(parts->finalized.root, parts->finality_branch,
			parts->depth + 1, FINALITY_INDEX,
			parts->attested.state_root))
		return chain_fail(why, -EBADMSG,
				  "the finalised block is not what the signed one says");
	if (parts->committee &&
	    !is_committee(parts->committee, parts->committee_branch,
			  parts->depth, NEXT_INDEX,
			  parts->attested.state_root))
		return chain_fail(why, -EBADMSG,
				  "the next committee is not what the signed block says");
	if (parts->finalized.slot < store->slot && !leads_on(store, parts))
		return chain_fail(why, -ESTALE,
				  "slot %llu is before slot %llu, which was accepted before",
				  (unsigned long long)parts->finalized.slot,
				  (unsigned long long)store->slot);
	return 0;
}

static void apply(struct light_store *store, const struct parts *parts)
{
	uint64_t period = light_period(parts->finalized.slot);

	if (store->next.known && period == store->next.period) {
		store->current = store->next;
		store->next.known = false;
	}
	/* The next one of a block that may not stay would be for ever. */
	if (leads_on(store, parts))
		set_committee(&store->next, period + 1, parts->committee);
	if (parts->finalized.slot <= store->slot)
		return;
	store->slot = parts->finalized.slot;
	store->header = parts->finalized.execution;
}

int light_update(const struct light_chain *chain, struct light_store *store,
		 struct chain_bytes ssz, uint64_t now, struct chain_why *why)
{
	struct parts parts;
	int err = read_parts(ssz, &parts, why);

	if (!err)
		err = check_parts(chain, store, &parts, now, why);
	if (!err && light_period(parts.finalized.slot) >
	    store->current.period + store->next.known)
		err = chain_fail(why, -ESTALE,
				 "updates of a period between are missing");
	if (!err)
		apply(store, &parts);
	return err;
}
