// SPDX-License-Identifier: MIT
/*
 * What a call changes in the slots of a contract
 *
 * Copyright The dstack for Linux authors
 *
 * Of each call as much as tells it from one that had no effect.  The same table
 * shows that a transaction did what it was for, and what would be if it did.
 */
#include <errno.h>
#include <string.h>

#include "room.h"

#define WRITES_MAX	3
#define WORD		32

/* Members of a slot of Documentation/contracts/contracts.rst. */
struct write {
	struct chain_slot slot;
	size_t from, len;	/* bytes, from the low end */
	bool is_time;		/* of the block; any but 0 will do */
};

struct writes {
	struct write list[WRITES_MAX];
	size_t nr;
	bool failed;
};

/* Upstream's state begins at slot 0 in both. */
static const uint8_t upstream[WORD];

static void put(struct writes *w, const struct chain_slot *slot, size_t from,
		size_t len, const uint8_t *word)
{
	struct write *write = &w->list[w->nr++];

	memset(write, 0, sizeof(*write));
	memcpy(write->slot.key, slot->key, WORD);
	write->from = from;
	write->len = len;
	memcpy(&write->slot.value[WORD - from - len], &word[WORD - len], len);
}

static void put_number(struct writes *w, const struct chain_slot *slot,
		       size_t from, size_t len, uint64_t value)
{
	uint8_t word[WORD];

	contract_put_u64(word, value);
	put(w, slot, from, len, word);
}

static void put_time(struct writes *w, const struct chain_slot *slot,
		     size_t from)
{
	put_number(w, slot, from, sizeof(uint64_t), 0);
	w->list[w->nr - 1].is_time = true;
}

/* What is in upstream's slots: a truth, or one for each key of a mapping. */
static const struct entry {
	enum contract_function function;
	uint8_t slot;
	bool mapping, value;		/* else the argument is the value */
	size_t from;
} entries[] = {
	{ CONTRACT_ADD_OS_IMAGE, 8, true, true, 0 },
	{ CONTRACT_REMOVE_OS_IMAGE, 8, true, false, 0 },
	{ CONTRACT_ADD_KMS_MR, 6, true, true, 0 },
	{ CONTRACT_REMOVE_KMS_MR, 6, true, false, 0 },
	{ CONTRACT_ADD_KMS_DEVICE, 7, true, true, 0 },
	{ CONTRACT_REMOVE_KMS_DEVICE, 7, true, false, 0 },
	{ CONTRACT_REGISTER_APP, 5, true, true, 0 },
	{ CONTRACT_ADD_COMPOSE_HASH, 0, true, true, 0 },
	{ CONTRACT_REMOVE_COMPOSE_HASH, 0, true, false, 0 },
	{ CONTRACT_ADD_DEVICE, 2, true, true, 0 },
	{ CONTRACT_REMOVE_DEVICE, 2, true, false, 0 },
	{ CONTRACT_ALLOW_ANY_DEVICE, 1, false, false, 1 },
	{ CONTRACT_REQUIRE_TCB, 3, false, false, 0 },
};

