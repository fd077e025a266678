/* SPDX-License-Identifier: MIT */
/*
 * Proofs of real chains, and what tests do with them
 *
 * Copyright The dstack for Linux authors
 */
#ifndef CHAIN_FIXTURE_H
#define CHAIN_FIXTURE_H

#include <string.h>

#include "../chain/json.h"
#include "vectors.h"

struct chain_fixture {
	yyjson_doc *doc;
	yyjson_val *answer;		/* of eth_getProof */
	uint8_t root[CHAIN_HASH];
	uint8_t address[CHAIN_ADDRESS];
	struct chain_slot slots[2];
	size_t nr;
};

static inline void chain_hex(const char *text, void *out, size_t len)
{
	assert_true(libdstack_from_hex(text, strlen(text), out, len));
}

static inline void chain_field(yyjson_val *object, const char *name, void *out,
			       size_t len)
{
	assert_true(chain_json_fixed(yyjson_obj_get(object, name), out, len));
}

static inline yyjson_doc *chain_load(const char *name)
{
	struct vector v = vector_load(name);
	yyjson_doc *doc = yyjson_read(v.data, v.len, 0);

	assert_non_null(doc);
	free(v.data);
	return doc;
}

static inline void chain_fill(struct chain_fixture *f)
{
	yyjson_val *list = yyjson_obj_get(f->answer, "storageProof");
	size_t i;

	chain_field(f->answer, "address", f->address, CHAIN_ADDRESS);
	f->nr = yyjson_arr_size(list);
	assert_in_range(f->nr, 1, 2);
	for (i = 0; i < f->nr; i++)
		chain_field(yyjson_arr_get(list, i), "key", f->slots[i].key,
			    32);
}

/* A contract of a test chain: one slot that is 1, one that is not there. */
static inline void chain_open_anvil(struct chain_fixture *f)
{
	yyjson_val *root;

	f->doc = chain_load("eth/anvil/proof.json");
	root = yyjson_doc_get_root(f->doc);
	f->answer = yyjson_obj_get(root, "proof");
	chain_field(yyjson_obj_get(root, "block"), "stateRoot", f->root,
		    CHAIN_HASH);
	chain_fill(f);
}

/* A proxy on Ethereum, and the slot of its implementation. */
static inline void chain_open_mainnet(struct chain_fixture *f)
{
	f->doc = chain_load("eth/mainnet/getProof.json");
	f->answer = yyjson_obj_get(yyjson_doc_get_root(f->doc), "result");
	chain_hex("77b08a7d7026b6d7e3097d293561e8dcfd70a738a2d8936058b3d18b0f97b3ff",
		  f->root, CHAIN_HASH);
	chain_fill(f);
}

#endif /* CHAIN_FIXTURE_H */
