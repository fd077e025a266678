/* SPDX-License-Identifier: MIT */
/*
 * What DstackKms and DstackApp say of a boot, read from their storage
 *
 * Copyright The dstack for Linux authors
 *
 * The answer is the contracts' own, with their reasons in their order, without
 * running them.  So it is only given for code that is known: the proxy's and
 * that of the implementation which its slot names, all of it proven.
 */
#ifndef CHAIN_POLICY_H
#define CHAIN_POLICY_H

#include "json.h"

/* Proves slots of an account against one header. */
struct chain_source {
	int (*prove)(void *arg, const uint8_t address[CHAIN_ADDRESS],
		     struct chain_slot *slots, size_t nr,
		     struct chain_account *account, struct chain_why *why);
	void *arg;
	uint64_t time;			/* of that header */
};

enum chain_layout {
	CHAIN_NO_LAYOUT,		/* no code, or none that is known */
	CHAIN_KMS_UPSTREAM,
	CHAIN_KMS_LINUX,		/* with key epochs */
	CHAIN_APP_UPSTREAM,
	CHAIN_APP_LINUX,		/* with exec policies, pins, epochs */
};

struct chain_code {
	uint8_t hash[CHAIN_HASH];
	enum chain_layout layout;
};

/* What an operator has looked at, by hash. */
struct chain_known {
	const uint8_t (*proxies)[CHAIN_HASH];
	size_t nr_proxies;
	const struct chain_code *codes;
	size_t nr_codes;
};

struct chain_boot {
	uint8_t app_id[CHAIN_ADDRESS];
	uint8_t compose_hash[32];
	uint8_t device_id[32];
	uint8_t mr_aggregated[32];
	uint8_t os_image_hash[32];
	const char *tcb_status;
	/* Upstream's contracts don't look at these; others may. */
	uint8_t instance_id[CHAIN_ADDRESS];
	uint8_t mr_system[32];
	const char *const *advisory_ids;
	size_t nr_advisory_ids;
};

/* Epochs of keys: which is current, and which live beside it. */
struct chain_epochs {
	bool known;			/* a contract that has them was read */
	uint64_t current;
	uint64_t previous_ends;		/* the one before lives until then */
	uint64_t first_live;		/* those before it are revoked */
};

#define CHAIN_GATEWAY_MAX	256
#define CHAIN_REASON_MAX	128

struct chain_verdict {
	bool allowed;
	bool asked;			/* servers ran code: not proven */
	char reason[CHAIN_REASON_MAX];	/* the contract's; "": allowed */
	char gateway_app_id[CHAIN_GATEWAY_MAX];
	uint64_t policy_epoch;		/* 0: no exec policy is in force */
	uint8_t policy_root[32];
	struct chain_epochs kms_keys, app_keys;
};

/*
 * 0: *verdict says what the contracts say.  -EOPNOTSUPP: they run code that is
 * not known, so that nothing can be said.  Whatever else: nothing is proven.
 */
int chain_app_allowed(const struct chain_source *source,
		      const struct chain_known *known,
		      const uint8_t kms[CHAIN_ADDRESS],
		      const struct chain_boot *boot,
		      struct chain_verdict *verdict, struct chain_why *why);
int chain_kms_allowed(const struct chain_source *source,
		      const struct chain_known *known,
		      const uint8_t kms[CHAIN_ADDRESS],
		      const struct chain_boot *boot,
		      struct chain_verdict *verdict, struct chain_why *why);

/* Whether keys of this epoch are given out at @now, the header's time. */
bool chain_epoch_lives(const struct chain_epochs *epochs, uint64_t epoch,
		       uint64_t now);

/* contract.c */

/*
 * Proves a proxy and the code behind it; @slots[0] is for the implementation's
 * slot, the others are the caller's.  *@layout is CHAIN_NO_LAYOUT if
 * there is no code.
 */
int chain_contract_read(const struct chain_source *source,
			const struct chain_known *known,
			const uint8_t address[CHAIN_ADDRESS],
			struct chain_slot *slots, size_t nr,
			enum chain_layout *layout, struct chain_why *why);
/* Text or bytes of at most @max, in @slot that is proven to be @value. */
int chain_text_read(const struct chain_source *source,
		    const uint8_t address[CHAIN_ADDRESS],
		    const struct chain_slot *slot, size_t max, uint8_t *out,
		    size_t *len, struct chain_why *why);
/* Slot @nr of the base, for up to 255 of them. */
void chain_slot_at(struct chain_slot *slot, const uint8_t base[32],
		   uint8_t nr);
/* Entry @key of the mapping in slot @nr of the base. */
bool chain_slot_of(struct chain_slot *slot, const uint8_t base[32],
		   uint8_t nr, const uint8_t key[32]);
/* A member of a slot, @from bytes from its low end. */
uint64_t chain_slot_u64(const struct chain_slot *slot, size_t from);
bool chain_slot_bool(const struct chain_slot *slot, size_t from);

/* extension.c: slots of Documentation/contracts/contracts.rst, "Slots" */

#define CHAIN_POLICY_SLOTS	6
#define CHAIN_KEYS_SLOTS	2

bool chain_policy_slots(struct chain_slot slots[CHAIN_POLICY_SLOTS],
			const uint8_t device_id[32]);
void chain_keys_slots(struct chain_slot slots[CHAIN_KEYS_SLOTS]);
/* Why the extension denies, or "". */
const char *chain_policy_read(const struct chain_slot slots[CHAIN_POLICY_SLOTS],
			      uint64_t now, struct chain_verdict *verdict);
void chain_keys_read(const struct chain_slot slots[CHAIN_KEYS_SLOTS],
		     uint64_t now, struct chain_epochs *epochs);

#endif /* CHAIN_POLICY_H */
