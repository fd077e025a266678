// SPDX-License-Identifier: MIT
/*
 * Headers and proofs as servers write them
 *
 * Copyright The dstack for Linux authors
 */
#include "json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib.h"
#include "rlp.h"

#define FIELD_MAX	1024	/* bytes of one field of a header */

/* The digits behind "0x", or NULL. */
static const char *digits(yyjson_val *value, size_t *len)
{
	const char *text = yyjson_get_str(value);

	if (!text || yyjson_get_len(value) < 2 || text[0] != '0' ||
	    text[1] != 'x')
		return NULL;
	*len = yyjson_get_len(value) - 2;
	return text + 2;
}

bool chain_json_data(yyjson_val *value, uint8_t *out, size_t room,
		     size_t *len)
{
	const char *text = digits(value, len);

	if (!text || *len & 1 || *len / 2 > room)
		return false;
	*len /= 2;
	return libdstack_from_hex(text, *len * 2, out, *len);
}

bool chain_json_fixed(yyjson_val *value, void *out, size_t len)
{
	size_t have;

	return chain_json_data(value, out, len, &have) && have == len;
}

/* The bytes of a number, without leading zeros. */
static bool number(yyjson_val *value, uint8_t *out, size_t room, size_t *len)
{
	char even[2 * 32];
	const char *text = digits(value, len);
	size_t nr = 0;

	if (!text || !*len || *len > 2 * room || *len > sizeof(even) ||
	    (text[0] == '0' && *len > 1))
		return false;
	if (*len & 1)
		even[nr++] = '0';
	memcpy(even + nr, text, *len);
	nr += *len;
	*len = nr / 2;
	if (!libdstack_from_hex(even, nr, out, *len))
		return false;
	if (*len == 1 && !out[0])
		*len = 0;
	return true;
}

bool chain_json_u64(yyjson_val *value, uint64_t *out)
{
	uint8_t bytes[8];
	size_t len, i;

	if (!number(value, bytes, sizeof(bytes), &len))
		return false;
	for (*out = 0, i = 0; i < len; i++)
		*out = *out << 8 | bytes[i];
	return true;
}

/*
 * Headers
 */

#define NUMBER		0	/* the others have a length */
#define ANY		SIZE_MAX
#define FIRST_NEW	15	/* those from here on came with forks */

static const struct {
	const char *name;
	size_t len;
} fields[] = {
	{ "parentHash", 32 }, { "sha3Uncles", 32 }, { "miner", 20 },
	{ "stateRoot", 32 }, { "transactionsRoot", 32 },
	{ "receiptsRoot", 32 }, { "logsBloom", 256 },
	{ "difficulty", NUMBER }, { "number", NUMBER },
	{ "gasLimit", NUMBER }, { "gasUsed", NUMBER },
	{ "timestamp", NUMBER }, { "extraData", ANY }, { "mixHash", 32 },
	{ "nonce", 8 }, { "baseFeePerGas", NUMBER },
	{ "withdrawalsRoot", 32 }, { "blobGasUsed", NUMBER },
	{ "excessBlobGas", NUMBER }, { "parentBeaconBlockRoot", 32 },
	{ "requestsHash", 32 },
};

#define FIELDS		(sizeof(fields) / sizeof(fields[0]))

static bool put_field(struct rlp_out *out, yyjson_val *value, size_t len)
{
	uint8_t bytes[FIELD_MAX];
	size_t have = len;
	bool good;

	if (len == NUMBER)
		good = number(value, bytes, 32, &have);
	else if (len == ANY)
		good = chain_json_data(value, bytes, sizeof(bytes), &have);
	else
		good = chain_json_fixed(value, bytes, len);
	if (good)
		rlp_put(out, bytes, have);
	return good;
}

static int put_fields(struct rlp_out *out, yyjson_val *block,
		      struct chain_why *why)
{
	yyjson_val *value;
	bool ended = false;
	size_t i;

	for (i = 0; i < FIELDS; i++) {
		value = yyjson_obj_get(block, fields[i].name);
		if (i >= FIRST_NEW && (!value || yyjson_is_null(value))) {
			ended = true;
			continue;
		}
		/* A fork's field without those of the fork before. */
		if (ended || !put_field(out, value, fields[i].len))
			return chain_fail(why, -EBADMSG,
					  "the block's field %s is not what it should be",
					  fields[i].name);
	}
	return 0;
}

