// SPDX-License-Identifier: MIT
/*
 * Merkle trees: of policies, and of report data that share a quote
 *
 * Copyright The dstack for Linux authors
 */
#include "merkle.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "pure.h"

enum { AS_LEAF, AS_NODE, AS_ROOT };

static int hash(uint8_t as, const void *data, size_t len,
		uint8_t out[MERKLE_HASH])
{
	uint8_t text[1 + LIBDSTACK_LEAF_MAX];

	text[0] = as;
	memcpy(text + 1, data, len);
	return EVP_Digest(text, 1 + len, out, NULL, EVP_sha256(), NULL) ?
		0 : -ENOMEM;
}

int merkle_leaf(const void *data, size_t len, uint8_t out[MERKLE_HASH])
{
	return hash(AS_LEAF, data, len, out);
}

static int hash_node(const uint8_t left[MERKLE_HASH],
		     const uint8_t right[MERKLE_HASH],
		     uint8_t out[MERKLE_HASH])
{
	uint8_t both[2 * MERKLE_HASH];

	memcpy(both, left, MERKLE_HASH);
	memcpy(both + MERKLE_HASH, right, MERKLE_HASH);
	return hash(AS_NODE, both, sizeof(both), out);
}

static int hash_root(uint64_t count, const uint8_t top[MERKLE_HASH],
		     uint8_t out[MERKLE_HASH])
{
	uint8_t text[sizeof(__le64) + MERKLE_HASH];
	__le64 number = cpu_to_le64(count);

	memcpy(text, &number, sizeof(number));
	memcpy(text + sizeof(number), top, MERKLE_HASH);
	return hash(AS_ROOT, text, sizeof(text), out);
}

/*
 * Level by level, in place.  A last hash that has no neighbour goes up as it is
 * and never twice: a tree of one leaf more is another tree.
 */
int merkle_root(uint8_t *hashes, uint64_t count, merkle_level_fn fn, void *arg,
		uint8_t root[MERKLE_HASH])
{
	uint64_t i, nr = count;
	int err = 0;

	for (; !err && nr > 1; nr = (nr + 1) / 2) {
		if (fn)
			fn(arg, hashes, nr);
		for (i = 0; !err && i + 1 < nr; i += 2)
			err = hash_node(hashes + i * MERKLE_HASH,
					hashes + (i + 1) * MERKLE_HASH,
					hashes + i / 2 * MERKLE_HASH);
		if (nr % 2)
			memmove(hashes + nr / 2 * MERKLE_HASH,
				hashes + (nr - 1) * MERKLE_HASH, MERKLE_HASH);
	}
	return err ?: hash_root(count, hashes, root);
}

int merkle_climb(const struct libdstack_proof *proof,
		 uint8_t root[MERKLE_HASH])
{
	uint64_t index = proof->index, nr = proof->count;
	uint8_t value[MERKLE_HASH];
	size_t used = 0;
	int err;

	if (index >= nr || proof->leaf_len > sizeof(proof->leaf) ||
	    proof->nr > LIBDSTACK_PROOF_MAX)
		return -EBADMSG;
	err = merkle_leaf(proof->leaf, proof->leaf_len, value);
	for (; !err && nr > 1; nr = nr / 2 + nr % 2, index /= 2) {
		if ((index ^ 1) >= nr)
			continue;
		if (used == proof->nr)
			return -EBADMSG;
		err = index % 2 ?
			hash_node(proof->path[used], value, value) :
			hash_node(value, proof->path[used], value);
		used++;
	}
	if (!err && used != proof->nr)
		err = -EBADMSG;
	return err ?: hash_root(proof->count, value, root);
}
