/* SPDX-License-Identifier: MIT */
/*
 * What the files of this room share
 *
 * Copyright The dstack for Linux authors
 */
#ifndef KMSD_QUORUM_ROOM_H
#define KMSD_QUORUM_ROOM_H

#include "quorum.h"

/* One data key.  In memory of libdstack_secret_alloc(). */
struct quorum_set {
	uint8_t owner[QUORUM_OWNER_SIZE];
	struct share own;		/* that stays; has k, n, generation */
	/* SHA-256 of each share, by its number: who gives another one lies. */
	uint8_t hashes[SHARES_MAX][QUORUM_HASH_SIZE];
	uint8_t key[QUORUM_KEY_SIZE];
	bool has_key;
};

/* blob.c */

#define BLOB_OVERHEAD_MAX	1280

/* *@len bytes to @blob, which has room for BLOB_OVERHEAD_MAX more. */
int blob_write(const struct quorum_set *set, const void *data, size_t data_len,
	       uint8_t *blob, size_t *len);
/* All but the key.  -EBADMSG. */
int blob_read_set(const uint8_t *blob, size_t len, struct quorum_set *set);
/* *@data_len: room, and then what there is.  -EBADMSG. */
int blob_read_data(const struct quorum_set *set, const uint8_t *blob,
		   size_t len, void *data, size_t *data_len);
int share_hash(const struct share *share, uint8_t out[QUORUM_HASH_SIZE]);
/* What is shown for shares of others, by who has that one. */
int set_proof(const struct quorum_set *set, uint8_t out[QUORUM_HASH_SIZE]);

/* deal.c */

void peers_tell(const struct quorum_peers *peers, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/*
 * To @next, what follows @current, which has no key if there is none.  All of
 * @peers have stored their shares when this returns 0.
 */
int deal(const struct quorum_peers *peers, uint8_t k,
	 const struct quorum_set *current, struct quorum_set *next);
/* How many of @peers could not be told that @set is in use. */
size_t deal_settle(const struct quorum_peers *peers,
		   const struct quorum_set *set);

/* gather.c */

/* Fills in the key.  -ECANCELED. */
int gather(const struct quorum_peers *peers, struct quorum_set *set);

/* kept.c: pure */

#define KEPT_MAX	2		/* in use, and the next one */
#define KEPT_SIZE_MAX	512

struct kept_share {
	uint8_t check[QUORUM_HASH_SIZE];
	struct share share;
};

/* In memory of libdstack_secret_alloc(). */
struct kept {
	uint8_t owner[QUORUM_OWNER_SIZE];
	uint8_t who[QUORUM_HASH_SIZE];
	uint32_t in_use;		/* older ones are not taken any more */
	size_t nr;
	struct kept_share shares[KEPT_MAX];
};

size_t kept_write(const struct kept *kept, uint8_t out[KEPT_SIZE_MAX]);
/* -EBADMSG, -EPROTONOSUPPORT */
int kept_read(const uint8_t *data, size_t len, struct kept *kept);

#endif /* KMSD_QUORUM_ROOM_H */
