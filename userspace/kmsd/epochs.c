// SPDX-License-Identifier: MIT
/*
 * Roots that are ready to issue
 *
 * Copyright The dstack for Linux authors
 */
#include "kmsd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../daemon/daemon.h"

struct ready {
	uint64_t number;
	struct issue *issue;
};

struct epochs {
	pthread_rwlock_t lock;
	size_t nr;
	struct ready ready[KEY_EPOCHS_MAX];	/* the oldest first */
};

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

static int add(struct epochs *epochs, struct state *state,
	       const struct key_epoch *epoch, time_t now)
{
	struct ready *ready = &epochs->ready[epochs->nr];
	const char *ca, *temp_ca;
	int err = open_issue(epoch, now, &ready->issue);

	if (err)
		return err;
	ready->number = epoch->number;
	epochs->nr++;
	ca = issue_cert(ready->issue, ISSUE_ROOT_CA);
	temp_ca = issue_cert(ready->issue, ISSUE_TEMP_CA);
	if (!strcmp(ca, epoch->ca_cert) &&
	    !strcmp(temp_ca, epoch->temp_ca_cert))
		return 0;
	return state_set_certs(state, epoch->number, ca, temp_ca);
}

int epochs_open(struct state *state, time_t now, struct epochs **out)
{
	struct epochs *epochs = calloc(1, sizeof(*epochs));
	struct key_epoch *epoch;
	void *memory;
	size_t i;
	int err;

	if (!epochs)
		return -ENOMEM;
	pthread_rwlock_init(&epochs->lock, NULL);
	err = libdstack_secret_alloc(sizeof(*epoch), &memory);
	epoch = memory;
	for (i = 0; !err && i < state_count(state); i++) {
		state_get_epoch(state, i, epoch);
		if (!epoch->retired)
			err = add(epochs, state, epoch, now);
	}
	libdstack_secret_free(memory, sizeof(*epoch));
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
	free(epochs);
}

const struct issue *epochs_get(struct epochs *epochs, uint64_t *number)
{
	size_t i;

	pthread_rwlock_rdlock(&epochs->lock);
	for (i = 0; i < epochs->nr; i++)
		if (*number == EPOCH_OLDEST ||
		    epochs->ready[i].number == *number) {
			*number = epochs->ready[i].number;
			return epochs->ready[i].issue;
		}
	pthread_rwlock_unlock(&epochs->lock);
	return NULL;
}

void epochs_put(struct epochs *epochs)
{
	pthread_rwlock_unlock(&epochs->lock);
}

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

/* @epoch is zeros. */
static int draw(struct key_epoch *epoch, time_t now)
{
	const char *const none[__ISSUE_CA_MAX] = { NULL };
	struct issue *issue = NULL;
	struct issue_roots roots;
	const char *why = "there is no randomness to be had";
	int err;

	err = issue_roots_new(&roots) ?:
		issue_open(&roots, none, now, &issue, &why) ?:
		fill(issue, &roots, now, epoch);
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
	err = draw(memory, now) ?:
		state_create(options, domain, memory, 1, state);
	libdstack_secret_free(memory, sizeof(struct key_epoch));
	return err;
}