int chain_json_header(yyjson_val *block, struct chain_header *header,
		      struct chain_why *why)
{
	uint8_t said[CHAIN_HASH];
	uint8_t room[CHAIN_HEADER_MAX];
	struct chain_bytes rlp;
	struct rlp_out out;
	int err;

	memset(header, 0, sizeof(*header));
	if (!yyjson_is_obj(block))
		return chain_fail(why, -EBADMSG, "there is no such block");
	rlp_begin(&out, room, sizeof(room));
	err = put_fields(&out, block, why);
	rlp = rlp_end(&out);
	if (!err)
		err = rlp.data ? chain_header_read(rlp, header, why) :
			chain_fail(why, -EBADMSG, "the header is too long");
	if (err)
		return err;
	if (!chain_json_fixed(yyjson_obj_get(block, "hash"), said,
			      CHAIN_HASH) ||
	    memcmp(said, header->hash, CHAIN_HASH))
		return chain_fail(why, -EBADMSG,
				  "block %llu has not the hash that its header has",
				  (unsigned long long)header->number);
	return 0;
}

/*
 * Proofs
 */

/* Bytes that all the nodes have, or 0. */
static size_t measure(yyjson_val *list)
{
	yyjson_arr_iter iter = yyjson_arr_iter_with(list);
	yyjson_val *value;
	size_t len, sum = 1;

	while ((value = yyjson_arr_iter_next(&iter))) {
		if (!digits(value, &len) || len / 2 > CHAIN_NODE_MAX)
			return 0;
		sum += len / 2;
	}
	return sum;
}

int chain_json_nodes(yyjson_val *list, struct chain_proof *proof,
		     struct chain_why *why)
{
	yyjson_arr_iter iter = yyjson_arr_iter_with(list);
	yyjson_val *value;
	uint8_t *at;
	size_t sum, len;

	memset(proof, 0, sizeof(*proof));
	sum = yyjson_is_arr(list) &&
		yyjson_arr_size(list) <= CHAIN_NODES_MAX ? measure(list) : 0;
	if (!sum)
		return chain_fail(why, -EBADMSG,
				  "the proof is no list of nodes");
	proof->data = malloc(sum);
	if (!proof->data)
		return chain_fail(why, -ENOMEM, "out of memory");
	at = proof->data;
	while ((value = yyjson_arr_iter_next(&iter))) {
		if (!chain_json_data(value, at, CHAIN_NODE_MAX, &len))
			return chain_fail(why, -EBADMSG,
					  "node %zu of the proof is not hex",
					  proof->nr);
		proof->nodes[proof->nr++] = (struct chain_bytes){ at, len };
		at += len;
	}
	return 0;
}

void chain_proof_clear(struct chain_proof *proof)
{
	free(proof->data);
	memset(proof, 0, sizeof(*proof));
}

static int prove_account(yyjson_val *answer, const uint8_t *state_root,
			 const uint8_t *address, struct chain_account *account,
			 struct chain_why *why)
{
	struct chain_proof proof;
	int err;

	err = chain_json_nodes(yyjson_obj_get(answer, "accountProof"), &proof,
			       why);
	if (!err)
		err = chain_account_prove(state_root, address, proof.nodes,
					  proof.nr, account, why);
	chain_proof_clear(&proof);
	return err;
}

static int prove_slot(yyjson_val *entry, const struct chain_account *account,
		      struct chain_slot *slot, struct chain_why *why)
{
	struct chain_proof proof;
	int err;

	err = chain_json_nodes(yyjson_obj_get(entry, "proof"), &proof, why);
	if (!err)
		err = chain_slot_prove(account, slot->key, proof.nodes,
				       proof.nr, slot->value, why);
	chain_proof_clear(&proof);
	return err;
}

int chain_json_prove(yyjson_val *answer, const uint8_t state_root[CHAIN_HASH],
		     const uint8_t address[CHAIN_ADDRESS],
		     struct chain_slot *slots, size_t nr,
		     struct chain_account *account, struct chain_why *why)
{
	yyjson_val *list = yyjson_obj_get(answer, "storageProof");
	size_t i;
	int err = prove_account(answer, state_root, address, account, why);

	if (!err && (!yyjson_is_arr(list) || yyjson_arr_size(list) != nr))
		return chain_fail(why, -EBADMSG,
				  "there is not one proof for each slot");
	for (i = 0; !err && i < nr; i++)
		err = prove_slot(yyjson_arr_get(list, i), account, &slots[i],
				 why);
	return err;
}
