/* SPDX-License-Identifier: MIT */
/*
 * What a KMS must not lose: roots, and how far it has seen the chain
 *
 * Copyright The dstack for Linux authors
 *
 * One sealed file, "state", in a directory of the KMS's own, which is replaced
 * as a whole or not at all; beside it "bootstrap-info.json", which anybody may
 * read, and "light-client".  Documentation/admin-guide/kms-state.rst has the
 * format, and what an old file that is put back is noticed by.
 *
 * Functions return 0 or -errno, after a line to tell() that has no secret in
 * it, and may be called by any thread once the state is open:
 *
 * -ENOENT	there is none yet
 * -EEXIST	there is one already, or such an epoch
 * -EBUSY	another KMS has it, or the epoch is the last one
 * -EPERM	others may read or change it, or it is no plain file
 * -EBADMSG	it was changed, cut short, or is no state
 * -EPROTONOSUPPORT	of another version, or sealed in another way
 * -ESTALE	older than what was seen before
 * -EINVAL	what is to be stored is wrong
 * others	as the system calls, or the seal, gave them
 */
#ifndef KMSD_STATE_H
#define KMSD_STATE_H

#include "../../keys/epoch.h"
#include "seal.h"

#define STATE_DOMAIN_MAX	253
#define STATE_HASH_SIZE		32

/* A block that was final, as the light client believes it. */
struct state_head {
	uint64_t number, time;		/* s since 1970 */
	uint8_t hash[STATE_HASH_SIZE];
};

/* What it points to must stay as long as the state. */
struct state_options {
	const char *dir;		/* made with mode 0700 if not there */
	/*
	 * A directory in memory, that is gone at the next boot; NULL: none.
	 * There is noted what was written last.
	 */
	const char *witness;
	const struct state_seal *seal;
	void (*tell)(const char *line);	/* NULL: nobody */
	unsigned int head_every_s;	/* 0: 30 */
};

struct state;

/* -ENOENT: make one, or take it over from another KMS. */
int state_open(const struct state_options *options, struct state **state);
/*
 * A new one, of epochs that are drawn or taken over.  Once: -EEXIST, whatever
 * there is in its place.
 */
int state_create(const struct state_options *options, const char *domain,
		 const struct key_epoch *epochs, size_t nr,
		 struct state **state);
/*
 * A head that was not stored yet is stored.  @state is gone in any case, NULL
 * is none.
 */
int state_close(struct state *state);

/*
 * How the file in @dir is sealed, by its header, which others can have changed.
 * -ENOENT, -EBUSY, -EPERM, -EBADMSG as above, without a line.
 */
int state_sealed_as(const char *dir, uint16_t *id);
/*
 * It is stored under another seal, which has to stay as the first one.  After
 * an error the old one counts, and the file may be under either.
 */
int state_reseal(struct state *state, const struct state_seal *seal);

/* Newer than all that there are; it is stored before this returns. */
int state_add_epoch(struct state *state, const struct key_epoch *epoch);
/*
 * Its scalars are wiped, here and in the file, for good.  -ENOENT; -EBUSY: no
 * other is left; 0 as well if it is retired already.
 */
int state_retire_epoch(struct state *state, uint64_t number, uint64_t now);
/* Certificates are renewed for the same keys. */
int state_set_certs(struct state *state, uint64_t number, const char *ca_cert,
		    const char *temp_ca_cert);
/*
 * Cheap, for each request: it is written once in head_every_s at most, and
 * what that gave is returned.  -ESTALE: it is before the highest, or another
 * in its place; or time went back.
 */
int state_set_head(struct state *state, const struct state_head *head);
/* Number 0: none was accepted yet. */
void state_get_head(struct state *state, struct state_head *head);

/* Where epochs are copied to: memory of libdstack_secret_alloc(). */
size_t state_count(struct state *state);
/* @i: below the count, the oldest first.  Indices stay as they are. */
void state_get_epoch(struct state *state, size_t i, struct key_epoch *epoch);
/* The newest that is not retired. */
void state_get_newest(struct state *state, struct key_epoch *epoch);
/* Whether it may be one: the name of a host, of 253 characters at most. */
bool state_domain_ok(const char *domain);
/* Lives as long as @state. */
const char *state_domain(const struct state *state);
/* How often it was written.  It only rises. */
uint64_t state_generation(struct state *state);

/*
 * bootstrap-info.json, in upstream's shape, of that epoch and with this
 * evidence.
 */
int state_write_info(struct state *state, uint64_t number,
		     const void *attestation, size_t len);
bool state_has_info(struct state *state);
/*
 * As it is, for free(), with a NUL behind it: the host may have written it.
 * -ENOENT, -EPERM, -EFBIG, without a line.
 */
int state_read_info(struct state *state, char **text, size_t *len);

/*
 * What a light client believes, beside the state and as safe from changes, but
 * not from an old one that is put back.  @seal: this machine's, also of a state
 * that takes others to open.  Without a line; -ENOENT: there is none.
 */
int state_keep_light(struct state *state, const struct state_seal *seal,
		     const void *data, size_t len);
/* *@len: room, and then what there is. */
int state_load_light(struct state *state, const struct state_seal *seal,
		     void *data, size_t *len);

#endif /* KMSD_STATE_H */
