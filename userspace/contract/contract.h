/* SPDX-License-Identifier: MIT */
/*
 * What the owner of the contracts does with them
 *
 * Copyright The dstack for Linux authors
 *
 * Transactions that say one thing each, and what a boot lacks of being
 * allowed.  What a server says of a transaction is not believed: what it was to
 * change is proven, by userspace/chain/.
 */
#ifndef CONTRACT_H
#define CONTRACT_H

#include "../chain/rpc.h"

#define CONTRACT_ARGS_MAX	6
#define CONTRACT_CALL_MAX	(4 + 32 * CONTRACT_ARGS_MAX)
#define CONTRACT_TEXT		128	/* an argument, or why one is refused */

/* function.c: what is called, and how it is written */

enum contract_function {
	CONTRACT_ADD_OS_IMAGE, CONTRACT_REMOVE_OS_IMAGE,
	CONTRACT_ADD_KMS_MR, CONTRACT_REMOVE_KMS_MR,
	CONTRACT_ADD_KMS_DEVICE, CONTRACT_REMOVE_KMS_DEVICE,
	CONTRACT_REGISTER_APP, CONTRACT_DEPLOY_APP,
	CONTRACT_ADD_COMPOSE_HASH, CONTRACT_REMOVE_COMPOSE_HASH,
	CONTRACT_ADD_DEVICE, CONTRACT_REMOVE_DEVICE,
	CONTRACT_ALLOW_ANY_DEVICE, CONTRACT_REQUIRE_TCB,
	CONTRACT_ANNOUNCE_POLICY, CONTRACT_REVOKE_POLICY,
	CONTRACT_PIN_DEVICE, CONTRACT_UNPIN_DEVICE, CONTRACT_REQUIRE_PINS,
	CONTRACT_SET_DELAY, CONTRACT_SET_GUARDIAN,
	CONTRACT_ANNOUNCE_KEYS, CONTRACT_REVOKE_KEYS,
	__CONTRACT_FUNCTIONS
};

/* Of DstackKms, of DstackApp, or, with both bits, of either. */
#define CONTRACT_OF_KMS		1
#define CONTRACT_OF_APP		2

struct contract_call {
	enum contract_function function;
	uint8_t args[CONTRACT_ARGS_MAX][32];
};

/* "addDevice(bytes32)" */
const char *contract_signature(enum contract_function function);
unsigned int contract_of(enum contract_function function);
/* Who may send it: "owner", "owner or guardian", "anybody". */
const char *contract_who(enum contract_function function);
size_t contract_args(enum contract_function function);
/* From text, by the argument's type.  -EINVAL. */
int contract_set_arg(struct contract_call *call, size_t i, const char *text,
		     struct chain_why *why);
/* As one writes it; returns @text. */
char *contract_arg_text(const struct contract_call *call, size_t i,
			char text[CONTRACT_TEXT]);
void contract_put_u64(uint8_t word[32], uint64_t value);
uint64_t contract_get_u64(const uint8_t word[32]);
/* 20 bytes, 40 digits with or without "0x". */
bool contract_address(const char *text, uint8_t address[CHAIN_ADDRESS]);
/* False if there is no KECCAK-256, as everywhere here. */
bool contract_encode(const struct contract_call *call,
		     uint8_t data[CONTRACT_CALL_MAX], size_t *len);
/* The first bytes of the hash of "name(types)". */
bool contract_selector(const char *signature, uint8_t selector[4]);
/* What a constructor of (address, bytes) takes; *@len is room, then length. */
bool contract_encode_proxy(const uint8_t implementation[CHAIN_ADDRESS],
			   const uint8_t kms_owner[CHAIN_ADDRESS],
			   const uint8_t app_code[CHAIN_ADDRESS], uint8_t *out,
			   size_t *len);

/* revert.c */

/* Why code refused, from what it returned; returns @text. */
char *contract_refusal(const uint8_t *data, size_t len,
		       char text[CONTRACT_TEXT]);

/* tx.c */

struct contract_tx {
	uint64_t chain_id, nonce;
	uint64_t priority_fee, max_fee;	/* wei for one unit of gas */
	uint64_t gas;
	const uint8_t *to;		/* NULL: it makes a contract */
	struct chain_bytes data;
};

struct contract_signed {
	struct chain_bytes raw;
	uint8_t hash[CHAIN_HASH];
	uint8_t *room;			/* for free() */
};

/* Of EIP-1559, without value.  -EINVAL: @key is none. */
int contract_tx_sign(const struct contract_tx *tx, const uint8_t key[32],
		     struct contract_signed *out, struct chain_why *why);
int contract_key_address(const uint8_t key[32],
			 uint8_t address[CHAIN_ADDRESS]);
/* Where the contract is that a transaction makes. */
bool contract_made_at(const uint8_t sender[CHAIN_ADDRESS], uint64_t nonce,
		      uint8_t address[CHAIN_ADDRESS]);

/* effect.c: what a call changes */

/* Whether it is so, by proof. */
int contract_shown(const struct chain_source *source,
		   const uint8_t to[CHAIN_ADDRESS],
		   const struct contract_call *call, bool *shown,
		   struct chain_why *why);

#define CONTRACT_CHANGES_MAX	16

/* A source as it would be after calls; what it says is what-if. */
struct contract_overlay {
	const struct chain_source *below;
	struct contract_change {
		uint8_t address[CHAIN_ADDRESS];
		struct chain_slot slot;
		uint8_t mask[32];
	} changes[CONTRACT_CHANGES_MAX];
	size_t nr;
};

/* False if there is no room for more. */
bool contract_apply(struct contract_overlay *overlay,
		    const uint8_t to[CHAIN_ADDRESS],
		    const struct contract_call *call);
/* Of struct chain_source, over a struct contract_overlay. */
int contract_overlay_prove(void *overlay, const uint8_t address[CHAIN_ADDRESS],
			   struct chain_slot *slots, size_t nr,
			   struct chain_account *account,
			   struct chain_why *why);

struct contract_receipt {
	uint8_t hash[CHAIN_HASH];
	uint64_t block, gas_used;
	uint8_t app[CHAIN_ADDRESS];	/* that DstackKms says it made */
	bool has_app;
};

/* Proves that what was sent is so.  @receipt: what a server says of it. */
struct contract_check {
	int (*shown)(void *arg, const struct chain_source *source,
		     const struct contract_receipt *receipt, bool *shown,
		     struct chain_why *why);
	void *arg;
};

struct contract_sender {
	const struct chain_client *client;
	const uint8_t *key;		/* of 32 bytes */
	uint8_t from[CHAIN_ADDRESS];
	uint64_t max_fee;		/* wei; more is refused */
	unsigned int wait;		/* seconds, for the receipt */
};

/* prepare.c */

/*
 * Sets nonce, fees and gas of @tx, as @from would send it.  -EACCES: the
 * contract refuses, in its own words.
 */
int contract_prepare(const struct contract_sender *sender,
		     struct contract_tx *tx, struct chain_why *why);
/* What servers say; of several the one in the middle. */
int contract_chain_id(const struct chain_client *client, uint64_t *id,
		      struct chain_why *why);

/* send.c */

/*
 * Sends it and waits until it is shown.  -EACCES: the contract refused after
 * all; -ETIMEDOUT: nothing is shown yet.  *@receipt has the hash in any case.
 */
int contract_send(const struct contract_sender *sender,
		  const struct contract_tx *tx,
		  const struct contract_check *check,
		  struct contract_receipt *receipt, struct chain_why *why);
#endif /* CONTRACT_H */
