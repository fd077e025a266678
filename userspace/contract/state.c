// SPDX-License-Identifier: MIT
/*
 * What a contract has in its slots, by proof
 *
 * Copyright The dstack for Linux authors
 *
 * Slots are those of Documentation/contracts/contracts.rst.
 */
#include <errno.h>
#include <string.h>

#include "room.h"

#define WORD	32

static const uint8_t upstream[WORD];

enum {
	CODE, OWNER, PENDING, FIRST, SECOND,
	TIMELOCK, KEYS = TIMELOCK + 4, POLICY = KEYS + CHAIN_KEYS_SLOTS,
	SLOTS = POLICY + CHAIN_POLICY_SLOTS,
};

enum {
	CURRENT_ROOT, CURRENT, NEXT_ROOT, NEXT, PINS,
};

bool contract_namespace(const char *name, uint8_t base[32])
{
	uint8_t hash[CHAIN_HASH];
	size_t i;

	if (!chain_keccak(name, strlen(name), hash))
		return false;
	/* Less one: no one else knows what that is the hash of. */
	for (i = CHAIN_HASH; i--;)
		if (hash[i]--)
			break;
	if (!chain_keccak(hash, sizeof(hash), base))
		return false;
	base[WORD - 1] = 0;
	return true;
}

void contract_put_member(uint8_t value[32], size_t from, uint64_t member)
{
	size_t i;

	for (i = 0; i < sizeof(member); i++)
		value[WORD - 1 - from - i] = member >> 8 * i;
}

static bool has_come(uint64_t at, uint64_t now)
{
	return at && at <= now;
}

static void get_address(const struct chain_slot *slot,
			uint8_t address[CHAIN_ADDRESS])
{
	memcpy(address, slot->value + WORD - CHAIN_ADDRESS, CHAIN_ADDRESS);
}

static bool set_slots(struct chain_slot *slots)
{
	uint8_t base[WORD];
	unsigned int i;

	if (!contract_namespace("openzeppelin.storage.Ownable", base))
		return false;
	chain_slot_at(&slots[OWNER], base, 0);
	if (!contract_namespace("openzeppelin.storage.Ownable2Step", base))
		return false;
	chain_slot_at(&slots[PENDING], base, 0);
	if (!contract_namespace("dstack.linux.timelock", base))
		return false;
	for (i = 0; i < 4; i++)
		chain_slot_at(&slots[TIMELOCK + i], base, i);
	chain_keys_slots(&slots[KEYS]);
	/* Of a device nothing is asked. */
	return chain_policy_slots(&slots[POLICY], upstream);
}

static void read_timelock(const struct chain_slot *slots, uint64_t now,
			  struct contract_state *state)
{
	state->delay = chain_slot_u64(&slots[0], 0);
	state->next_delay = chain_slot_u64(&slots[0], 8);
	state->next_delay_at = chain_slot_u64(&slots[0], 16);
	get_address(&slots[1], state->guardian);
	get_address(&slots[2], state->next_guardian);
	state->next_guardian_at = chain_slot_u64(&slots[2], CHAIN_ADDRESS);
	get_address(&slots[3], state->next_code);
	state->next_code_at = chain_slot_u64(&slots[3], CHAIN_ADDRESS);
	contract_settle(state, now);
}

/* What has come counts, and is no longer announced. */
void contract_settle(struct contract_state *state, uint64_t now)
{
	if (has_come(state->next_delay_at, now)) {
		state->delay = state->next_delay;
		state->next_delay_at = 0;
	}
	if (has_come(state->next_guardian_at, now)) {
		memcpy(state->guardian, state->next_guardian, CHAIN_ADDRESS);
		state->next_guardian_at = 0;
	}
	if (state->pins_required && has_come(state->pins_end_at, now))
		state->pins_required = false;
	if (!state->pins_required)
		state->pins_end_at = 0;
	if (state->next_keys <= state->keys.current ||
	    has_come(state->next_keys_at, now))
		state->next_keys_at = 0;
}

