// SPDX-License-Identifier: MIT
/*
 * What was proven at a block, so that it is not asked for again
 *
 * Copyright The dstack for Linux authors
 *
 * Machines that boot at the same time ask about the same contracts.  What is
 * proven of a block stays true of it; with the next block all of it is gone.
 */
#include "chain_room.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

struct proof {
	uint8_t question[32];
	struct chain_account account;
	uint8_t (*values)[32];
};

struct proofs {
	pthread_mutex_t lock;
	uint8_t block[CHAIN_HASH];
	size_t nr, next;		/* in use; to be replaced */
	struct proof kept[PROOFS_MAX];
};

struct proofs *proofs_new(void)
{
	struct proofs *proofs = calloc(1, sizeof(*proofs));

	if (proofs)
		pthread_mutex_init(&proofs->lock, NULL);
	return proofs;
}

static void forget(struct proofs *proofs)
{
	size_t i;

	for (i = 0; i < proofs->nr; i++)
		free(proofs->kept[i].values);
	proofs->nr = 0;
	proofs->next = 0;
}

void proofs_free(struct proofs *proofs)
{
	if (!proofs)
		return;
	forget(proofs);
	pthread_mutex_destroy(&proofs->lock);
	free(proofs);
}

/* Where and which slots; their number follows from the length. */
static bool name_question(const uint8_t *address,
			  const struct chain_slot *slots, size_t nr,
			  uint8_t out[32])
{
	uint8_t text[CHAIN_ADDRESS + 32 * CHAIN_SLOTS_MAX];
	size_t i;

	if (nr > CHAIN_SLOTS_MAX)
		return false;
	memcpy(text, address, CHAIN_ADDRESS);
	for (i = 0; i < nr; i++)
		memcpy(text + CHAIN_ADDRESS + 32 * i, slots[i].key, 32);
	return EVP_Digest(text, CHAIN_ADDRESS + 32 * nr, out, NULL,
			  EVP_sha256(), NULL) == 1;
}

static bool recall(struct proofs *proofs, const uint8_t *block,
		   const uint8_t *question, struct chain_slot *slots,
		   size_t nr, struct chain_account *account)
{
	const struct proof *proof;
	bool found = false;
	size_t i, j;

	pthread_mutex_lock(&proofs->lock);
	if (memcmp(proofs->block, block, CHAIN_HASH))
		goto out;
	for (i = 0; i < proofs->nr && !found; i++) {
		proof = &proofs->kept[i];
		if (memcmp(proof->question, question, 32))
			continue;
		*account = proof->account;
		for (j = 0; j < nr; j++)
			memcpy(slots[j].value, proof->values[j], 32);
		found = true;
	}
out:
	pthread_mutex_unlock(&proofs->lock);
	return found;
}

static void keep(struct proofs *proofs, const uint8_t *block,
		 const uint8_t *question, const struct chain_slot *slots,
		 size_t nr, const struct chain_account *account)
{
	uint8_t (*values)[32] = calloc(nr + 1, sizeof(*values));
	struct proof *proof;
	size_t i;

	if (!values)
		return;
	for (i = 0; i < nr; i++)
		memcpy(values[i], slots[i].value, 32);
	pthread_mutex_lock(&proofs->lock);
	if (memcmp(proofs->block, block, CHAIN_HASH)) {
		forget(proofs);
		memcpy(proofs->block, block, CHAIN_HASH);
	}
	proof = &proofs->kept[proofs->next];
	if (proofs->next == proofs->nr)
		proofs->nr++;
	else
		free(proof->values);
	proofs->next = (proofs->next + 1) % PROOFS_MAX;
	memcpy(proof->question, question, 32);
	proof->account = *account;
	proof->values = values;
	pthread_mutex_unlock(&proofs->lock);
}

int proofs_prove(void *arg, const uint8_t address[CHAIN_ADDRESS],
		 struct chain_slot *slots, size_t nr,
		 struct chain_account *account, struct chain_why *why)
{
	struct proofs_view *view = arg;
	uint8_t question[32];
	const uint8_t *block = view->chain.header.hash;
	int err;

	if (!name_question(address, slots, nr, question))
		return chain_view_prove(&view->chain, address, slots, nr,
					account, why);
	if (recall(view->proofs, block, question, slots, nr, account))
		return 0;
	err = chain_view_prove(&view->chain, address, slots, nr, account,
			       why);
	if (!err)
		keep(view->proofs, block, question, slots, nr, account);
	return err;
}