static bool entry_writes(struct writes *w, const struct contract_call *call)
{
	const uint8_t *arg = call->args[0];
	const struct entry *entry;
	struct chain_slot slot;
	size_t i;

	for (i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
		if (entries[i].function == call->function)
			break;
	if (i == sizeof(entries) / sizeof(entries[0]))
		return false;
	entry = &entries[i];
	if (!entry->mapping)
		chain_slot_at(&slot, upstream, entry->slot);
	else if (!chain_slot_of(&slot, upstream, entry->slot, arg))
		w->failed = true;
	if (!w->failed)
		put_number(w, &slot, entry->from, 1, entry->mapping ?
			   entry->value : arg[WORD - 1]);
	return true;
}

/* Indices of chain_policy_slots(), in the order of the table of slots. */
enum {
	CURRENT_ROOT, CURRENT, NEXT_ROOT, NEXT, PINS, PIN,
};

static void policy_writes(struct writes *w, const struct contract_call *call)
{
	struct chain_slot slots[CHAIN_POLICY_SLOTS];
	bool yes = call->args[0][WORD - 1];

	if (!chain_policy_slots(slots, call->args[0])) {
		w->failed = true;
		return;
	}
	switch (call->function) {
	case CONTRACT_ANNOUNCE_POLICY:
		put(w, &slots[NEXT_ROOT], 0, WORD, call->args[0]);
		put(w, &slots[NEXT], 0, 8, call->args[1]);
		put_time(w, &slots[NEXT], 8);
		break;
	case CONTRACT_PIN_DEVICE:
		put_time(w, &slots[PIN], 0);
		put_number(w, &slots[PIN], 8, 8, 0);
		break;
	case CONTRACT_UNPIN_DEVICE:
		put_time(w, &slots[PIN], 8);
		break;
	default:
		if (yes)
			put_number(w, &slots[PINS], 0, 9, 1);
		else
			put_time(w, &slots[PINS], 1);
	}
}

static void keys_writes(struct writes *w, const struct contract_call *call)
{
	struct chain_slot slots[CHAIN_KEYS_SLOTS];

	chain_keys_slots(slots);
	if (call->function == CONTRACT_REVOKE_KEYS) {
		put_number(w, &slots[0], 24, 8,
			   contract_get_u64(call->args[0]) + 1);
		return;
	}
	put(w, &slots[1], 8, 8, call->args[0]);
	put(w, &slots[1], 16, 8, call->args[1]);
}

static void timelock_writes(struct writes *w, const struct contract_call *call)
{
	struct chain_slot slot;
	uint8_t base[WORD];

	w->failed = !contract_namespace("dstack.linux.timelock", base);
	if (call->function == CONTRACT_SET_DELAY) {
		chain_slot_at(&slot, base, 0);
		put(w, &slot, 8, 8, call->args[0]);
	} else {
		chain_slot_at(&slot, base, 2);
		put(w, &slot, 0, CHAIN_ADDRESS, call->args[0]);
	}
}

static void writes_of(struct writes *w, const struct contract_call *call)
{
	memset(w, 0, sizeof(*w));
	if (entry_writes(w, call))
		return;
	switch (call->function) {
	case CONTRACT_ANNOUNCE_POLICY:
	case CONTRACT_PIN_DEVICE:
	case CONTRACT_UNPIN_DEVICE:
	case CONTRACT_REQUIRE_PINS:
		policy_writes(w, call);
		break;
	case CONTRACT_SET_DELAY:
	case CONTRACT_SET_GUARDIAN:
		timelock_writes(w, call);
		break;
	case CONTRACT_ANNOUNCE_KEYS:
	case CONTRACT_REVOKE_KEYS:
		keys_writes(w, call);
		break;
	default:
		/* They change what only the receipt names. */
		w->failed = true;
	}
}

/* Which of the two has the epoch is up to the time. */
static int revocation_shown(const struct chain_source *source,
			    const uint8_t *to, const struct contract_call *call,
			    bool *shown, struct chain_why *why)
{
	struct chain_slot slots[CHAIN_POLICY_SLOTS];
	uint64_t epoch = contract_get_u64(call->args[0]);
	struct chain_account account;
	int err;

	if (!chain_policy_slots(slots, call->args[0]))
		return chain_fail(why, -EIO, "there is no KECCAK-256");
	err = source->prove(source->arg, to, slots, CHAIN_POLICY_SLOTS,
			    &account, why);
	if (err)
		return err;
	*shown = (chain_slot_u64(&slots[CURRENT], 0) == epoch &&
		  chain_slot_u64(&slots[CURRENT], 16)) ||
		 (chain_slot_u64(&slots[NEXT], 0) == epoch &&
		  chain_slot_u64(&slots[NEXT], 16));
	return 0;
}

static bool is_written(const struct write *write, const uint8_t *value)
{
	static const uint8_t zero[WORD];
	size_t at = WORD - write->from - write->len;

	if (write->is_time)
		return memcmp(value + at, zero, write->len) != 0;
	return !memcmp(value + at, write->slot.value + at, write->len);
}

int contract_shown(const struct chain_source *source,
		   const uint8_t to[CHAIN_ADDRESS],
		   const struct contract_call *call, bool *shown,
		   struct chain_why *why)
{
	struct chain_slot slots[WRITES_MAX];
	struct chain_account account;
	struct writes w;
	size_t i;
	int err;

	*shown = false;
	if (call->function == CONTRACT_REVOKE_POLICY)
		return revocation_shown(source, to, call, shown, why);
	writes_of(&w, call);
	if (w.failed)
		return chain_fail(why, -EOPNOTSUPP,
				  "what %s changes is not known",
				  contract_signature(call->function));
	for (i = 0; i < w.nr; i++)
		memcpy(slots[i].key, w.list[i].slot.key, WORD);
	err = source->prove(source->arg, to, slots, w.nr, &account, why);
	if (err)
		return err;
	*shown = true;
	for (i = 0; i < w.nr; i++)
		*shown = *shown && is_written(&w.list[i], slots[i].value);
	return 0;
}

/*
 * What if
 */

bool contract_apply(struct contract_overlay *overlay,
		    const uint8_t to[CHAIN_ADDRESS],
		    const struct contract_call *call)
{
	struct contract_change *change;
	struct writes w;
	size_t i, at;

	writes_of(&w, call);
	if (w.failed || w.nr > CONTRACT_CHANGES_MAX - overlay->nr)
		return false;
	for (i = 0; i < w.nr; i++) {
		change = &overlay->changes[overlay->nr++];
		at = WORD - w.list[i].from - w.list[i].len;
		memset(change, 0, sizeof(*change));
		memcpy(change->address, to, CHAIN_ADDRESS);
		change->slot = w.list[i].slot;
		memset(change->mask + at, 0xff, w.list[i].len);
		if (w.list[i].is_time)
			contract_put_member(change->slot.value, w.list[i].from,
					    overlay->below->time);
	}
	return true;
}

static void change_slot(struct chain_slot *slot,
			const struct contract_change *change)
{
	size_t i;

	if (memcmp(slot->key, change->slot.key, WORD) != 0)
		return;
	for (i = 0; i < WORD; i++)
		slot->value[i] = (slot->value[i] & ~change->mask[i]) |
			(change->slot.value[i] & change->mask[i]);
}

int contract_overlay_prove(void *arg, const uint8_t address[CHAIN_ADDRESS],
			   struct chain_slot *slots, size_t nr,
			   struct chain_account *account,
			   struct chain_why *why)
{
	const struct contract_overlay *overlay = arg;
	const struct chain_source *below = overlay->below;
	int err = below->prove(below->arg, address, slots, nr, account, why);
	size_t i, j;

	for (i = 0; !err && i < overlay->nr; i++)
		for (j = 0; j < nr; j++)
			if (!memcmp(overlay->changes[i].address, address,
				    CHAIN_ADDRESS))
				change_slot(&slots[j], &overlay->changes[i]);
	return err;
}
