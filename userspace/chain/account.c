// SPDX-License-Identifier: MIT
/*
 * Accounts and their slots, by proof
 *
 * Copyright The dstack for Linux authors
 */
#include "chain.h"

#include <errno.h>
#include <string.h>

#include "rlp.h"

/* The hash of no code. */
static const uint8_t empty_code[CHAIN_HASH] = {
	0xc5, 0xd2, 0x46, 0x01, 0x86, 0xf7, 0x23, 0x3c,
	0x92, 0x7e, 0x7d, 0xb2, 0xdc, 0xc7, 0x03, 0xc0,
	0xe5, 0x00, 0xb6, 0x53, 0xca, 0x82, 0x27, 0x3b,
	0x7b, 0xfa, 0xd8, 0x04, 0x5d, 0x85, 0xa4, 0x70,
};

static bool read_account(struct chain_bytes value,
			 struct chain_account *account)
{
	uint8_t balance[32];
	struct chain_bytes in;
	uint64_t nonce;

	return rlp_list(value, &in) && rlp_u64(&in, &nonce) &&
	       rlp_number(&in, balance, sizeof(balance)) &&
	       rlp_fixed(&in, account->storage_root, CHAIN_HASH) &&
	       rlp_fixed(&in, account->code_hash, CHAIN_HASH) && !in.len;
}

int chain_account_prove(const uint8_t state_root[CHAIN_HASH],
			const uint8_t address[CHAIN_ADDRESS],
			const struct chain_bytes *nodes, size_t nr,
			struct chain_account *account, struct chain_why *why)
{
	struct chain_bytes value;
	int err;

	memset(account, 0, sizeof(*account));
	memcpy(account->storage_root, chain_empty_root, CHAIN_HASH);
	memcpy(account->code_hash, empty_code, CHAIN_HASH);
	err = chain_trie_get(state_root,
			     (struct chain_bytes){ address, CHAIN_ADDRESS },
			     nodes, nr, &value, why);
	if (err || !value.data)
		return err;
	if (!read_account(value, account))
		return chain_fail(why, -EBADMSG,
				  "what the proof shows is no account");
	account->exists = true;
	account->has_code = memcmp(account->code_hash, empty_code, CHAIN_HASH);
	return 0;
}

int chain_slot_prove(const struct chain_account *account,
		     const uint8_t slot[32], const struct chain_bytes *nodes,
		     size_t nr, uint8_t value[32], struct chain_why *why)
{
	struct chain_bytes found;
	int err;

	memset(value, 0, 32);
	err = chain_trie_get(account->storage_root,
			     (struct chain_bytes){ slot, 32 }, nodes, nr,
			     &found, why);
	if (err || !found.data)
		return err;
	if (!rlp_number(&found, value, 32) || found.len)
		return chain_fail(why, -EBADMSG,
				  "what the proof shows is no slot's value");
	return 0;
}
