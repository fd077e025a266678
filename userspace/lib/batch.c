// SPDX-License-Identifier: MIT
/*
 * Report data of many containers in one quote
 *
 * Copyright The dstack for Linux authors
 */
#include "lib.h"

#include <assert.h>
#include <errno.h>
#include <libdstack_batch.h>
#include <stdlib.h>
#include <string.h>

#include "merkle.h"
#include "pure.h"

/* What a leaf begins with: no leaf of a policy's tree does. */
#define LEAF_KIND	'B'
#define TAG_SIZE	sizeof(LIBDSTACK_BATCH_TAG)

static_assert(sizeof(DSTACK_BOUND_TAG) == DSTACK_BOUND_TAG_SIZE,
	      "the kernel's tag");
static_assert(DSTACK_BOUND_TAG_SIZE + DSTACK_REGISTER_SIZE ==
	      DSTACK_REPORT_DATA_SIZE, "tag and hash");
static_assert(TAG_SIZE + 2 * sizeof(__le64) + MERKLE_HASH ==
	      DSTACK_REPORT_DATA_SIZE, "tag, zeros and root");
static_assert(1 << LIBDSTACK_BATCH_DEPTH == LIBDSTACK_BATCH_MAX, "a path");
static_assert(1 + 1 + DSTACK_ID_SIZE - 1 + LIBDSTACK_BATCH_SALT +
	      DSTACK_REPORT_DATA_SIZE <= LIBDSTACK_LEAF_MAX, "a leaf");

int libdstack_bound_report_data(const uint8_t nonce[DSTACK_REPORT_DATA_SIZE],
				const char *id,
				const struct dstack_digest *program,
				uint64_t epoch,
				uint8_t out[DSTACK_REPORT_DATA_SIZE])
{
	__le32 id_len = cpu_to_le32(strlen(id));
	__le32 alg = cpu_to_le32(program->alg);
	__le64 number = cpu_to_le64(epoch);
	const struct dstack_bytes parts[] = {
		{ DSTACK_BOUND_TAG, DSTACK_BOUND_TAG_SIZE },
		{ nonce, DSTACK_REPORT_DATA_SIZE },
		{ &id_len, sizeof(id_len) }, { id, strlen(id) },
		{ &alg, sizeof(alg) },
		{ program->value, sizeof(program->value) },
		{ &number, sizeof(number) },
	};

	memcpy(out, DSTACK_BOUND_TAG, DSTACK_BOUND_TAG_SIZE);
	return dstack_sha384(parts, ARRAY_SIZE(parts),
			     out + DSTACK_BOUND_TAG_SIZE);
}

/* Of two that are not the same, no two leaves are. */
static size_t leaf_of(const struct libdstack_batch *part,
		      uint8_t leaf[LIBDSTACK_LEAF_MAX])
{
	size_t len = strnlen(part->id, sizeof(part->id) - 1);
	uint8_t *at = leaf;

	*at++ = LEAF_KIND;
	*at++ = len;
	at = mempcpy(at, part->id, len);
	at = mempcpy(at, part->salt, sizeof(part->salt));
	at = mempcpy(at, part->report_data, sizeof(part->report_data));
	return at - leaf;
}

static void nonce_of(const uint8_t root[MERKLE_HASH],
		     uint8_t nonce[DSTACK_REPORT_DATA_SIZE])
{
	memset(nonce, 0, DSTACK_REPORT_DATA_SIZE);
	memcpy(nonce, LIBDSTACK_BATCH_TAG, TAG_SIZE);
	memcpy(nonce + DSTACK_REPORT_DATA_SIZE - MERKLE_HASH, root,
	       MERKLE_HASH);
}

struct batch {
	struct libdstack_batch *parts;
	size_t count;
	unsigned int level;
};

/* To each part its neighbour's hash, if it has one on this level. */
static void add_neighbours(void *arg, const uint8_t *hashes, uint64_t nr)
{
	struct batch *batch = arg;
	struct libdstack_batch *part;
	uint64_t i, at;

	for (i = 0; i < batch->count; i++) {
		part = &batch->parts[i];
		at = (i >> batch->level) ^ 1;
		if (at < nr)
			memcpy(part->path[part->nr++],
			       hashes + at * MERKLE_HASH, MERKLE_HASH);
	}
	batch->level++;
}

int libdstack_batch_make(struct libdstack_batch *parts, size_t count,
			 uint8_t nonce[DSTACK_REPORT_DATA_SIZE])
{
	struct batch batch = { .parts = parts, .count = count };
	uint8_t leaf[LIBDSTACK_LEAF_MAX], root[MERKLE_HASH];
	uint8_t (*hashes)[MERKLE_HASH];
	size_t i, len;
	int err = 0;

	if (!count || count > LIBDSTACK_BATCH_MAX)
		return -EINVAL;
	hashes = calloc(count, MERKLE_HASH);
	if (!hashes)
		return -ENOMEM;
	for (i = 0; !err && i < count; i++) {
		parts[i].index = i;
		parts[i].count = count;
		parts[i].nr = 0;
		len = leaf_of(&parts[i], leaf);
		err = merkle_leaf(leaf, len, hashes[i]);
	}
	if (!err)
		err = merkle_root(hashes[0], count, add_neighbours, &batch,
				  root);
	if (!err)
		nonce_of(root, nonce);
	free(hashes);
	return err;
}

int libdstack_batch_report_data(const struct libdstack_batch *part,
				uint8_t out[DSTACK_REPORT_DATA_SIZE])
{
	struct libdstack_proof proof = {
		.index = part->index, .count = part->count, .nr = part->nr,
	};
	uint8_t root[MERKLE_HASH], nonce[DSTACK_REPORT_DATA_SIZE];
	int err;

	if (part->nr > LIBDSTACK_BATCH_DEPTH ||
	    part->count > LIBDSTACK_BATCH_MAX)
		return -EBADMSG;
	proof.leaf_len = leaf_of(part, proof.leaf);
	memcpy(proof.path, part->path, part->nr * MERKLE_HASH);
	err = merkle_climb(&proof, root);
	if (err)
		return err;
	nonce_of(root, nonce);
	return libdstack_bound_report_data(nonce, DSTACK_HOST_ID,
					   &part->program, part->epoch, out);
}
