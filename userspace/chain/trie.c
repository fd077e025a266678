// SPDX-License-Identifier: MIT
/*
 * What is stored in a trie whose root is known, or that it is not
 *
 * Copyright The dstack for Linux authors
 *
 * Every node but the root is named by the node before it: by hash, or, if it
 * is shorter than a hash, it is inside.  So whoever can't break the hash can't
 * show but what is there (Yellow Paper, appendix D).  Paths are hashes, all of
 * 64 digits: a path that ends in the middle is none.
 */
#include "chain.h"

#include <errno.h>
#include <string.h>

#include "rlp.h"

#define DIGITS		(2 * CHAIN_HASH)
#define BRANCHES	16

/* The hash of an empty string's RLP. */
const uint8_t chain_empty_root[CHAIN_HASH] = {
	0x56, 0xe8, 0x1f, 0x17, 0x1b, 0xcc, 0x55, 0xa6,
	0xff, 0x83, 0x45, 0xe6, 0x92, 0xc0, 0xf8, 0x6e,
	0x5b, 0x48, 0xe0, 0x1b, 0x99, 0x6c, 0xad, 0xc0,
	0x01, 0x62, 0x2f, 0xb5, 0xe3, 0x63, 0xb4, 0x21,
};

struct walk {
	const struct chain_bytes *nodes;
	size_t nr, used;
	uint8_t path[DIGITS];
	size_t at;			/* digits that were gone */
	struct chain_bytes value;	/* without data: shown to be absent */
	bool done;
	struct chain_why *why;
};

static int bad(struct walk *walk, const char *what)
{
	return chain_fail(walk->why, -EBADMSG, "node %zu of the proof %s",
			  walk->used, what);
}

/* The next node, which has to have this hash. */
static int take_node(struct walk *walk, const uint8_t *hash,
		     struct chain_bytes *items)
{
	uint8_t have[CHAIN_HASH];
	struct chain_bytes node;

	if (walk->used == walk->nr)
		return bad(walk, "is missing");
	node = walk->nodes[walk->used];
	if (!chain_keccak(node.data, node.len, have))
		return chain_fail(walk->why, -EIO, "there is no KECCAK-256");
	if (memcmp(have, hash, CHAIN_HASH))
		return bad(walk, "has another hash than the node before says");
	/* Shorter ones are inside others, but for the root. */
	if (node.len < CHAIN_HASH && walk->used)
		return bad(walk, "is too short to stand alone");
	if (!rlp_list(node, items))
		return bad(walk, "is no list");
	walk->used++;
	return 0;
}

static void end(struct walk *walk, struct chain_bytes value)
{
	walk->value = value;
	walk->done = true;
}

/* Goes where @ref leads. */
static int follow(struct walk *walk, const struct rlp_item *ref,
		  struct chain_bytes *items)
{
	if (ref->list) {
		if (ref->size >= CHAIN_HASH)
			return bad(walk, "has one inside that is too long");
		*items = ref->body;
		return 0;
	}
	if (ref->body.len == CHAIN_HASH)
		return take_node(walk, ref->body.data, items);
	if (ref->body.len)
		return bad(walk, "names the next by no hash");
	end(walk, (struct chain_bytes){ NULL, 0 });
	return 0;
}

static int branch(struct walk *walk, const struct rlp_item *refs,
		  struct chain_bytes *items)
{
	/* Nothing ends here: all paths are equally long. */
	if (refs[BRANCHES].list || refs[BRANCHES].body.len)
		return bad(walk, "has a value in a branch");
	if (walk->at == DIGITS)
		return bad(walk, "is below the end of the path");
	return follow(walk, &refs[walk->path[walk->at++]], items);
}

static uint8_t digit(const uint8_t *bytes, size_t i)
{
	return i & 1 ? bytes[i / 2] & 15 : bytes[i / 2] >> 4;
}

/* A part of the path, and what is behind it. */
static int twig(struct walk *walk, const struct rlp_item *refs,
		struct chain_bytes *items)
{
	const struct chain_bytes part = refs[0].body;
	size_t nr, from, i;
	uint8_t flags;

	if (refs[0].list || !part.len || part.len > CHAIN_HASH + 1)
		return bad(walk, "has no path");
	flags = part.data[0] >> 4;
	from = flags & 1 ? 1 : 2;
	nr = 2 * part.len - from;
	if (flags > 3 || (!(flags & 1) && part.data[0] & 15))
		return bad(walk, "has a path of no known form");
	if (nr > DIGITS - walk->at || (flags & 2 && nr != DIGITS - walk->at) ||
	    (!(flags & 2) && !nr))
		return bad(walk, "has a path of another length");
	if (!(flags & 2) && !refs[1].list && !refs[1].body.len)
		return bad(walk, "leads nowhere");
	if (flags & 2 && refs[1].list)
		return bad(walk, "has a value that is a list");
	for (i = 0; i < nr; i++) {
		if (digit(part.data, from + i) == walk->path[walk->at + i])
			continue;
		end(walk, (struct chain_bytes){ NULL, 0 });
		return 0;
	}
	walk->at += nr;
	if (!(flags & 2))
		return follow(walk, &refs[1], items);
	end(walk, refs[1].body);
	return 0;
}

static int step(struct walk *walk, struct chain_bytes *items)
{
	struct rlp_item refs[BRANCHES + 1];
	size_t nr = 0;

	while (items->len) {
		if (nr == BRANCHES + 1 || !rlp_take(items, &refs[nr]))
			return bad(walk, "is neither branch nor leaf");
		nr++;
	}
	if (nr == BRANCHES + 1)
		return branch(walk, refs, items);
	if (nr == 2)
		return twig(walk, refs, items);
	return bad(walk, "is neither branch nor leaf");
}

static bool is_empty(const uint8_t *root, const struct chain_bytes *nodes,
		     size_t nr)
{
	if (memcmp(root, chain_empty_root, CHAIN_HASH))
		return false;
	/* Some say nothing of it, and some what it is. */
	return !nr || (nr == 1 && nodes[0].len == 1 &&
		       nodes[0].data[0] == 0x80);
}

int chain_trie_get(const uint8_t root[CHAIN_HASH], struct chain_bytes key,
		   const struct chain_bytes *nodes, size_t nr,
		   struct chain_bytes *value, struct chain_why *why)
{
	struct walk walk = { .nodes = nodes, .nr = nr, .why = why };
	uint8_t path[CHAIN_HASH];
	struct chain_bytes items;
	size_t i;
	int err;

	*value = (struct chain_bytes){ NULL, 0 };
	if (is_empty(root, nodes, nr))
		return 0;
	if (!chain_keccak(key.data, key.len, path))
		return chain_fail(why, -EIO, "there is no KECCAK-256");
	for (i = 0; i < DIGITS; i++)
		walk.path[i] = digit(path, i);
	err = take_node(&walk, root, &items);
	while (!err && !walk.done)
		err = step(&walk, &items);
	if (!err && walk.used != nr)
		err = bad(&walk, "is not of the path");
	if (!err)
		*value = walk.value;
	return err;
}
