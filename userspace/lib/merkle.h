/* SPDX-License-Identifier: MIT */
/*
 * Merkle trees: of policies, and of report data that share a quote
 *
 * Copyright The dstack for Linux authors
 *
 * What is hashed for a leaf, a node and the root begins with different bytes,
 * so that none can pass for another; the root has the number of leaves in it,
 * so that a leaf has one index.  Functions return 0 or -errno.
 */
#ifndef DSTACK_LIB_MERKLE_H
#define DSTACK_LIB_MERKLE_H

#include <libdstack.h>

#define MERKLE_HASH	DSTACK_DIGEST_SIZE

/* @len: at most LIBDSTACK_LEAF_MAX. */
int merkle_leaf(const void *data, size_t len, uint8_t hash[MERKLE_HASH]);

/*
 * Called with each level, @nr hashes side by side, from the leaves on, but not
 * the top.
 */
typedef void (*merkle_level_fn)(void *arg, const uint8_t *hashes, uint64_t nr);

/*
 * The hashes of @count leaves, at least one, side by side, are used up.  @fn
 * may be NULL.
 */
int merkle_root(uint8_t *hashes, uint64_t count, merkle_level_fn fn, void *arg,
		uint8_t root[MERKLE_HASH]);
/* The root of the tree that @proof is of: -EBADMSG if it is of none. */
int merkle_climb(const struct libdstack_proof *proof,
		 uint8_t root[MERKLE_HASH]);

#endif /* DSTACK_LIB_MERKLE_H */
