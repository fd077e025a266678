// SPDX-License-Identifier: MIT
/*
 * Epochs begin, end, and come from other KMSs, while keys are given
 *
 * Copyright The dstack for Linux authors
 *
 * What is new is stored before it is served, and what is retired before it is
 * said to be.  Nobody waits for a disk to be given a key: the lock of those is
 * held only while the list changes.
 */
#include "epochs.h"

#include <errno.h>
#include <string.h>

#include "../daemon/daemon.h"

/*
 * New ones
 */

static int fill(const struct issue *issue, const struct issue_roots *roots,
		time_t now, struct key_epoch *epoch)
{
	const char *ca = issue_cert(issue, ISSUE_ROOT_CA);
	const char *temp_ca = issue_cert(issue, ISSUE_TEMP_CA);

	if (strlen(ca) >= sizeof(epoch->ca_cert) ||
	    strlen(temp_ca) >= sizeof(epoch->temp_ca_cert))
		return -EMSGSIZE;
	epoch->created = (uint64_t)now;
	memcpy(epoch->ca, roots->ca, sizeof(epoch->ca));
	memcpy(epoch->k256, roots->k256, sizeof(epoch->k256));
	memcpy(epoch->temp_ca, roots->temp_ca, sizeof(epoch->temp_ca));
	memcpy(epoch->k256_public, issue_public(issue)->k256,
	       sizeof(epoch->k256_public));
	memcpy(epoch->ca_cert, ca, strlen(ca) + 1);
	memcpy(epoch->temp_ca_cert, temp_ca, strlen(temp_ca) + 1);
	return 0;
}

/* Who pins the roots of the one before it follows this. */
static int put_succession(const struct issue *before, const struct issue *issue,
			  struct key_epoch *epoch)
{
	struct key_succession record;
	int err = issue_succession_make(before, epoch->number,
					issue_public(issue), &record);

	if (err)
		return err;
	epoch->succession_len = key_succession_write(&record,
						     epoch->succession);
	return 0;
}

/* @epoch is zeros but for its number; @before: NULL for the first of all. */
static int draw(const struct issue *before, struct key_epoch *epoch, time_t now)
{
	const char *const none[__ISSUE_CA_MAX] = { NULL };
	struct issue *issue = NULL;
	struct issue_roots roots;
	const char *why = "there is no randomness to be had";
	int err;

	err = issue_roots_new(&roots) ?:
		issue_open(&roots, none, now, &issue, &why) ?:
		fill(issue, &roots, now, epoch);
	if (!err && before)
		err = put_succession(before, issue, epoch);
	if (err)
		msg("can't draw roots: %s", why);
	issue_close(issue);
	issue_roots_wipe(&roots);
	return err;
}

int epochs_create(const struct state_options *options, const char *domain,
		  time_t now, struct state **state)
{
	void *memory;
	int err = libdstack_secret_alloc(sizeof(struct key_epoch), &memory);

	if (err)
		return err;
	err = draw(NULL, memory, now) ?:
		state_create(options, domain, memory, 1, state);
	libdstack_secret_free(memory, sizeof(struct key_epoch));
	return err;
}

/* With the lock of changes: the list stays as it is. */
static int start(struct epochs *epochs, struct key_epoch *epoch, time_t now)
{
	const struct ready *newest = &epochs->ready[epochs->nr - 1];
	int err;

	if (!newest->issue)
		return -EKEYREVOKED;
	epoch->number = newest->number + 1;
	err = draw(newest->issue, epoch, now) ?:
		state_add_epoch(epochs->state, epoch);
	return err ? err : epochs_add(epochs, epoch, now);
}

int epochs_start(struct epochs *epochs, time_t now, uint64_t *number)
{
	struct key_epoch *epoch;
	void *memory;
	int err = libdstack_secret_alloc(sizeof(*epoch), &memory);

	if (err)
		return err;
	epoch = memory;
	pthread_mutex_lock(&epochs->change);
	err = start(epochs, epoch, now);
	pthread_mutex_unlock(&epochs->change);
	*number = epoch->number;
	libdstack_secret_free(memory, sizeof(*epoch));
	if (!err)
		msg_at(LOG_NOTICE, "key epoch %llu is there",
		       (unsigned long long)*number);
	return err;
}

/*
 * Ends
 */

/* With the lock of changes. */
static struct ready *find(struct epochs *epochs, uint64_t number)
{
	size_t i;

	for (i = 0; i < epochs->nr; i++)
		if (epochs->ready[i].number == number)
			return &epochs->ready[i];
	return NULL;
}

/* Another one that lives, so that somebody can be given keys. */
static bool other_lives(struct epochs *epochs, const struct ready *but)
{
	const struct ready *ready = epochs->ready;
	bool lives = false;
	size_t i;

	pthread_rwlock_rdlock(&epochs->lock);
	for (i = 0; i < epochs->nr; i++, ready++)
		lives |= ready != but &&
			epoch_life(epochs, ready) == EPOCH_LIVES;
	pthread_rwlock_unlock(&epochs->lock);
	return lives;
}

