// SPDX-License-Identifier: MIT
/*
 * A proof shows what is on the chain, and no byte of it can be another
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "../chain/rlp.h"
#include "chain_fixture.h"

typedef void open_fn(struct chain_fixture *f);

static int prove(struct chain_fixture *f)
{
	struct chain_why why = { "" };
	struct chain_account account;
	int err = chain_json_prove(f->answer, f->root, f->address, f->slots,
				   f->nr, &account, &why);

	assert_int_equal(!err, !why.text[0]);
	return err;
}

static void slots_of_a_test_chain_are_proven(void **state)
{
	struct chain_fixture f;
	uint8_t one[32] = { [31] = 1 }, zero[32] = { 0 };

	(void)state;
	chain_open_anvil(&f);
	memset(f.slots[1].value, 7, 32);
	assert_int_equal(prove(&f), 0);
	assert_memory_equal(f.slots[0].value, one, 32);
	assert_memory_equal(f.slots[1].value, zero, 32);
	yyjson_doc_free(f.doc);
}

static void slot_of_ethereum_is_proven(void **state)
{
	struct chain_fixture f;
	uint8_t want[32] = { 0 };

	(void)state;
	chain_open_mainnet(&f);
	chain_hex("43506849d7c04f9138d1a2050bbf3a0c054402dd", want + 12, 20);
	assert_int_equal(prove(&f), 0);
	assert_memory_equal(f.slots[0].value, want, 32);
	yyjson_doc_free(f.doc);
}

static void what_was_not_asked_is_not_proven(void **state)
{
	struct chain_fixture f;

	(void)state;
	chain_open_anvil(&f);
	f.slots[0].key[0] ^= 1;
	assert_int_equal(prove(&f), -EBADMSG);
	f.slots[0].key[0] ^= 1;
	f.address[3] ^= 1;
	assert_int_equal(prove(&f), -EBADMSG);
	f.address[3] ^= 1;
	f.root[31] ^= 1;
	assert_int_equal(prove(&f), -EBADMSG);
	f.root[31] ^= 1;
	f.nr = 1;
	assert_int_equal(prove(&f), -EBADMSG);
	yyjson_doc_free(f.doc);
}

/*
 * Whatever happens to a node is noticed
 */

static int show(const uint8_t *root, struct chain_bytes key,
		const struct chain_bytes *nodes, size_t nr)
{
	struct chain_why why = { "" };
	struct chain_bytes value;
	int err = chain_trie_get(root, key, nodes, nr, &value, &why);

	assert_true(!err || (!value.data && why.text[0]));
	return err;
}

static void spoil(const uint8_t *root, struct chain_bytes key,
		  struct chain_proof *proof)
{
	uint8_t *byte;
	size_t i, j, len;

	assert_int_equal(show(root, key, proof->nodes, proof->nr), 0);
	for (i = 0; i < proof->nr; i++) {
		len = proof->nodes[i].len;
		for (j = 0; j < len; j++) {
			byte = (uint8_t *)proof->nodes[i].data + j;
			*byte ^= 1 << j % 8;
			assert_int_equal(show(root, key, proof->nodes,
					      proof->nr), -EBADMSG);
			*byte ^= 1 << j % 8;
			proof->nodes[i].len = j;
			assert_int_equal(show(root, key, proof->nodes,
					      proof->nr), -EBADMSG);
			proof->nodes[i].len = len;
		}
		/* Proofs that end early, and that go on. */
		assert_int_equal(show(root, key, proof->nodes, i), -EBADMSG);
	}
	proof->nodes[proof->nr] = proof->nodes[proof->nr - 1];
	assert_int_equal(show(root, key, proof->nodes, proof->nr + 1),
			 -EBADMSG);
}

static void spoil_all(open_fn *open)
{
	struct chain_why why = { "" };
	struct chain_fixture f;
	struct chain_account account;
	struct chain_proof proof;
	yyjson_val *list;
	size_t i;

	open(&f);
	list = yyjson_obj_get(f.answer, "accountProof");
	assert_int_equal(chain_json_nodes(list, &proof, &why), 0);
	assert_int_equal(chain_account_prove(f.root, f.address, proof.nodes,
					     proof.nr, &account, &why), 0);
	spoil(f.root, (struct chain_bytes){ f.address, 20 }, &proof);
	chain_proof_clear(&proof);
	for (i = 0; i < f.nr; i++) {
		list = yyjson_obj_get(f.answer, "storageProof");
		list = yyjson_obj_get(yyjson_arr_get(list, i), "proof");
		assert_int_equal(chain_json_nodes(list, &proof, &why), 0);
		spoil(account.storage_root,
		      (struct chain_bytes){ f.slots[i].key, 32 }, &proof);
		chain_proof_clear(&proof);
	}
	yyjson_doc_free(f.doc);
}

