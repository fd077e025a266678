/* SPDX-License-Identifier: MIT */
/*
 * A state that takes several KMSs to open
 *
 * Copyright The dstack for Linux authors
 *
 * The state is sealed twice: under a data key, which nobody keeps, and then as
 * before.  The data key is in shares: one stays with the state, in what only
 * this machine unseals, and others keep one each.  So a state opens here, and
 * only while k - 1 of the others give their shares.  What that protects from,
 * and what not, is in Documentation/admin-guide/kms-state.rst.
 *
 *	blob.c		the state as it is sealed so, as bytes
 *	seal.c		the same as a seal, and when it is another one
 *	deal.c		a new data key, and who gets its shares
 *	gather.c	the data key again
 *	keep.c		what is kept for others, as files
 *	kept.c		one of these as bytes
 *
 * How others are asked is the caller's business.  Functions return 0 or
 * -errno.
 */
#ifndef KMSD_QUORUM_H
#define KMSD_QUORUM_H

#include <stdbool.h>

#include "../shares/shares.h"
#include "../state/state.h"

#define QUORUM_OWNER_SIZE	16	/* drawn by chance */
#define QUORUM_HASH_SIZE	32
#define QUORUM_KEY_SIZE		32
#define QUORUM_PEERS_MAX	(SHARES_MAX - 1)
/* Of the shares here, which are all of a data key. */
#define QUORUM_SHARE_LEN	(SHARES_SALT_SIZE + QUORUM_KEY_SIZE)
#define QUORUM_SHARE_SIZE	(SHARES_HEADER_SIZE + QUORUM_SHARE_LEN)

/* What is brought to one that keeps. */
struct quorum_deposit {
	uint8_t owner[QUORUM_OWNER_SIZE];
	/*
	 * The generation that the state is sealed under by now; 0: none is.
	 * Older ones are deleted.
	 */
	uint32_t in_use;
	const struct share *share;	/* of a later one; NULL: none */
	/* SHA-256 of what will be shown for @share. */
	uint8_t check[QUORUM_HASH_SIZE];
};

/* What it is asked for later. */
struct quorum_claim {
	uint8_t owner[QUORUM_OWNER_SIZE];
	uint32_t generation;
	/* Only who has the share that stayed can say it. */
	uint8_t proof[QUORUM_HASH_SIZE];
};

/* The other KMSs, from 0 on.  Those who fail have said why, by a line. */
struct quorum_peers {
	size_t nr;
	const char *(*name)(void *arg, size_t i);
	int (*keep)(void *arg, size_t i, const struct quorum_deposit *deposit);
	/* @share: memory of libdstack_secret_alloc(). */
	int (*give)(void *arg, size_t i, const struct quorum_claim *claim,
		    struct share *share);
	/* Before they are asked again, so many seconds; false: no more. */
	bool (*wait)(void *arg, unsigned int seconds);
	void (*tell)(const char *line);
	void *arg;
};

/*
 * seal.c
 */

struct quorum;

struct quorum_options {
	const struct state_seal *inner;	/* of this machine */
	/* Who is asked for shares when the state is opened. */
	const struct quorum_peers *peers;
};

/* What they point to must stay. */
int quorum_open(const struct quorum_options *options, struct quorum **quorum);
/* After the state is closed.  NULL is none. */
void quorum_close(struct quorum *quorum);
/*
 * For state_open() of a state that is in shares: it asks the others until there
 * are enough.  -ECANCELED: wait() has ended it.
 */
const struct state_seal *quorum_seal(const struct quorum *quorum);
/*
 * A new data key for @state, @k of all of @peers and this one.  When it returns
 * the state is sealed so, or an error leaves it as it was: whenever this ends,
 * what is on the disk can be opened.  -EINVAL: no such @k.
 */
int quorum_share_out(struct quorum *quorum, struct state *state, uint8_t k,
		     const struct quorum_peers *peers);
/*
 * Others delete what is older than the state, which is open: how many could
 * not be told.  0 as well if it is not in shares.
 */
size_t quorum_settle(struct quorum *quorum, const struct quorum_peers *peers);
/* False: it is not in shares. */
bool quorum_get_plan(struct quorum *quorum, struct shares_plan *plan);

/*
 * keep.c
 */

#define QUORUM_FILES_MAX	128	/* that one keeps, */
#define QUORUM_FILES_OF_ONE	4	/* and of them for one instance */

struct quorum_keeper;

struct quorum_keeper_options {
	const char *dir;		/* made with mode 0700 if not there */
	const struct state_seal *seal;	/* of this machine */
	void (*tell)(const char *line);
};

/* -EBUSY, -EPERM as of a state. */
int quorum_keeper_open(const struct quorum_keeper_options *options,
		       struct quorum_keeper **keeper);
void quorum_keeper_close(struct quorum_keeper *keeper);
/*
 * By any thread.  @who: the instance that asks, by its evidence; nobody else is
 * given what it brought.  -EACCES: another one has brought that; -ESTALE: it
 * has brought newer ones; -ENODATA: there is none; -EINVAL; -EDQUOT: too many.
 * It is stored when this returns.
 */
int quorum_keep(struct quorum_keeper *keeper,
		const uint8_t who[QUORUM_HASH_SIZE],
		const struct quorum_deposit *deposit, const char **why);
/* -ESTALE: not of this generation. */
int quorum_give(struct quorum_keeper *keeper,
		const uint8_t who[QUORUM_HASH_SIZE],
		const struct quorum_claim *claim, struct share *share,
		const char **why);

#endif /* KMSD_QUORUM_H */
