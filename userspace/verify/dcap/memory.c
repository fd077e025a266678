// SPDX-License-Identifier: MIT
/*
 * Collateral for many quotes, in memory
 *
 * Copyright The dstack for Linux authors
 *
 * An entry is found by what a quote claims, which costs no signature.  Only
 * cache.c puts something there, and it wants to see a platform of the root.
 * What a text claims is always the same, so texts that came of late are not
 * read again: whoever sends many makes others' be read, and no more.
 */
#include "source.h"

#include <errno.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define CLAIMS_MAX	64

/* What the certificates of a quote say; the key's tdx is the quote's. */
struct claim {
	uint8_t chain[SHA256_DIGEST_LENGTH];
	struct dcap_key key;
};

struct kind {
	TAILQ_ENTRY(kind) link;
	struct dcap_key key;
	struct libdstack_collateral *kept;	/* NULL: none was found yet */
	time_t asked;
	bool asking;			/* one thread is about it */
	int err;			/* of the last answer */
	struct libdstack_failure failure;
	unsigned int users;		/* threads that have this pointer */
};

TAILQ_HEAD(kinds, kind);

struct libdstack_collateral_memory {
	const struct libdstack_collateral_source *source;
	pthread_mutex_t lock;		/* of all that follows */
	pthread_cond_t answered;
	struct kinds kinds;		/* the last one that was used first */
	size_t nr;
	struct claim claims[CLAIMS_MAX];
	size_t nr_claims, next_claim;	/* the one that makes room */
};

int
libdstack_collateral_memory_open(const struct libdstack_collateral_source *src,
				 struct libdstack_collateral_memory **out)
{
	struct libdstack_collateral_memory *memory;

	memory = calloc(1, sizeof(*memory));
	if (!memory)
		return -ENOMEM;
	memory->source = src;
	pthread_mutex_init(&memory->lock, NULL);
	pthread_cond_init(&memory->answered, NULL);
	TAILQ_INIT(&memory->kinds);
	*out = memory;
	return 0;
}

static void forget(struct libdstack_collateral_memory *memory,
		   struct kind *kind)
{
	TAILQ_REMOVE(&memory->kinds, kind, link);
	memory->nr--;
	libdstack_collateral_free(kind->kept);
	free(kind);
}

void
libdstack_collateral_memory_close(struct libdstack_collateral_memory *memory)
{
	struct kind *kind, *next;

	if (!memory)
		return;
	for (kind = TAILQ_FIRST(&memory->kinds); kind; kind = next) {
		next = TAILQ_NEXT(kind, link);
		libdstack_collateral_free(kind->kept);
		free(kind);
	}
	pthread_cond_destroy(&memory->answered);
	pthread_mutex_destroy(&memory->lock);
	free(memory);
}

static bool is_same(const struct dcap_key *a, const struct dcap_key *b)
{
	return a->tdx == b->tdx && a->processor == b->processor &&
		!memcmp(a->fmspc, b->fmspc, sizeof(a->fmspc));
}

/* Makes room, unless all are in use: then there is one more for a while. */
static void make_room(struct libdstack_collateral_memory *memory)
{
	struct kind *kind;

	if (memory->nr < LIBDSTACK_COLLATERAL_KINDS)
		return;
	TAILQ_FOREACH_REVERSE(kind, &memory->kinds, kinds, link)
		if (!kind->users) {
			forget(memory, kind);
			return;
		}
}

/* The entry of @key, in use; NULL: no memory. */
static struct kind *use(struct libdstack_collateral_memory *memory,
			const struct dcap_key *key)
{
	struct kind *kind;

	TAILQ_FOREACH(kind, &memory->kinds, link)
		if (is_same(&kind->key, key))
			break;
	if (kind) {
		TAILQ_REMOVE(&memory->kinds, kind, link);
	} else {
		make_room(memory);
		kind = calloc(1, sizeof(*kind));
		if (!kind)
			return NULL;
		kind->key = *key;
		memory->nr++;
	}
	TAILQ_INSERT_HEAD(&memory->kinds, kind, link);
	kind->users++;
	return kind;
}

/* What nobody found anything for is not kept: whoever asks names it. */
static void unuse(struct libdstack_collateral_memory *memory,
		  struct kind *kind)
{
	if (!--kind->users && !kind->kept)
		forget(memory, kind);
}

static bool is_valid(const struct kind *kind, time_t now)
{
	const struct dcap_window *window;

	if (!kind->kept)
		return false;
	window = &kind->kept->trust->window;
	return now >= window->from && now <= window->to;
}

static bool is_due(const struct kind *kind, time_t now)
{
	return now < kind->asked ||
		now - kind->asked >= LIBDSTACK_COLLATERAL_ASK_S;
}

