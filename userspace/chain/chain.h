/* SPDX-License-Identifier: MIT */
/*
 * What a chain says, without trust in who tells it
 *
 * Copyright The dstack for Linux authors
 *
 * Nothing that a server says of a contract counts but what follows by hashes
 * from a header whose hash is known.  See Documentation/chain/chain.rst.
 */
#ifndef CHAIN_H
#define CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHAIN_HASH	32
#define CHAIN_ADDRESS	20
#define CHAIN_WHY_MAX	256

/* Of who else owns it. */
struct chain_bytes {
	const uint8_t *data;
	size_t len;
};

/* The first reason for a refusal: one line of plain text. */
struct chain_why {
	char text[CHAIN_WHY_MAX];
};

/* Returns @err. */
int chain_fail(struct chain_why *why, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* keccak.c */

/* False if the library of ciphers does not have it: then nothing holds. */
bool chain_keccak(const void *data, size_t len, uint8_t hash[CHAIN_HASH]);
/* Where entry @key of the mapping in @slot is. */
bool chain_mapping_slot(const uint8_t key[32], const uint8_t slot[32],
			uint8_t out[32]);

/* trie.c */

#define CHAIN_NODES_MAX	65	/* of a path of 64 digits */
#define CHAIN_NODE_MAX	1024	/* bytes; 17 hashes are 564 */

extern const uint8_t chain_empty_root[CHAIN_HASH];

/*
 * What is stored under @key, whose hash is the path from @root; *@value is in
 * one of @nodes, and without data if the proof shows that nothing is stored.
 * All nodes have to be of the path, in order.  -EBADMSG: nothing is shown.
 */
int chain_trie_get(const uint8_t root[CHAIN_HASH], struct chain_bytes key,
		   const struct chain_bytes *nodes, size_t nr,
		   struct chain_bytes *value, struct chain_why *why);

/* account.c */

struct chain_account {
	uint8_t storage_root[CHAIN_HASH];
	uint8_t code_hash[CHAIN_HASH];
	bool exists;
	bool has_code;
};

/* An account that is not there has no storage and no code. */
int chain_account_prove(const uint8_t state_root[CHAIN_HASH],
			const uint8_t address[CHAIN_ADDRESS],
			const struct chain_bytes *nodes, size_t nr,
			struct chain_account *account, struct chain_why *why);
/* A slot that is not there is zero. */
int chain_slot_prove(const struct chain_account *account,
		     const uint8_t slot[32], const struct chain_bytes *nodes,
		     size_t nr, uint8_t value[32], struct chain_why *why);

/* header.c */

#define CHAIN_HEADER_MAX 4096	/* bytes; those of proof of stake are 700 */

struct chain_header {
	uint8_t hash[CHAIN_HASH];
	uint8_t parent[CHAIN_HASH];
	uint8_t state_root[CHAIN_HASH];
	uint64_t number;
	uint64_t time;			/* seconds since 1970 */
};

/* A header as RLP, of any fork until today. */
int chain_header_read(struct chain_bytes rlp, struct chain_header *header,
		      struct chain_why *why);
/*
 * From a header that is trusted to its parents: @older[0] is the parent of
 * @head, and so on.  There is no way in the other direction: everybody can make
 * a child of a header.
 */
int chain_header_link(const struct chain_header *head,
		      const struct chain_header *older, size_t nr,
		      struct chain_why *why);

/* head.c */

/* What was accepted last; all zero: nothing yet.  Kept by who uses it. */
struct chain_head {
	uint8_t hash[CHAIN_HASH];
	uint64_t number;
	uint64_t time;
};

struct chain_limits {
	uint64_t max_age;		/* seconds; 0 is no limit that holds */
	uint64_t max_ahead;		/* of clocks that differ */
};

/*
 * Whether @header may follow @head at @now: not too old, not of the future, not
 * before what was accepted and not beside it.  Then it is the head.
 * -ESTALE or -EBADMSG.
 */
int chain_head_accept(struct chain_head *head,
		      const struct chain_header *header,
		      const struct chain_limits *limits, uint64_t now,
		      struct chain_why *why);

#endif /* CHAIN_H */
