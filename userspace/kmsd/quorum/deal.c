// SPDX-License-Identifier: MIT
/*
 * A new data key, and who gets its shares
 *
 * Copyright The dstack for Linux authors
 *
 * Until the state is under it the old one counts, and whoever keeps a share has
 * that of both.  A deal that came to nothing is forgotten with the next one.
 */
#include "room.h"

#include <errno.h>
#include <openssl/rand.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../../keys/primitives.h"

void peers_tell(const struct quorum_peers *peers, const char *fmt, ...)
{
	char line[LIBDSTACK_MESSAGE_MAX];
	va_list args;

	if (!peers->tell)
		return;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	peers->tell(line);
}

static int begin(const struct quorum_set *current, struct quorum_set *next,
		 struct shares_plan *plan)
{
	memset(next, 0, sizeof(*next));
	memcpy(next->owner, current->owner, sizeof(next->owner));
	if (current->has_key)
		plan->generation = current->own.generation;
	if (plan->generation++ == UINT32_MAX)
		return -EOVERFLOW;
	if (RAND_priv_bytes(next->key, sizeof(next->key)) != 1)
		return -EIO;
	next->has_key = true;
	return 0;
}

static int note_hashes(const struct share *shares, struct quorum_set *next)
{
	int err = 0;
	size_t i;

	next->own = shares[0];
	for (i = 0; !err && i < shares[0].n; i++)
		err = share_hash(&shares[i], next->hashes[i]);
	return err;
}

/* All of them are asked, so that all that is wrong is said at once. */
static int bring(const struct quorum_peers *peers, const struct share *shares,
		 uint32_t in_use, const struct quorum_set *next)
{
	struct quorum_deposit deposit = { .in_use = in_use };
	uint8_t proof[QUORUM_HASH_SIZE];
	const struct part part = { proof, sizeof(proof) };
	int one, err = set_proof(next, proof);
	size_t i;

	memcpy(deposit.owner, next->owner, sizeof(deposit.owner));
	err = err ?: hash_parts(HASH_SHA256, &part, 1, deposit.check);
	explicit_bzero(proof, sizeof(proof));
	if (err)
		return err;
	for (i = 0; i < peers->nr; i++) {
		deposit.share = &shares[i + 1];
		one = peers->keep(peers->arg, i, &deposit);
		err = err ? err : one;
	}
	return err;
}

int deal(const struct quorum_peers *peers, uint8_t k,
	 const struct quorum_set *current, struct quorum_set *next)
{
	struct shares_plan plan = { .k = k, .n = peers->nr + 1 };
	const char *why = "there is no next generation, or no randomness";
	void *memory = NULL;
	int err;

	if (!peers->nr || peers->nr > QUORUM_PEERS_MAX)
		return -EINVAL;
	err = begin(current, next, &plan) ?:
		libdstack_secret_alloc(SHARES_MAX * sizeof(struct share),
				       &memory);
	if (!err)
		err = shares_split(&plan, next->key, sizeof(next->key), memory,
				   &why);
	if (err)
		peers_tell(peers, "the state can't be shared out: %s", why);
	else
		err = note_hashes(memory, next) ?:
			bring(peers, memory, plan.generation - 1, next);
	libdstack_secret_free(memory, SHARES_MAX * sizeof(struct share));
	return err;
}

size_t deal_settle(const struct quorum_peers *peers,
		   const struct quorum_set *set)
{
	struct quorum_deposit deposit = { .in_use = set->own.generation };
	size_t i, left = 0;

	memcpy(deposit.owner, set->owner, sizeof(deposit.owner));
	for (i = 0; i < peers->nr; i++)
		left += peers->keep(peers->arg, i, &deposit) != 0;
	if (left)
		peers_tell(peers, "%zu of %zu KMSs have not been told that shares before generation %u are of no use: they are told at the next start, or deal",
			   left, peers->nr, set->own.generation);
	return left;
}