static void get_policy(const struct chain_slot *root,
		       const struct chain_slot *rest,
		       struct contract_policy *policy)
{
	memcpy(policy->root, root->value, WORD);
	policy->epoch = chain_slot_u64(rest, 0);
	policy->active_at = chain_slot_u64(rest, 8);
	policy->revoked_at = chain_slot_u64(rest, 16);
}

static void read_policy(const struct chain_slot *slots, uint64_t now,
			struct contract_state *state)
{
	struct contract_policy next;

	state->pins_required = chain_slot_bool(&slots[PINS], 0);
	state->pins_end_at = chain_slot_u64(&slots[PINS], 1);
	get_policy(&slots[CURRENT_ROOT], &slots[CURRENT], &state->policy);
	get_policy(&slots[NEXT_ROOT], &slots[NEXT], &next);
	if (next.epoch <= state->policy.epoch)
		return;
	if (!next.revoked_at && has_come(next.active_at, now))
		state->policy = next;
	else
		state->next_policy = next;
}

static void read_keys(const struct chain_slot *slots, uint64_t now,
		      struct contract_state *state)
{
	chain_keys_read(slots, now, &state->keys);
	state->next_keys = chain_slot_u64(&slots[1], 0);
	state->next_keys_at = chain_slot_u64(&slots[1], 8);
	state->next_keys_retire = chain_slot_u64(&slots[1], 16);
}

static int read_kms(const struct chain_source *source, const uint8_t *address,
		    struct contract_state *state, struct chain_why *why)
{
	struct chain_slot slots[2];
	struct chain_account account;
	size_t len = 0;
	int err;

	chain_slot_at(&slots[0], upstream, 4);
	chain_slot_at(&slots[1], upstream, 9);
	err = source->prove(source->arg, address, slots, 2, &account, why);
	if (err)
		return err;
	get_address(&slots[1], state->app_code);
	return chain_text_read(source, address, &slots[0],
			       CHAIN_GATEWAY_MAX - 1,
			       (uint8_t *)state->gateway, &len, why);
}

int contract_state_read(const struct chain_source *source,
			const struct chain_known *known,
			const uint8_t address[CHAIN_ADDRESS],
			struct contract_state *state, struct chain_why *why)
{
	struct chain_slot slots[SLOTS];
	enum chain_layout layout;
	int err;

	memset(state, 0, sizeof(*state));
	if (!set_slots(slots))
		return chain_fail(why, -EIO, "there is no KECCAK-256");
	chain_slot_at(&slots[FIRST], upstream, 1);
	chain_slot_at(&slots[SECOND], upstream, 3);
	err = chain_contract_read(source, known, address, slots, SLOTS,
				  &layout, why);
	if (err)
		return err;
	if (layout == CHAIN_NO_LAYOUT)
		return chain_fail(why, -ENOENT,
				  "there is no contract at this address");
	state->is_app = layout == CHAIN_APP_LINUX ||
		layout == CHAIN_APP_UPSTREAM;
	state->is_ours = layout == CHAIN_APP_LINUX ||
		layout == CHAIN_KMS_LINUX;
	get_address(&slots[CODE], state->implementation);
	get_address(&slots[OWNER], state->owner);
	get_address(&slots[PENDING], state->pending_owner);
	if (state->is_ours && state->is_app)
		read_policy(&slots[POLICY], source->time, state);
	if (state->is_ours) {
		read_keys(&slots[KEYS], source->time, state);
		read_timelock(&slots[TIMELOCK], source->time, state);
	}
	if (!state->is_app)
		return read_kms(source, address, state, why);
	state->upgrades_off = chain_slot_bool(&slots[FIRST], 0);
	state->any_device = chain_slot_bool(&slots[FIRST], 1);
	state->tcb_required = chain_slot_bool(&slots[SECOND], 0);
	return 0;
}
