// SPDX-License-Identifier: MIT
/*
 * What was written last, noted where the host can't put it back
 *
 * Copyright The dstack for Linux authors
 *
 * The directory is in memory, which the TEE protects and the next boot does
 * not have.  So a KMS that is started again notices that its disk was set back
 * under the running machine; a machine that is started again does not.
 */
#include "room.h"

#include <errno.h>
#include <string.h>

#include "../../keys/primitives.h"

#define NOTE		"state-written"

struct note {
	uint64_t generation;
	uint8_t digest[DIGEST_SIZE];	/* of the file */
};

static int make(const struct state *state, const void *file, size_t len,
		struct note *note)
{
	const struct part part = { file, len };

	memset(note, 0, sizeof(*note));
	note->generation = state->content->generation;
	return hash_parts(HASH_SHA256, &part, 1, note->digest);
}

static int compare(const struct state *state, const struct note *was,
		   const struct note *is)
{
	if (is->generation < was->generation)
		return state_fail(state, -ESTALE, "'%s/" STATE_FILE "' is generation %llu, and %llu was written since this machine booted: an old file was put back",
				  state->options.dir,
				  (unsigned long long)is->generation,
				  (unsigned long long)was->generation);
	if (is->generation == was->generation &&
	    memcmp(is->digest, was->digest, sizeof(is->digest)) != 0)
		return state_fail(state, -ESTALE, "'%s/" STATE_FILE "' is not what was written last: another file was put there",
				  state->options.dir);
	return 0;
}

static int read_note(const struct state *state, struct note *note)
{
	uint8_t data[sizeof(*note) + 1];
	size_t len;
	int err = file_read(state->witness, NOTE, sizeof(data), data, &len);

	if (err)
		return err;
	if (len != sizeof(*note))
		return -EBADMSG;
	memcpy(note, data, len);
	return 0;
}

int witness_check(const struct state *state, const void *file, size_t len)
{
	struct note was, is;
	int err;

	if (state->witness < 0)
		return 0;
	err = make(state, file, len, &is);
	if (err)
		return err;
	err = read_note(state, &was);
	if (!err)
		err = compare(state, &was, &is);
	else if (err == -ENOENT)
		err = 0;
	else
		state_fail(state, err, "can't read '%s/" NOTE "': %s",
			   state->options.witness, strerror(-err));
	/* Written, and ended before it was noted. */
	return err ? err : witness_note(state, file, len);
}

int witness_note(const struct state *state, const void *file, size_t len)
{
	struct note note;
	int err;

	if (state->witness < 0)
		return 0;
	err = make(state, file, len, &note) ?:
		file_replace(state->witness, NOTE, 0600, &note, sizeof(note));
	return err ? state_fail(state, err, "can't write '%s/" NOTE "': %s",
				state->options.witness, strerror(-err)) : 0;
}
