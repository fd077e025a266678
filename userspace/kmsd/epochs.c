// SPDX-License-Identifier: MIT
/*
 * Roots that are ready to issue, and which of them live
 *
 * Copyright The dstack for Linux authors
 *
 * An epoch that the state has as retired is gone.  Of the others the contract
 * says which live, if it is one that knows epochs; else all do.
 */
#include "epochs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../daemon/daemon.h"

#define WRITER_FIRST	PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP

/*
 * Made ready
 */

static void take_roots(struct issue_roots *roots, const struct key_epoch *epoch)
{
	memcpy(roots->ca, epoch->ca, sizeof(roots->ca));
	memcpy(roots->k256, epoch->k256, sizeof(roots->k256));
	memcpy(roots->temp_ca, epoch->temp_ca, sizeof(roots->temp_ca));
}

/* What is due is made anew: of the same key. */
static int open_issue(const struct key_epoch *epoch, time_t now,
		      struct issue **issue)
{
	const char *certs[__ISSUE_CA_MAX] = {
		[ISSUE_ROOT_CA] = epoch->ca_cert,
		[ISSUE_TEMP_CA] = epoch->temp_ca_cert,
	};
	struct issue_roots roots;
	const char *why = "no memory";
	bool again = false;
	int err, i;

	take_roots(&roots, epoch);
	err = issue_open(&roots, certs, now, issue, &why);
	for (i = 0; !err && i < __ISSUE_CA_MAX; i++)
		if (issue_cert_is_due(*issue, i, now)) {
			certs[i] = NULL;
			again = true;
		}
	if (again) {
		issue_close(*issue);
		err = issue_open(&roots, certs, now, issue, &why);
	}
	issue_roots_wipe(&roots);
	if (err)
		msg("roots of epoch %llu: %s",
		    (unsigned long long)epoch->number, why);
	return err;
}

static int keep_certs(struct state *state, const struct key_epoch *epoch,
		      const struct issue *issue)
{
	const char *ca = issue_cert(issue, ISSUE_ROOT_CA);
	const char *temp_ca = issue_cert(issue, ISSUE_TEMP_CA);

	if (!strcmp(ca, epoch->ca_cert) &&
	    !strcmp(temp_ca, epoch->temp_ca_cert))
		return 0;
	return state_set_certs(state, epoch->number, ca, temp_ca);
}

static int take_public(const struct key_epoch *epoch, struct ready *ready)
{
	struct issue_public *public = &ready->public;

	memcpy(public->k256, epoch->k256_public, sizeof(public->k256));
	ready->succession_len = epoch->succession_len;
	memcpy(ready->succession, epoch->succession, epoch->succession_len);
	return key_epoch_ca(epoch, public->ca);
}

int epochs_add(struct epochs *epochs, const struct key_epoch *epoch, time_t now)
{
	struct ready ready = { .number = epoch->number };
	int err = take_public(epoch, &ready);

	if (!err && !epoch->retired)
		err = open_issue(epoch, now, &ready.issue);
	if (!err && ready.issue)
		err = keep_certs(epochs->state, epoch, ready.issue);
	if (err) {
		issue_close(ready.issue);
		return err;
	}
	pthread_rwlock_wrlock(&epochs->lock);
	epochs->ready[epochs->nr++] = ready;
	pthread_rwlock_unlock(&epochs->lock);
	return 0;
}

/* Who changes something is let in, however many issue meanwhile. */
static void init_locks(struct epochs *epochs)
{
	pthread_rwlockattr_t attr;

	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, WRITER_FIRST);
	pthread_rwlock_init(&epochs->lock, &attr);
	pthread_rwlockattr_destroy(&attr);
	pthread_mutex_init(&epochs->change, NULL);
}