static void every_byte_of_a_proof_counts(void **state)
{
	(void)state;
	spoil_all(chain_open_anvil);
	spoil_all(chain_open_mainnet);
}

/*
 * Nodes that are made up: the root is whatever the first one hashes to
 */

static int show_made(const char *hex, const uint8_t *key)
{
	uint8_t node[256], root[CHAIN_HASH];
	struct chain_bytes nodes[1] = { { node, strlen(hex) / 2 } };

	chain_hex(hex, node, nodes[0].len);
	assert_true(chain_keccak(node, nodes[0].len, root));
	return show(root, (struct chain_bytes){ key, 32 }, nodes, 1);
}

static void nodes_have_a_known_form(void **state)
{
	static const uint8_t key[32];
	static const char *const bad[] = {
		"01", "c0", "c101", "c3010203",
		/* A leaf with a path that is too short, none, a list. */
		"c22001", "c28001", "c2c001",
		/* An extension of no length, to nowhere, to half a hash. */
		"c20001", "c21080", "c2200101",
		/* Flags that are not known, and a digit where there is none. */
		"c24001", "c20101", "c2f001",
		/* A branch with a value, and with too many places. */
		"d18080808080808080808080808080808001",
		"d2808080808080808080808080808080808080",
		/* One that names the next by 1 byte. */
		"d10101010101010101010101010101010180",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (show_made(bad[i], key) != -EBADMSG)
			fail_msg("%s is accepted", bad[i]);
	/* An empty branch shows that there is nothing. */
	assert_int_equal(show_made("d18080808080808080808080808080808080",
				   key), 0);
}

/* Each is inside the one before, as long as that is shorter than a hash. */
static void nodes_inside_of_nodes_are_short(void **state)
{
	static const uint8_t key[32];
	uint8_t node[64], root[CHAIN_HASH], path[CHAIN_HASH];
	size_t depth, i, len;

	(void)state;
	assert_true(chain_keccak(key, 32, path));
	for (depth = 0; depth < 12; depth++) {
		struct chain_bytes nodes[1] = { { node, 18 + 2 * depth } };

		for (i = 0; i < depth; i++) {
			node[2 * i] = 0xc0 + 17 + 2 * (depth - i);
			node[2 * i + 1] = 0x10 | (i & 1 ? path[i / 2] & 15 :
						  path[i / 2] >> 4);
		}
		len = 2 * depth;
		node[len++] = 0xc0 + 17;
		memset(node + len, 0x80, 17);
		assert_true(chain_keccak(node, nodes[0].len, root));
		/* The root may be longer than those that are inside. */
		assert_int_equal(show(root, (struct chain_bytes){ key, 32 },
				      nodes, 1), depth < 8 ? 0 : -EBADMSG);
	}
}

static void empty_trie_has_nothing(void **state)
{
	static const uint8_t key[32], byte[] = { 0x80 };
	const struct chain_bytes node = { byte, 1 };
	const struct chain_bytes name = { key, 32 };

	(void)state;
	assert_int_equal(show(chain_empty_root, name, NULL, 0), 0);
	assert_int_equal(show(chain_empty_root, name, &node, 1), 0);
	assert_int_equal(show(key, name, NULL, 0), -EBADMSG);
}

static void rlp_has_one_form(void **state)
{
	static const struct {
		const char *hex;
		bool good;
	} cases[] = {
		{ "00", true }, { "7f", true }, { "80", true },
		{ "8180", true }, { "8100", false }, { "817f", false },
		{ "820000", true }, { "c0", true }, { "c100", true },
		{ "81", false }, { "8201", false }, { "b800", false },
		{ "b801ff", false }, { "b90001ff", false }, { "bf", false },
		{ "f80100", false }, { "f8", false }, { "c1", false },
		{ "bbffffffff", false }, { "ffffffffffffffffff", false },
	};
	uint8_t bytes[16];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct chain_bytes in = { bytes, strlen(cases[i].hex) / 2 };
		struct rlp_item item;

		chain_hex(cases[i].hex, bytes, in.len);
		if (rlp_take(&in, &item) != cases[i].good)
			fail_msg("%s", cases[i].hex);
		assert_true(!cases[i].good || !in.len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_of_a_test_chain_are_proven),
		cmocka_unit_test(slot_of_ethereum_is_proven),
		cmocka_unit_test(what_was_not_asked_is_not_proven),
		cmocka_unit_test(every_byte_of_a_proof_counts),
		cmocka_unit_test(nodes_have_a_known_form),
		cmocka_unit_test(nodes_inside_of_nodes_are_short),
		cmocka_unit_test(empty_trie_has_nothing),
		cmocka_unit_test(rlp_has_one_form),
	};

	return cmocka_run_group_tests_name("chain_proof", tests, NULL, NULL);
}
