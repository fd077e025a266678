// SPDX-License-Identifier: MIT
/*
 * The data key again, of shares that others give
 *
 * Copyright The dstack for Linux authors
 *
 * Who is down, lies, or has a share of another generation is named, and the
 * next one is asked.  There is no end to it while there are too few: nothing
 * else can be done here, and the others may yet come.
 */
#include "room.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>

#define WAIT_FIRST_S	1
#define WAIT_MAX_S	60

struct gathering {
	const struct quorum_peers *peers;
	struct quorum_set *set;
	struct quorum_claim claim;
	size_t nr;			/* of shares, the own one first */
	struct share shares[SHARES_MAX];
	uint8_t secret[SHARES_SECRET_MAX];
};

static bool is_had(const struct gathering *all, const struct share *share)
{
	size_t i;

	for (i = 0; i < all->nr; i++)
		if (all->shares[i].x == share->x)
			return true;
	return false;
}

/* Why it is none of the others; NULL: it is. */
static const char *judge(const struct gathering *all,
			 const struct share *share)
{
	uint8_t hash[QUORUM_HASH_SIZE];

	if (share->generation != all->set->own.generation)
		return "gave a share of another generation";
	if (!share->x || share->x > all->set->own.n ||
	    share_hash(share, hash) ||
	    CRYPTO_memcmp(hash, all->set->hashes[share->x - 1],
			  sizeof(hash)) != 0)
		return "gave what is not the share that was brought to it";
	if (is_had(all, share))
		return "gave a share that another one gave already";
	return NULL;
}

static void ask(struct gathering *all, size_t i, bool *had)
{
	const struct quorum_peers *peers = all->peers;
	struct share *share = &all->shares[all->nr];
	const char *why;

	if (*had || peers->give(peers->arg, i, &all->claim, share))
		return;
	why = judge(all, share);
	if (why) {
		peers_tell(peers, "KMS '%s' %s", peers->name(peers->arg, i),
			   why);
		return;
	}
	*had = true;
	all->nr++;
}

static int combine(struct gathering *all)
{
	const struct share *list[SHARES_MAX];
	const char *why;
	size_t i, len;
	int err;

	for (i = 0; i < all->nr; i++)
		list[i] = &all->shares[i];
	err = shares_combine(list, all->nr, all->set->own.generation,
			     all->secret, &len, &why);
	if (!err && len != QUORUM_KEY_SIZE) {
		why = "they are not of a key";
		err = -EBADMSG;
	}
	if (err) {
		peers_tell(all->peers, "the shares do not give the key of the state: %s",
			   why);
		return err;
	}
	memcpy(all->set->key, all->secret, sizeof(all->set->key));
	all->set->has_key = true;
	return 0;
}

static int run(struct gathering *all)
{
	const struct quorum_peers *peers = all->peers;
	bool had[QUORUM_PEERS_MAX] = { false };
	unsigned int wait = WAIT_FIRST_S;
	uint8_t k = all->set->own.k;
	size_t i;

	for (;;) {
		for (i = 0; i < peers->nr && all->nr < k; i++)
			ask(all, i, &had[i]);
		if (all->nr >= k)
			return combine(all);
		peers_tell(peers, "the state takes %u shares and there are %zu: the KMSs above have to give theirs; they are asked again in %u s",
			   k, all->nr, wait);
		if (!peers->wait(peers->arg, wait))
			return -ECANCELED;
		wait = wait < WAIT_MAX_S / 2 ? 2 * wait : WAIT_MAX_S;
	}
}

int gather(const struct quorum_peers *peers, struct quorum_set *set)
{
	struct gathering *all;
	void *memory;
	int err;

	if (peers->nr > QUORUM_PEERS_MAX)
		return -EINVAL;
	err = libdstack_secret_alloc(sizeof(*all), &memory);
	if (err)
		return err;
	all = memory;
	all->peers = peers;
	all->set = set;
	all->shares[all->nr++] = set->own;
	all->claim.generation = set->own.generation;
	memcpy(all->claim.owner, set->owner, sizeof(set->owner));
	err = set_proof(set, all->claim.proof) ?: run(all);
	libdstack_secret_free(memory, sizeof(*all));
	return err;
}
