// SPDX-License-Identifier: MIT
/*
 * How a state is sealed, and how it comes to be sealed in another way
 *
 * Copyright The dstack for Linux authors
 */
#include "room.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

int state_sealed_as(const char *dir, uint16_t *id)
{
	struct envelope envelope;
	uint8_t *file;
	const char *why;
	size_t len;
	int err, fd;

	fd = file_open_dir(dir, false);
	if (fd < 0)
		return fd;
	file = malloc(FILE_MAX);
	err = file ? file_read(fd, STATE_FILE, FILE_MAX, file, &len) : -ENOMEM;
	if (!err)
		err = envelope_read(file, len, &envelope, &why);
	if (!err)
		*id = envelope.seal;
	free(file);
	close(fd);
	return err;
}

int state_reseal(struct state *state, const struct state_seal *seal)
{
	const struct state_seal *before;
	int err;

	if (!seal->id || seal->overhead > OVERHEAD_MAX)
		return state_fail(state, -EINVAL, "that is no seal for a state");
	pthread_mutex_lock(&state->lock);
	before = state->options.seal;
	state->options.seal = seal;
	err = state_store(state);
	if (err)
		state->options.seal = before;
	pthread_mutex_unlock(&state->lock);
	return err;
}
