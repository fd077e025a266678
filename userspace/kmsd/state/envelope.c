// SPDX-License-Identifier: MIT
/*
 * A state file: a header that anybody can read, and what is sealed
 *
 * Copyright The dstack for Linux authors
 *
 * offset bytes
 *      0     8  "DSTKKMSS"
 *      8     2  version, 1
 *     10     2  how it is sealed
 *     12     4  bytes of what is sealed
 *     16     8  generation
 *     24     8  0
 *
 * The header is in what is sealed as well, before the content: so each seal
 * covers it, and says no more than that its data was not changed.
 */
#include "room.h"

#include <errno.h>
#include <string.h>

static const uint8_t magic[8] = {
	'D', 'S', 'T', 'K', 'K', 'M', 'S', 'S',
};

static void put(uint8_t *at, uint64_t value, int size)
{
	int i;

	for (i = 0; i < size; i++)
		at[i] = value >> (8 * i);
}

static uint64_t get(const uint8_t *at, int size)
{
	uint64_t value = 0;
	int i;

	for (i = 0; i < size; i++)
		value |= (uint64_t)at[i] << (8 * i);
	return value;
}

void envelope_write(const struct envelope *envelope, uint8_t out[HEADER_SIZE])
{
	memset(out, 0, HEADER_SIZE);
	memcpy(out, magic, sizeof(magic));
	put(out + 8, STATE_VERSION, 2);
	put(out + 10, envelope->seal, 2);
	put(out + 12, envelope->body_len, 4);
	put(out + 16, envelope->generation, 8);
}

int envelope_read(const uint8_t *file, size_t len, struct envelope *envelope,
		  const char **why)
{
	uint8_t again[HEADER_SIZE];

	*why = "it is no state of a KMS";
	if (len < HEADER_SIZE || memcmp(file, magic, sizeof(magic)) != 0)
		return -EBADMSG;
	*why = "it is of another version: start the dstack-kms that wrote it";
	if (get(file + 8, 2) != STATE_VERSION)
		return -EPROTONOSUPPORT;
	envelope->seal = get(file + 10, 2);
	envelope->body_len = get(file + 12, 4);
	envelope->generation = get(file + 16, 8);
	*why = "it was cut short, or has something behind its end";
	if (envelope->body_len != len - HEADER_SIZE)
		return -EBADMSG;
	envelope_write(envelope, again);
	*why = "its header has what version 1 has not";
	return memcmp(again, file, HEADER_SIZE) ? -EBADMSG : 0;
}

/*
 * The header names the length of what it is sealed in: each seal adds as much
 * as it does, so the length within is that without the seal.
 */
int envelope_seal(struct state *state, size_t *len)
{
	const struct state_seal *seal = state->options.seal;
	struct envelope envelope = {
		.seal = seal->id, .generation = state->content->generation,
	};
	uint8_t *plain = state->plain;
	size_t body_len, content_len;
	int err;

	content_len = content_write(state->content, plain + HEADER_SIZE);
	if (!content_len)
		return state_fail(state, -EFBIG, "the state has become too large");
	envelope.body_len = content_len;
	envelope_write(&envelope, plain);
	err = seal->seal(seal->arg, plain, HEADER_SIZE + content_len,
			 state->file + HEADER_SIZE, &body_len);
	explicit_bzero(plain, HEADER_SIZE + content_len);
	if (err)
		return state_fail(state, err, "the state can't be sealed: %s",
				  strerror(-err));
	envelope.body_len = body_len;
	envelope_write(&envelope, state->file);
	*len = HEADER_SIZE + body_len;
	return 0;
}

static const char *seal_help(int err)
{
	switch (err) {
	case -EBADMSG:
		return "it was changed, or another machine or application "
		       "sealed it";
	case -EKEYREJECTED:
		return "another application sealed it";
	case -ENOKEY:
	case -EKEYREVOKED:
		return "the key that it was sealed with is not there any more";
	default:
		return strerror(-err);
	}
}

/* What the seal covered says the same as what everybody could change. */
static int open_plain(struct state *state, const struct envelope *outer,
		      size_t len, const char **why)
{
	const uint8_t *plain = state->plain;
	struct envelope inner;
	int err = envelope_read(plain, len, &inner, why);

	if (err)
		return err;
	*why = "its header is not the one that was sealed";
	if (inner.seal != outer->seal || inner.generation != outer->generation)
		return -EBADMSG;
	err = content_read(plain + HEADER_SIZE, inner.body_len, state->content,
			   why);
	if (err)
		return err;
	*why = "its header is not the one that was sealed";
	return state->content->generation == outer->generation ? 0 : -EBADMSG;
}

int envelope_open(struct state *state, size_t len)
{
	const struct state_seal *seal = state->options.seal;
	struct envelope envelope;
	size_t plain_len = PLAIN_MAX;
	const char *why;
	int err = envelope_read(state->file, len, &envelope, &why);

	if (!err && envelope.seal != seal->id) {
		why = "it is sealed in another way";
		err = -EPROTONOSUPPORT;
	}
	if (!err) {
		err = seal->unseal(seal->arg, state->file + HEADER_SIZE,
				   envelope.body_len, state->plain,
				   &plain_len);
		why = seal_help(err);
	}
	if (!err)
		err = open_plain(state, &envelope, plain_len, &why);
	explicit_bzero(state->plain, PLAIN_MAX);
	return err ? state_fail(state, err, "'%s/" STATE_FILE "': %s",
				state->options.dir, why) : 0;
}
