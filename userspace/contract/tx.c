// SPDX-License-Identifier: MIT
/*
 * One transaction of EIP-1559, signed
 *
 * Copyright The dstack for Linux authors
 */
#include "contract.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../chain/rlp.h"
#include "../keys/primitives.h"

#define TYPE		2	/* of EIP-2718 */
#define OVERHEAD	512	/* bytes besides the data */
#define DATA_MAX	49152	/* of code that makes a contract, EIP-3860 */

int contract_key_address(const uint8_t key[32],
			 uint8_t address[CHAIN_ADDRESS])
{
	uint8_t point[SECP_POINT_SIZE], hash[CHAIN_HASH];
	int err = secp_public_point(key, point);

	if (err)
		return err;
	if (!chain_keccak(point, sizeof(point), hash))
		return -EIO;
	memcpy(address, hash + CHAIN_HASH - CHAIN_ADDRESS, CHAIN_ADDRESS);
	return 0;
}

bool contract_made_at(const uint8_t sender[CHAIN_ADDRESS], uint64_t nonce,
		      uint8_t address[CHAIN_ADDRESS])
{
	uint8_t room[64], hash[CHAIN_HASH];
	struct chain_bytes rlp;
	struct rlp_out out;

	rlp_begin(&out, room, sizeof(room));
	rlp_put(&out, sender, CHAIN_ADDRESS);
	rlp_put_u64(&out, nonce);
	rlp = rlp_end(&out);
	if (!rlp.data || !chain_keccak(rlp.data, rlp.len, hash))
		return false;
	memcpy(address, hash + CHAIN_HASH - CHAIN_ADDRESS, CHAIN_ADDRESS);
	return true;
}

/* The list with its type in front; @signature, if there is one, behind. */
static struct chain_bytes write_tx(const struct contract_tx *tx,
				   const uint8_t *signature, uint8_t *room,
				   size_t size)
{
	struct chain_bytes rlp;
	struct rlp_out out;

	rlp_begin(&out, room + 1, size - 1);
	rlp_put_u64(&out, tx->chain_id);
	rlp_put_u64(&out, tx->nonce);
	rlp_put_u64(&out, tx->priority_fee);
	rlp_put_u64(&out, tx->max_fee);
	rlp_put_u64(&out, tx->gas);
	rlp_put(&out, tx->to, tx->to ? CHAIN_ADDRESS : 0);
	rlp_put_u64(&out, 0);
	rlp_put(&out, tx->data.data, tx->data.len);
	rlp_put_empty(&out);
	if (signature) {
		rlp_put_u64(&out, signature[AGENT_SIGNATURE_SIZE]);
		rlp_put_number(&out, signature, AGENT_SIGNATURE_SIZE / 2);
		rlp_put_number(&out, signature + AGENT_SIGNATURE_SIZE / 2,
			       AGENT_SIGNATURE_SIZE / 2);
	}
	rlp = rlp_end(&out);
	if (!rlp.data)
		return rlp;
	room[rlp.data - room - 1] = TYPE;
	return (struct chain_bytes){ rlp.data - 1, rlp.len + 1 };
}

static int sign(const struct contract_tx *tx, const uint8_t *key,
		struct contract_signed *out, size_t size,
		struct chain_why *why)
{
	uint8_t signature[AGENT_LINK_SIZE];
	struct chain_bytes plain = write_tx(tx, NULL, out->room, size);
	int err;

	if (!plain.data)
		return chain_fail(why, -EFBIG, "the transaction is too long");
	if (!chain_keccak(plain.data, plain.len, out->hash))
		return chain_fail(why, -EIO, "there is no KECCAK-256");
	err = secp_sign_link(key, out->hash, signature);
	if (err)
		return chain_fail(why, err, "the key is none of secp256k1");
	/* One in 2^128 has another; then another nonce has to do. */
	if (signature[AGENT_SIGNATURE_SIZE] > 1)
		return chain_fail(why, -EIO, "the signature has no parity");
	out->raw = write_tx(tx, signature, out->room, size);
	return chain_keccak(out->raw.data, out->raw.len, out->hash) ? 0 :
		chain_fail(why, -EIO, "there is no KECCAK-256");
}

int contract_tx_sign(const struct contract_tx *tx, const uint8_t key[32],
		     struct contract_signed *out, struct chain_why *why)
{
	size_t size = tx->data.len + OVERHEAD;
	int err;

	memset(out, 0, sizeof(*out));
	if (tx->data.len > DATA_MAX)
		return chain_fail(why, -EFBIG, "the transaction is too long");
	out->room = malloc(size);
	if (!out->room)
		return chain_fail(why, -ENOMEM, "out of memory");
	err = sign(tx, key, out, size, why);
	if (!err)
		return 0;
	free(out->room);
	memset(out, 0, sizeof(*out));
	return err;
}
