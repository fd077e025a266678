/* SPDX-License-Identifier: MIT */
/*
 * What a contract has in its slots, what is announced, and what a boot lacks
 *
 * Copyright The dstack for Linux authors
 */
#ifndef CONTRACT_STATE_H
#define CONTRACT_STATE_H

#include "contract.h"

/* state.c */

struct contract_policy {
	uint8_t root[32];
	uint64_t epoch, active_at, revoked_at;
};

/* At a header's time; what is announced and has not come has a time. */
struct contract_state {
	bool is_app;
	bool is_ours;			/* and has what upstream's has not */
	bool asked;			/* servers ran code: not proven */
	uint8_t owner[CHAIN_ADDRESS], pending_owner[CHAIN_ADDRESS];
	uint8_t implementation[CHAIN_ADDRESS];
	uint64_t delay, next_delay, next_delay_at;
	uint8_t guardian[CHAIN_ADDRESS], next_guardian[CHAIN_ADDRESS];
	uint64_t next_guardian_at;
	uint8_t next_code[CHAIN_ADDRESS];
	uint64_t next_code_at;		/* may come, or has come */
	struct chain_epochs keys;
	uint64_t next_keys, next_keys_at, next_keys_retire;
	/* DstackKms */
	uint8_t app_code[CHAIN_ADDRESS];
	char gateway[CHAIN_GATEWAY_MAX];
	/* DstackApp */
	bool upgrades_off, any_device, tcb_required, pins_required;
	uint64_t pins_end_at;
	struct contract_policy policy, next_policy;
};

/* -EOPNOTSUPP: its code is not known. */
int contract_state_read(const struct chain_source *source,
			const struct chain_known *known,
			const uint8_t address[CHAIN_ADDRESS],
			struct contract_state *state, struct chain_why *why);

/* ask.c: the same of as many servers as the quorum, which run its code */
int contract_state_ask(const struct chain_view *view,
		       const uint8_t address[CHAIN_ADDRESS], bool is_app,
		       struct contract_state *state, struct chain_why *why);
/* Who owns it, whatever its code is. */
int contract_ask_owner(const struct chain_view *view,
		       const uint8_t address[CHAIN_ADDRESS],
		       uint8_t owner[CHAIN_ADDRESS], struct chain_why *why);

/* remedy.c */

#define CONTRACT_REMEDIES_MAX	8

/* One reason that denies a boot, and what would take it away. */
struct contract_remedy {
	char reason[CHAIN_REASON_MAX];
	bool has_call;			/* else @note says what there is */
	struct contract_call call;
	uint8_t to[CHAIN_ADDRESS];
	uint8_t owner[CHAIN_ADDRESS];	/* zero: anybody may */
	uint64_t delay;			/* seconds until it counts */
	const char *note;		/* or NULL */
	uint64_t wait_until;		/* nothing is to be done until then */
};

struct contract_question {
	const struct chain_source *source;
	const struct chain_known *known;
	const uint8_t *kms;
	const struct chain_boot *boot;
	bool is_kms;
	const uint8_t *root;		/* of a policy to announce, or NULL */
};

struct contract_answer {
	struct chain_verdict verdict;	/* as it is now */
	struct contract_remedy remedies[CONTRACT_REMEDIES_MAX];
	size_t nr;
	/* With all of them the contracts' code says yes. */
	bool can_be_allowed;
	/* Or what comes behind them is code that is not known. */
	struct chain_why beyond;
};

/* As chain_app_allowed() and chain_kms_allowed(). */
int contract_why(const struct contract_question *question,
		 struct contract_answer *answer, struct chain_why *why);
/* What takes @reason away; false if nothing is known of it. */
bool contract_remedy_of(const struct contract_question *question,
			const char *reason, struct contract_remedy *remedy);

/* boot.c */

struct contract_boot {
	struct chain_boot boot;
	const char **advisories;
	void *doc;
};

/* The webhook's form, see dstackctl(1).  For contract_boot_clear(). */
int contract_boot_read(const char *text, size_t len,
		       struct contract_boot *boot, struct chain_why *why);
void contract_boot_clear(struct contract_boot *boot);

/* known.c */

#define CONTRACT_CODES_MAX	32

/* What an operator pinned, and where. */
struct contract_pins {
	struct chain_known known;
	uint8_t proxies[CONTRACT_CODES_MAX][CHAIN_HASH];
	struct chain_code codes[CONTRACT_CODES_MAX];
	uint64_t chain_id;		/* 0: it is not said */
	uint8_t kms[CHAIN_ADDRESS];
	bool has_kms;
};

const char *contract_layout_name(enum chain_layout layout);
int contract_pins_read(const char *text, size_t len,
		       struct contract_pins *pins, struct chain_why *why);

#define CONTRACT_PLACES_MAX	16

/* One contract as its compiler made it. */
struct contract_build {
	uint8_t *code;			/* makes it, with room behind */
	size_t code_len;
	uint8_t *deployed;
	size_t deployed_len;
	/* Where it has its own address, as a word. */
	uint64_t places[CONTRACT_PLACES_MAX];
	size_t nr_places;
};

/* build.c: of build/contracts/NAME.json, for contract_build_clear() */
int contract_build_read(const char *text, size_t len,
			struct contract_build *build, struct chain_why *why);
void contract_build_clear(struct contract_build *build);
/* The hash that its code has at @address. */
int contract_build_hash(struct contract_build *build,
			const uint8_t address[CHAIN_ADDRESS],
			uint8_t hash[CHAIN_HASH], struct chain_why *why);

#endif /* CONTRACT_STATE_H */
