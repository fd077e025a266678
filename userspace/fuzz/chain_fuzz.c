// SPDX-License-Identifier: MIT
/*
 * Proofs and headers of a hostile server
 *
 * Copyright The dstack for Linux authors
 *
 * 'h': a header as RLP; 'b': a block as JSON; 'p': nodes, each behind its
 * length in two bytes.  Roots and hashes are taken from what comes, as else
 * nothing of it would be looked at.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "../chain/json.h"
#include "../chain/rlp.h"

#define NODES	8

static void header(const uint8_t *data, size_t len)
{
	struct chain_why why = { "" };
	struct chain_header head;

	if (!chain_header_read((struct chain_bytes){ data, len }, &head, &why))
		must(len > 400 && !why.text[0]);
	else
		must(why.text[0]);
}

static void block(const uint8_t *data, size_t len)
{
	yyjson_doc *doc = yyjson_read((const char *)data, len, 0);
	struct chain_why why = { "" };
	struct chain_proof proof;
	struct chain_header head;

	chain_json_header(yyjson_doc_get_root(doc), &head, &why);
	chain_json_nodes(yyjson_doc_get_root(doc), &proof, &why);
	chain_proof_clear(&proof);
	yyjson_doc_free(doc);
}

/* Names each node in the one before, where that has room at its end. */
static void chain(struct chain_bytes *nodes, size_t nr)
{
	uint8_t *end;

	while (nr-- > 1) {
		if (nodes[nr - 1].len < CHAIN_HASH + 2)
			continue;
		end = (uint8_t *)nodes[nr - 1].data + nodes[nr - 1].len;
		must(chain_keccak(nodes[nr].data, nodes[nr].len,
				  end - CHAIN_HASH));
	}
}

static void nodes(uint8_t *data, size_t len)
{
	static const uint8_t key[32];
	struct chain_why why = { "" };
	struct chain_bytes list[NODES], value;
	uint8_t root[CHAIN_HASH];
	size_t nr, size;

	for (nr = 0; nr < NODES && len >= 2; nr++) {
		size = data[0] << 8 | data[1];
		if (size > len - 2)
			size = len - 2;
		list[nr] = (struct chain_bytes){ data + 2, size };
		data += 2 + size;
		len -= 2 + size;
	}
	if (!nr)
		return;
	chain(list, nr);
	must(chain_keccak(list[0].data, list[0].len, root));
	if (chain_trie_get(root, (struct chain_bytes){ key, 32 }, list, nr,
			   &value, &why))
		must(!value.data && why.text[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *copy;

	if (!len || len > 16384)
		return 0;
	copy = fuzz_copy(data + 1, len - 1);
	if (data[0] == 'h')
		header(copy, len - 1);
	else if (data[0] == 'b')
		block(copy, len - 1);
	else if (data[0] == 'p')
		nodes(copy, len - 1);
	free(copy);
	return 0;
}

static void seed_header(size_t fields)
{
	static const uint8_t sizes[21] = {
		32, 32, 20, 32, 32, 32, 0, 0, 1, 4, 4, 4, 5, 32, 8, 4, 32, 0,
		0, 32, 32,
	};
	uint8_t bytes[256], seed[CHAIN_HEADER_MAX + 1] = { 'h' };
	uint8_t room[CHAIN_HEADER_MAX];
	struct chain_bytes rlp;
	struct rlp_out out;
	size_t i;

	memset(bytes, 0x91, sizeof(bytes));
	rlp_begin(&out, room, sizeof(room));
	for (i = 0; i < fields; i++)
		rlp_put(&out, bytes, i == 6 ? sizeof(bytes) : sizes[i]);
	rlp = rlp_end(&out);
	memcpy(seed + 1, rlp.data, rlp.len);
	fuzz_seed(seed, rlp.len + 1);
}

void fuzz_seeds(void)
{
	static const uint8_t twig[] = {
		'p', 0, 3, 0xc2, 0x20, 1, 0, 36, 0xe3, 0x11, 0xa0,
	};
	uint8_t branch[2 * 19 + 32 + 1] = { 'p', 0, 50, 0xf1 };

	seed_header(15);
	seed_header(21);
	memset(branch + 4, 0x80, sizeof(branch) - 4);
	branch[20] = 0xa0;
	fuzz_seed(branch, sizeof(branch));
	fuzz_seed(twig, sizeof(twig));
	fuzz_seed_text("b{\"number\":\"0x1\",\"hash\":\"0x00\"}");
	fuzz_seed_text("b[\"0xc0\",\"0x80\"]");
}
