// SPDX-License-Identifier: MIT
/*
 * What a light client believes, in a file of its own beside the state
 *
 * Copyright The dstack for Linux authors
 *
 * It can be had again, and moves every few minutes: so a state is not written
 * for it.  What is in it begins with another magic than all else that is sealed
 * with the same key, so that none of these can be put in its place.
 */
#include "room.h"

#include <errno.h>

int state_keep_light(struct state *state, const struct state_seal *seal,
		     const void *data, size_t len)
{
	size_t sealed;
	int err;

	if (len > PLAIN_MAX || seal->overhead > OVERHEAD_MAX)
		return -EINVAL;
	pthread_mutex_lock(&state->lock);
	err = seal->seal(seal->arg, data, len, state->file, &sealed) ?:
		file_replace(state->dir, STATE_LIGHT, 0600, state->file,
			     sealed);
	pthread_mutex_unlock(&state->lock);
	return err;
}

int state_load_light(struct state *state, const struct state_seal *seal,
		     void *data, size_t *len)
{
	size_t sealed;
	int err;

	pthread_mutex_lock(&state->lock);
	err = file_read(state->dir, STATE_LIGHT, FILE_MAX, state->file,
			&sealed) ?:
		seal->unseal(seal->arg, state->file, sealed, data, len);
	pthread_mutex_unlock(&state->lock);
	return err;
}
