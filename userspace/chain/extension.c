// SPDX-License-Identifier: MIT
/*
 * Slots that our contracts have besides upstream's
 *
 * Copyright The dstack for Linux authors
 *
 * Documentation/contracts/contracts.rst promises them.
 */
#include <string.h>

#include "policy.h"

/* dstack.linux.exec-policy */
static const uint8_t policy_base[32] = {
	0x9f, 0x92, 0x22, 0x7d, 0x6b, 0x0f, 0x48, 0xc4,
	0xb8, 0x5d, 0xba, 0xd6, 0x44, 0x3f, 0x05, 0x6b,
	0x4a, 0xde, 0x0c, 0x37, 0xfc, 0xbb, 0x36, 0xe0,
	0xa7, 0xa7, 0xa8, 0x4a, 0x0c, 0xd3, 0x3b, 0x00,
};

/* dstack.linux.keys */
static const uint8_t keys_base[32] = {
	0xe2, 0x86, 0xe8, 0x1d, 0x0e, 0xfc, 0x19, 0x48,
	0x4f, 0x94, 0x6f, 0x86, 0xc6, 0x3a, 0x69, 0x3e,
	0xec, 0xb8, 0x1e, 0xf2, 0xb8, 0xd4, 0xe6, 0x9e,
	0xd5, 0x84, 0x89, 0x25, 0x62, 0xc1, 0x24, 0x00,
};

enum {
	CURRENT_ROOT, CURRENT, NEXT_ROOT, NEXT, PINS, PIN,
};

static bool has_come(uint64_t at, uint64_t now)
{
	return at && at <= now;
}

bool chain_policy_slots(struct chain_slot slots[CHAIN_POLICY_SLOTS],
			const uint8_t device_id[32])
{
	unsigned int i;

	for (i = CURRENT_ROOT; i < PIN; i++)
		chain_slot_at(&slots[i], policy_base, i);
	return chain_slot_of(&slots[PIN], policy_base, PIN, device_id);
}

void chain_keys_slots(struct chain_slot slots[CHAIN_KEYS_SLOTS])
{
	chain_slot_at(&slots[0], keys_base, 0);
	chain_slot_at(&slots[1], keys_base, 1);
}

static bool next_is_in_force(const struct chain_slot *slots, uint64_t now)
{
	return chain_slot_u64(&slots[NEXT], 0) >
		chain_slot_u64(&slots[CURRENT], 0) &&
		!chain_slot_u64(&slots[NEXT], 16) &&
		has_come(chain_slot_u64(&slots[NEXT], 8), now);
}

const char *chain_policy_read(const struct chain_slot slots[CHAIN_POLICY_SLOTS],
			      uint64_t now, struct chain_verdict *verdict)
{
	bool next = next_is_in_force(slots, now);
	const struct chain_slot *root = &slots[next ? NEXT_ROOT : CURRENT_ROOT];
	const struct chain_slot *rest = &slots[next ? NEXT : CURRENT];
	bool revoked = chain_slot_u64(rest, 16);
	bool pinned = has_come(chain_slot_u64(&slots[PIN], 0), now) &&
		!chain_slot_u64(&slots[PIN], 8);

	if (!revoked) {
		verdict->policy_epoch = chain_slot_u64(rest, 0);
		memcpy(verdict->policy_root, root->value, 32);
	}
	if (chain_slot_bool(&slots[PINS], 0) &&
	    !has_come(chain_slot_u64(&slots[PINS], 1), now) && !pinned)
		return "Device not pinned";
	return revoked ? "Exec policy revoked" : "";
}

void chain_keys_read(const struct chain_slot slots[CHAIN_KEYS_SLOTS],
		     uint64_t now, struct chain_epochs *epochs)
{
	uint64_t next = chain_slot_u64(&slots[1], 0);

	epochs->known = true;
	epochs->current = chain_slot_u64(&slots[0], 0);
	epochs->previous_ends = chain_slot_u64(&slots[0], 16);
	epochs->first_live = chain_slot_u64(&slots[0], 24);
	if (next <= epochs->current ||
	    !has_come(chain_slot_u64(&slots[1], 8), now))
		return;
	epochs->current = next;
	epochs->previous_ends = chain_slot_u64(&slots[1], 16);
}

bool chain_epoch_lives(const struct chain_epochs *epochs, uint64_t epoch,
		       uint64_t now)
{
	if (epoch < epochs->first_live)
		return false;
	return epoch == epochs->current ||
		(epochs->current && epoch == epochs->current - 1 &&
		 now < epochs->previous_ends);
}
