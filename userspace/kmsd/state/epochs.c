// SPDX-License-Identifier: MIT
/*
 * Epochs are added, retired, and shown
 *
 * Copyright The dstack for Linux authors
 *
 * A change is made in memory, checked as a whole and stored; if any of that
 * fails, memory is as it was.  The file is then as it was, too, or has the
 * change: whoever asked for it asks again.
 */
#include "room.h"

#include <errno.h>
#include <string.h>

static int check_and_store(struct state *state)
{
	const char *why;
	int err = key_epochs_check(state->content->epochs, state->content->nr,
				   &why);

	return err ? state_fail(state, err, "%s", why) : state_store(state);
}

int state_add_epoch(struct state *state, const struct key_epoch *epoch)
{
	struct content *content = state->content;
	int err;

	pthread_mutex_lock(&state->lock);
	if (content->nr == KEY_EPOCHS_MAX) {
		err = state_fail(state, -ENOSPC, "there are %d epochs, and no room for more",
				 KEY_EPOCHS_MAX);
	} else if (content->epochs[content->nr - 1].number >= epoch->number) {
		err = state_fail(state, -EEXIST, "there is an epoch %llu already, or a newer one",
				 (unsigned long long)epoch->number);
	} else {
		content->epochs[content->nr++] = *epoch;
		err = check_and_store(state);
		if (err)
			explicit_bzero(&content->epochs[--content->nr],
				       sizeof(*epoch));
	}
	pthread_mutex_unlock(&state->lock);
	return err;
}

struct key_epoch *epoch_find(struct state *state, uint64_t number)
{
	struct content *content = state->content;
	size_t i;

	for (i = 0; i < content->nr; i++)
		if (content->epochs[i].number == number)
			return &content->epochs[i];
	state_fail(state, -ENOENT, "there is no epoch %llu",
		   (unsigned long long)number);
	return NULL;
}

static size_t count_live(const struct content *content)
{
	size_t i, live = 0;

	for (i = 0; i < content->nr; i++)
		live += !content->epochs[i].retired;
	return live;
}

/* Retired, or with other certificates. */
struct change {
	uint64_t retired;		/* 0: it is not retired */
	const char *ca_cert, *temp_ca_cert;
};

static int apply(const struct state *state, struct key_epoch *epoch,
		 const struct change *change)
{
	if (change->retired) {
		if (count_live(state->content) == 1)
			return state_fail(state, -EBUSY, "epoch %llu is the last one: add the next one first",
					  (unsigned long long)epoch->number);
		epoch->retired = change->retired;
		key_epoch_wipe(epoch);
		return 0;
	}
	if (strlen(change->ca_cert) >= KEY_EPOCH_CERT_MAX ||
	    strlen(change->temp_ca_cert) >= KEY_EPOCH_CERT_MAX)
		return state_fail(state, -EINVAL, "a certificate has more than %d bytes",
				  KEY_EPOCH_CERT_MAX - 1);
	snprintf(epoch->ca_cert, sizeof(epoch->ca_cert), "%s",
		 change->ca_cert);
	snprintf(epoch->temp_ca_cert, sizeof(epoch->temp_ca_cert), "%s",
		 change->temp_ca_cert);
	return 0;
}

static int alter(struct state *state, struct key_epoch *epoch,
		 const struct change *change)
{
	struct key_epoch *before;
	void *memory;
	int err = libdstack_secret_alloc(sizeof(*before), &memory);

	if (err)
		return err;
	before = memory;
	*before = *epoch;
	err = apply(state, epoch, change) ?: check_and_store(state);
	if (err)
		*epoch = *before;
	libdstack_secret_free(memory, sizeof(*before));
	return err;
}

int state_retire_epoch(struct state *state, uint64_t number, uint64_t now)
{
	const struct change retire = { .retired = now ? now : 1 };
	struct key_epoch *epoch;
	int err;

	pthread_mutex_lock(&state->lock);
	epoch = epoch_find(state, number);
	err = !epoch ? -ENOENT : epoch->retired ? 0 :
		alter(state, epoch, &retire);
	pthread_mutex_unlock(&state->lock);
	return err;
}

int state_set_certs(struct state *state, uint64_t number, const char *ca_cert,
		    const char *temp_ca_cert)
{
	const struct change renew = {
		.ca_cert = ca_cert, .temp_ca_cert = temp_ca_cert,
	};
	struct key_epoch *epoch;
	int err;

	pthread_mutex_lock(&state->lock);
	epoch = epoch_find(state, number);
	err = !epoch ? -ENOENT : epoch->retired ?
		state_fail(state, -EINVAL, "epoch %llu is retired",
			   (unsigned long long)number) :
		alter(state, epoch, &renew);
	pthread_mutex_unlock(&state->lock);
	return err;
}

size_t state_count(struct state *state)
{
	size_t nr;

	pthread_mutex_lock(&state->lock);
	nr = state->content->nr;
	pthread_mutex_unlock(&state->lock);
	return nr;
}

void state_get_epoch(struct state *state, size_t i, struct key_epoch *epoch)
{
	pthread_mutex_lock(&state->lock);
	*epoch = state->content->epochs[i];
	pthread_mutex_unlock(&state->lock);
}

void state_get_newest(struct state *state, struct key_epoch *epoch)
{
	const struct content *content = state->content;
	size_t i;

	pthread_mutex_lock(&state->lock);
	/* There is one: a state without is refused, and never stored. */
	i = content->nr - 1;
	while (content->epochs[i].retired)
		i--;
	*epoch = content->epochs[i];
	pthread_mutex_unlock(&state->lock);
}