int epochs_open(struct state *state, time_t now, struct epochs **out)
{
	struct epochs *epochs = calloc(1, sizeof(*epochs));
	void *memory;
	size_t i;
	int err;

	if (!epochs)
		return -ENOMEM;
	epochs->state = state;
	init_locks(epochs);
	err = libdstack_secret_alloc(sizeof(struct key_epoch), &memory);
	for (i = 0; !err && i < state_count(state); i++) {
		state_get_epoch(state, i, memory);
		err = epochs_add(epochs, memory, now);
	}
	libdstack_secret_free(memory, sizeof(struct key_epoch));
	if (err)
		epochs_close(epochs);
	else
		*out = epochs;
	return err;
}

void epochs_close(struct epochs *epochs)
{
	if (!epochs)
		return;
	while (epochs->nr)
		issue_close(epochs->ready[--epochs->nr].issue);
	pthread_rwlock_destroy(&epochs->lock);
	pthread_mutex_destroy(&epochs->change);
	free(epochs);
}

/*
 * Which of them live
 */

void epochs_limit(struct epochs *epochs, const struct auth_verdict *verdict)
{
	if (!epochs || !verdict->kms_keys.known)
		return;
	pthread_rwlock_wrlock(&epochs->lock);
	/* Who asked earlier may be late with what it was told. */
	if (!epochs->limits.known ||
	    verdict->block.number >= epochs->block.number) {
		epochs->limits = verdict->kms_keys;
		epochs->block = verdict->block;
	}
	pthread_rwlock_unlock(&epochs->lock);
}

enum epoch_life epoch_life(const struct epochs *epochs,
			   const struct ready *ready)
{
	const struct chain_epochs *limits = &epochs->limits;

	if (!ready->issue)
		return EPOCH_RETIRED;
	if (!limits->known)
		return EPOCH_LIVES;
	if (ready->number < limits->first_live)
		return EPOCH_REVOKED;
	if (chain_epoch_lives(limits, ready->number, epochs->block.time))
		return EPOCH_LIVES;
	return ready->number > limits->current ? EPOCH_EARLY : EPOCH_ENDED;
}

static int refuse(const struct epochs *epochs, const struct ready *ready,
		  uint64_t floor, struct rpc_error *error)
{
	unsigned long long number = ready->number;
	unsigned long long current = epochs->limits.current;

	switch (epoch_life(epochs, ready)) {
	case EPOCH_RETIRED:
		return rpc_fail(error, -EKEYREVOKED, "key epoch %llu is retired",
				number);
	case EPOCH_REVOKED:
		return rpc_fail(error, -EKEYREVOKED, "key epoch %llu is revoked by the KMS's contract",
				number);
	case EPOCH_ENDED:
		return rpc_fail(error, -EKEYREVOKED, "key epoch %llu has ended: the KMS's contract is at %llu",
				number, current);
	case EPOCH_EARLY:
		return rpc_fail(error, -EACCES, "key epoch %llu has not started: the KMS's contract is at %llu",
				number, current);
	default:
		break;
	}
	return number >= floor ? 0 :
		rpc_fail(error, -EKEYREVOKED, "key epoch %llu is revoked by the application's contract",
			 number);
}

/* With the lock.  NULL: there is no such epoch. */
static const struct ready *find(const struct epochs *epochs, uint64_t number)
{
	size_t i;

	for (i = 0; i < epochs->nr; i++)
		if (epochs->ready[i].number == number)
			return &epochs->ready[i];
	return NULL;
}

static const struct ready *find_oldest(const struct epochs *epochs,
				       uint64_t floor)
{
	const struct ready *ready = epochs->ready;
	size_t i;

	for (i = 0; i < epochs->nr; i++, ready++)
		if (ready->number >= floor &&
		    epoch_life(epochs, ready) == EPOCH_LIVES)
			return ready;
	return NULL;
}