/* Without the lock, which it has before and behind it. */
static void ask(struct libdstack_collateral_memory *memory, struct kind *kind,
		const void *quote, size_t len, time_t now)
{
	struct libdstack_collateral *found = NULL;

	kind->asking = true;
	pthread_mutex_unlock(&memory->lock);
	kind->err = libdstack_collateral_get(memory->source, quote, len, now,
					     &found, &kind->failure);
	pthread_mutex_lock(&memory->lock);
	kind->asking = false;
	/* A source that fails is not asked for each quote. */
	kind->asked = now;
	pthread_cond_broadcast(&memory->answered);
	if (kind->err)
		return;
	libdstack_collateral_free(kind->kept);
	kind->kept = found;
}

static int find(struct libdstack_collateral_memory *memory, struct kind *kind,
		const void *quote, size_t len, time_t now,
		struct libdstack_failure *failure)
{
	bool waited = false;

	while (kind->asking && !is_valid(kind, now)) {
		pthread_cond_wait(&memory->answered, &memory->lock);
		waited = true;
	}
	/* Who has waited takes what came of it, good or bad. */
	if (!waited && !kind->asking &&
	    (!is_valid(kind, now) || is_due(kind, now)))
		ask(memory, kind, quote, len, now);
	if (is_valid(kind, now))
		return 0;
	*failure = kind->failure;
	return kind->err ? kind->err :
		verify_fail(failure, REASON(UNAVAILABLE),
			    "what was found is not of this time");
}

static const struct claim *
find_claim(const struct libdstack_collateral_memory *memory,
	   const uint8_t chain[SHA256_DIGEST_LENGTH])
{
	size_t i;

	for (i = 0; i < memory->nr_claims; i++)
		if (!memcmp(memory->claims[i].chain, chain,
			    SHA256_DIGEST_LENGTH))
			return &memory->claims[i];
	return NULL;
}

static bool recall(struct libdstack_collateral_memory *memory,
		   const uint8_t chain[SHA256_DIGEST_LENGTH],
		   struct dcap_key *key)
{
	const struct claim *claim;

	pthread_mutex_lock(&memory->lock);
	claim = find_claim(memory, chain);
	if (claim)
		*key = claim->key;
	pthread_mutex_unlock(&memory->lock);
	return claim;
}

static void remember(struct libdstack_collateral_memory *memory,
		     const uint8_t chain[SHA256_DIGEST_LENGTH],
		     const struct dcap_key *key)
{
	struct claim *claim;

	pthread_mutex_lock(&memory->lock);
	claim = &memory->claims[memory->next_claim];
	memory->next_claim = (memory->next_claim + 1) % CLAIMS_MAX;
	if (memory->nr_claims < CLAIMS_MAX)
		memory->nr_claims++;
	memcpy(claim->chain, chain, sizeof(claim->chain));
	claim->key = *key;
	pthread_mutex_unlock(&memory->lock);
}

static int read_claim(struct libdstack_collateral_memory *memory,
		      const void *data, size_t len, struct dcap_key *key,
		      struct libdstack_failure *failure)
{
	uint8_t chain[SHA256_DIGEST_LENGTH];
	struct dcap_quote quote;
	const char *why;
	int err;

	/* One that is malformed fails below, with what is wrong. */
	if (dcap_quote_parse(data, len, &quote, &why))
		return dcap_key_claimed(data, len, key, failure);
	SHA256((const uint8_t *)quote.chain, quote.chain_len, chain);
	if (recall(memory, chain, key)) {
		key->tdx = quote.body_type != DCAP_BODY_SGX;
		return 0;
	}
	err = dcap_key_claimed(data, len, key, failure);
	if (!err)
		remember(memory, chain, key);
	return err;
}

int libdstack_collateral_find(struct libdstack_collateral_memory *memory,
			      const void *quote, size_t len, time_t now,
			      struct libdstack_collateral **collateral,
			      struct libdstack_failure *failure)
{
	struct dcap_key key = { 0 };
	struct kind *kind;
	int err;

	err = read_claim(memory, quote, len, &key, failure);
	if (err)
		return err;
	verify_step(failure, "collateral");
	pthread_mutex_lock(&memory->lock);
	kind = use(memory, &key);
	if (!kind) {
		err = verify_fail(failure, REASON(MEMORY), "out of memory");
	} else {
		err = find(memory, kind, quote, len, now, failure);
		if (!err)
			*collateral = dcap_collateral_share(kind->kept);
		unuse(memory, kind);
	}
	pthread_mutex_unlock(&memory->lock);
	return err;
}