static int retire(struct epochs *epochs, struct ready *ready, time_t now)
{
	struct issue *issue = ready->issue;
	int err = state_retire_epoch(epochs->state, ready->number,
				     (uint64_t)now);

	if (err)
		return err;
	pthread_rwlock_wrlock(&epochs->lock);
	ready->issue = NULL;
	pthread_rwlock_unlock(&epochs->lock);
	/* Nobody has it any more, as all held the lock. */
	issue_close(issue);
	msg_at(LOG_NOTICE, "key epoch %llu is retired",
	       (unsigned long long)ready->number);
	return 0;
}

static int check_end(struct epochs *epochs, const struct ready *ready,
		     uint64_t number, struct rpc_error *error)
{
	if (!ready)
		return rpc_fail(error, -ENOENT, "this KMS has no key epoch %llu",
				(unsigned long long)number);
	if (ready == &epochs->ready[epochs->nr - 1])
		return rpc_fail(error, -EBUSY, "key epoch %llu is the newest: start the next one first",
				(unsigned long long)number);
	if (!other_lives(epochs, ready))
		return rpc_fail(error, -EBUSY, "no other key epoch lives than %llu: announce the next one in the KMS's contract first",
				(unsigned long long)number);
	return 0;
}

int epochs_retire(struct epochs *epochs, uint64_t number, time_t now,
		  struct rpc_error *error)
{
	struct ready *ready;
	int err;

	pthread_mutex_lock(&epochs->change);
	ready = find(epochs, number);
	err = check_end(epochs, ready, number, error);
	if (!err && ready->issue) {
		err = retire(epochs, ready, now);
		if (err)
			rpc_fail(error, err, "key epoch %llu can't be retired: %s",
				 (unsigned long long)number, strerror(-err));
	}
	pthread_mutex_unlock(&epochs->change);
	return err;
}

/*
 * From another KMS
 */

/* The roots of the epoch before vouch for it, both of them. */
static bool follows(const struct key_epoch *before,
		    const struct key_epoch *epoch)
{
	uint8_t ca_before[KEY_CA_SIZE], ca[KEY_CA_SIZE];
	struct key_succession record;

	return epoch->number == before->number + 1 &&
		key_succession_read(epoch->succession, epoch->succession_len,
				    &record) &&
		!key_epoch_ca(before, ca_before) && !key_epoch_ca(epoch, ca) &&
		!key_succession_name(&record, epoch->number,
				     epoch->k256_public, ca) &&
		!key_succession_check_k256(&record, before->k256_public) &&
		!key_succession_check_ca(&record, ca_before);
}

/* @i: of theirs.  Nothing is taken before all of them are looked at. */
static int compare(struct epochs *epochs, const struct key_epoch *theirs,
		   size_t i, bool *common, struct rpc_error *error)
{
	const struct ready *ours = find(epochs, theirs[i].number);
	unsigned long long number = theirs[i].number;

	if (ours && memcmp(ours->public.k256, theirs[i].k256_public,
			   sizeof(ours->public.k256)))
		return rpc_fail(error, -EKEYREJECTED, "its key epoch %llu is not ours: it is another KMS, or both have started one: retire neither, and ask who relies on which",
				number);
	if (ours) {
		*common = true;
		return 0;
	}
	if (theirs[i].number < epochs->ready[epochs->nr - 1].number)
		return rpc_fail(error, -EKEYREJECTED, "it has a key epoch %llu, which is not here, though later ones are",
				number);
	if (!i || !follows(&theirs[i - 1], &theirs[i]))
		return rpc_fail(error, -EKEYREJECTED, "the roots before key epoch %llu do not vouch for it",
				number);
	return 0;
}

static int take_one(struct epochs *epochs, const struct key_epoch *theirs,
		    time_t now, struct epochs_news *news)
{
	struct ready *ours = find(epochs, theirs->number);
	int err;

	if (!ours) {
		err = state_add_epoch(epochs->state, theirs) ?:
			epochs_add(epochs, theirs, now);
		if (!err)
			news->added[news->nr_added++] = theirs->number;
		return err;
	}
	if (!theirs->retired || !ours->issue)
		return 0;
	err = retire(epochs, ours, (time_t)theirs->retired);
	if (!err)
		news->retired[news->nr_retired++] = theirs->number;
	return err;
}

/* New ones first: so there is always one that lives. */
static int take(struct epochs *epochs, const struct key_epoch *theirs,
		size_t nr, time_t now, struct epochs_news *news,
		struct rpc_error *error)
{
	bool common = false;
	size_t i;
	int err = 0;

	for (i = 0; !err && i < nr; i++)
		err = compare(epochs, theirs, i, &common, error);
	if (!err && !common)
		err = rpc_fail(error, -EKEYREJECTED, "it has none of our key epochs: it is another KMS");
	if (err)
		return err;
	for (i = 0; !err && i < nr; i++)
		if (!find(epochs, theirs[i].number))
			err = take_one(epochs, &theirs[i], now, news);
	for (i = 0; !err && i < nr; i++)
		err = take_one(epochs, &theirs[i], now, news);
	return err ? rpc_fail(error, err, "can't keep its key epochs: %s",
			      strerror(-err)) : 0;
}

int epochs_take(struct epochs *epochs, const struct key_epoch *theirs,
		size_t nr, time_t now, struct epochs_news *news,
		struct rpc_error *error)
{
	int err;

	news->nr_added = 0;
	news->nr_retired = 0;
	pthread_mutex_lock(&epochs->change);
	err = take(epochs, theirs, nr, now, news, error);
	pthread_mutex_unlock(&epochs->change);
	return err;
}
