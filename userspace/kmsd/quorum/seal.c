// SPDX-License-Identifier: MIT
/*
 * A state in shares, as a seal; and when it becomes another one
 *
 * Copyright The dstack for Linux authors
 *
 * There are two places: that of the data key which the state is under, and that
 * of the next one.  After an error the file may be under either, and the others
 * have shares of both; so the next deal, which makes them forget one, has to
 * wait until the state is known to be under the other.
 */
#include "room.h"

#include <errno.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

struct place {
	struct quorum *quorum;
	struct quorum_set *set;		/* without a key: nothing is there */
	struct state_seal seal;
};

struct quorum {
	struct quorum_options options;
	pthread_mutex_t lock;		/* of who deals, and of what is below */
	struct place places[2];
	struct place *current;
	bool in_doubt;			/* the file may be under another one */
};

/*
 * The seal; the state lets one thread in at a time
 */

static int seal(void *arg, const void *data, size_t len, void *blob,
		size_t *blob_len)
{
	const struct place *place = arg;
	const struct state_seal *inner = place->quorum->options.inner;
	size_t size = len + BLOB_OVERHEAD_MAX;
	size_t n;
	void *memory;
	int err = libdstack_secret_alloc(size, &memory);

	if (err)
		return err;
	err = blob_write(place->set, data, len, memory, &n) ?:
		inner->seal(inner->arg, memory, n, blob, blob_len);
	libdstack_secret_free(memory, size);
	return err;
}

static bool same_set(const struct quorum_set *a, const struct quorum_set *b)
{
	return !memcmp(a->owner, b->owner, sizeof(a->owner)) &&
		a->own.generation == b->own.generation &&
		!memcmp(a->hashes, b->hashes, sizeof(a->hashes));
}

/* Others are asked once: a state may be read again. */
static int find_key(struct place *place, const uint8_t *blob, size_t len)
{
	struct quorum_set *set;
	void *memory;
	int err = libdstack_secret_alloc(sizeof(*set), &memory);

	if (err)
		return err;
	set = memory;
	err = blob_read_set(blob, len, set);
	if (!err && !(place->set->has_key && same_set(place->set, set))) {
		*place->set = *set;
		err = gather(place->quorum->options.peers, place->set);
	}
	libdstack_secret_free(memory, sizeof(*set));
	return err;
}

static int unseal(void *arg, const void *blob, size_t blob_len, void *data,
		  size_t *len)
{
	struct place *place = arg;
	const struct state_seal *inner = place->quorum->options.inner;
	size_t n = blob_len;
	void *memory;
	int err = libdstack_secret_alloc(blob_len, &memory);

	if (err)
		return err;
	err = inner->unseal(inner->arg, blob, blob_len, memory, &n) ?:
		find_key(place, memory, n) ?:
		blob_read_data(place->set, memory, n, data, len);
	libdstack_secret_free(memory, blob_len);
	return err;
}

/*
 * The two places
 */

static int open_place(struct quorum *quorum, struct place *place)
{
	const struct state_seal *inner = quorum->options.inner;
	void *memory;
	int err = libdstack_secret_alloc(sizeof(*place->set), &memory);

	if (err)
		return err;
	place->quorum = quorum;
	place->set = memory;
	place->seal = (struct state_seal){
		.id = STATE_SEAL_QUORUM,
		.overhead = inner->overhead + BLOB_OVERHEAD_MAX,
		.seal = seal, .unseal = unseal, .arg = place,
	};
	return 0;
}

int quorum_open(const struct quorum_options *options, struct quorum **out)
{
	struct quorum *quorum = calloc(1, sizeof(*quorum));
	int err;

	if (!quorum)
		return -ENOMEM;
	quorum->options = *options;
	quorum->current = &quorum->places[0];
	pthread_mutex_init(&quorum->lock, NULL);
	err = open_place(quorum, &quorum->places[0]) ?:
		open_place(quorum, &quorum->places[1]);
	/* Of a state that is in no shares yet: a deal may take many tries. */
	if (!err && RAND_bytes(quorum->current->set->owner,
			       QUORUM_OWNER_SIZE) != 1)
		err = -EIO;
	if (err)
		quorum_close(quorum);
	else
		*out = quorum;
	return err;
}

void quorum_close(struct quorum *quorum)
{
	size_t i;

	if (!quorum)
		return;
	for (i = 0; i < 2; i++)
		libdstack_secret_free(quorum->places[i].set,
				      sizeof(*quorum->places[i].set));
	pthread_mutex_destroy(&quorum->lock);
	free(quorum);
}

const struct state_seal *quorum_seal(const struct quorum *quorum)
{
	return &quorum->places[0].seal;
}

/*
 * From one to the next
 */

/* What is under the current one, or under none, is so on the disk as well. */
static int end_doubt(struct quorum *quorum, struct state *state)
{
	const struct state_seal *old = quorum->current->set->has_key ?
		&quorum->current->seal : quorum->options.inner;
	int err = quorum->in_doubt ? state_reseal(state, old) : 0;

	if (!err)
		quorum->in_doubt = false;
	return err;
}

static int go_on(struct quorum *quorum, struct state *state,
		 struct place *next)
{
	int err = state_reseal(state, &next->seal);

	if (err) {
		quorum->in_doubt = true;
		return err;
	}
	explicit_bzero(quorum->current->set, sizeof(*quorum->current->set));
	quorum->current = next;
	return 0;
}

int quorum_share_out(struct quorum *quorum, struct state *state, uint8_t k,
		     const struct quorum_peers *peers)
{
	struct place *next;
	int err;

	pthread_mutex_lock(&quorum->lock);
	next = quorum->current == &quorum->places[0] ? &quorum->places[1] :
		&quorum->places[0];
	err = end_doubt(quorum, state) ?:
		deal(peers, k, quorum->current->set, next->set) ?:
		go_on(quorum, state, next);
	if (err)
		explicit_bzero(next->set, sizeof(*next->set));
	else
		deal_settle(peers, next->set);
	pthread_mutex_unlock(&quorum->lock);
	return err;
}

size_t quorum_settle(struct quorum *quorum, const struct quorum_peers *peers)
{
	size_t left = 0;

	pthread_mutex_lock(&quorum->lock);
	if (quorum->current->set->has_key && !quorum->in_doubt)
		left = deal_settle(peers, quorum->current->set);
	pthread_mutex_unlock(&quorum->lock);
	return left;
}

bool quorum_get_plan(struct quorum *quorum, struct shares_plan *plan)
{
	const struct share *own;
	bool is_shared;

	pthread_mutex_lock(&quorum->lock);
	own = &quorum->current->set->own;
	is_shared = quorum->current->set->has_key;
	*plan = (struct shares_plan){
		.k = own->k, .n = own->n, .generation = own->generation,
	};
	pthread_mutex_unlock(&quorum->lock);
	return is_shared;
}