static int choose(const struct epochs *epochs, uint64_t floor,
		  uint64_t number, const struct ready **ready,
		  struct rpc_error *error)
{
	if (number != EPOCH_OLDEST) {
		*ready = find(epochs, number);
		return *ready ? refuse(epochs, *ready, floor, error) :
			rpc_fail(error, -ENOENT, "this KMS has no key epoch %llu",
				 (unsigned long long)number);
	}
	*ready = find_oldest(epochs, floor);
	if (*ready)
		return 0;
	error->status = 503;
	return rpc_fail(error, -ENOKEY, "no key epoch lives that this KMS has: the KMS's contract is at %llu, the application's allows %llu and later",
			(unsigned long long)epochs->limits.current,
			(unsigned long long)floor);
}

const struct issue *epochs_get(struct epochs *epochs, uint64_t floor,
			       uint64_t *number, struct rpc_error *error)
{
	const struct ready *ready;

	if (!epochs) {
		error->status = 503;
		rpc_fail(error, -ENOKEY, "this KMS has no keys");
		return NULL;
	}
	pthread_rwlock_rdlock(&epochs->lock);
	if (choose(epochs, floor, *number, &ready, error)) {
		pthread_rwlock_unlock(&epochs->lock);
		return NULL;
	}
	*number = ready->number;
	return ready->issue;
}

void epochs_put(struct epochs *epochs)
{
	pthread_rwlock_unlock(&epochs->lock);
}

uint64_t epochs_ended(const struct epochs *epochs, uint64_t number)
{
	const struct ready *ready = find(epochs, number);
	enum epoch_life life;

	/* One that is stored is there a moment later. */
	life = ready ? epoch_life(epochs, ready) : EPOCH_LIVES;
	return life == EPOCH_REVOKED || life == EPOCH_ENDED ?
		epochs->block.time : 0;
}

uint64_t epochs_oldest(struct epochs *epochs)
{
	const struct ready *ready;
	uint64_t number;

	if (!epochs)
		return EPOCH_OLDEST;
	pthread_rwlock_rdlock(&epochs->lock);
	ready = find_oldest(epochs, 0);
	number = ready ? ready->number : EPOCH_OLDEST;
	pthread_rwlock_unlock(&epochs->lock);
	return number;
}

int epochs_list(struct epochs *epochs, uint64_t floor, size_t *nr,
		uint64_t **numbers)
{
	const struct ready *ready = epochs->ready;
	size_t i;

	*numbers = calloc(KEY_EPOCHS_MAX, sizeof(**numbers));
	if (!*numbers)
		return -ENOMEM;
	pthread_rwlock_rdlock(&epochs->lock);
	for (i = 0, *nr = 0; i < epochs->nr; i++, ready++)
		if (ready->number >= floor &&
		    epoch_life(epochs, ready) == EPOCH_LIVES)
			(*numbers)[(*nr)++] = ready->number;
	pthread_rwlock_unlock(&epochs->lock);
	return 0;
}

static const char *word_for(enum epoch_life life)
{
	static const char *const words[] = {
		[EPOCH_LIVES] = "lives", [EPOCH_RETIRED] = "retired",
		[EPOCH_REVOKED] = "revoked", [EPOCH_ENDED] = "ended",
		[EPOCH_EARLY] = "not started",
	};

	return words[life];
}

bool epochs_show(struct epochs *epochs, size_t i, struct epoch_shown *shown)
{
	const struct ready *ready = &epochs->ready[i];
	bool there;

	pthread_rwlock_rdlock(&epochs->lock);
	there = i < epochs->nr;
	if (there) {
		shown->number = ready->number;
		shown->life = word_for(epoch_life(epochs, ready));
		shown->public = ready->public;
		shown->succession_len = ready->succession_len;
		memcpy(shown->succession, ready->succession,
		       ready->succession_len);
	}
	pthread_rwlock_unlock(&epochs->lock);
	return there;
}

bool epochs_get_limits(struct epochs *epochs, struct chain_epochs *limits)
{
	pthread_rwlock_rdlock(&epochs->lock);
	*limits = epochs->limits;
	pthread_rwlock_unlock(&epochs->lock);
	return limits->known;
}
