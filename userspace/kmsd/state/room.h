/* SPDX-License-Identifier: MIT */
/*
 * What the files of the state share
 *
 * Copyright The dstack for Linux authors
 *
 * state.c, epochs.c and reseal.c are what others call, content.c writes and
 * reads what is sealed, envelope.c what is around it, file.c replaces files,
 * witness.c notes what was written last, info.c what is public, light.c what a
 * light client believes, module.c is the seal.
 */
#ifndef KMSD_STATE_ROOM_H
#define KMSD_STATE_ROOM_H

#include <pthread.h>

#include "file.h"
#include "state.h"

#define STATE_FILE	"state"
#define STATE_INFO	"bootstrap-info.json"
#define STATE_LIGHT	"light-client"
#define STATE_VERSION	1
#define HEADER_SIZE	32
#define CONTENT_MAX	(320U << 10)
#define PLAIN_MAX	(HEADER_SIZE + CONTENT_MAX)
#define OVERHEAD_MAX	4096
#define FILE_MAX	(HEADER_SIZE + PLAIN_MAX + OVERHEAD_MAX + 1)
#define DIGEST_SIZE	32

/* In memory of libdstack_secret_alloc(), as one piece. */
struct content {
	uint64_t generation;
	struct state_head head;
	char domain[STATE_DOMAIN_MAX + 1];
	size_t nr;
	struct key_epoch epochs[KEY_EPOCHS_MAX];
};

struct state {
	struct state_options options;
	int dir, witness;		/* -1: no witness */
	pthread_mutex_t lock;		/* of all that is below */
	struct content *content;
	uint8_t *plain;			/* PLAIN_MAX: header, content */
	uint8_t *file;			/* FILE_MAX: header, sealed plain */
	bool head_is_new;		/* not stored yet */
	int64_t head_due_ms;
};

/* state.c */

int state_fail(const struct state *state, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/*
 * Stores the content as the next generation.  A generation that could not be
 * written is not used again: the file may have it.
 */
int state_store(struct state *state);

/* epochs.c: with the lock.  NULL, after a line: it is not there. */
struct key_epoch *epoch_find(struct state *state, uint64_t number);

/* content.c: pure */

/* Bytes in @out, or 0: CONTENT_MAX is not enough. */
size_t content_write(const struct content *content, uint8_t out[CONTENT_MAX]);
/* -EBADMSG: *@why says what is wrong. */
int content_read(const uint8_t *data, size_t len, struct content *content,
		 const char **why);

/* envelope.c: pure, but for the seal */

struct envelope {
	uint16_t seal;
	uint32_t body_len;
	uint64_t generation;
};

void envelope_write(const struct envelope *envelope, uint8_t out[HEADER_SIZE]);
/* Of a whole file.  -EBADMSG, -EPROTONOSUPPORT, with *@why. */
int envelope_read(const uint8_t *file, size_t len, struct envelope *envelope,
		  const char **why);
/* What there is to write: *@len bytes in state->file. */
int envelope_seal(struct state *state, size_t *len);
/* state->file, of @len bytes, to state->content. */
int envelope_open(struct state *state, size_t len);

/* witness.c */

/* -ESTALE: @file is not what was written last, or it is older. */
int witness_check(const struct state *state, const void *file, size_t len);
int witness_note(const struct state *state, const void *file, size_t len);

#endif /* KMSD_STATE_ROOM_H */
