// SPDX-License-Identifier: MIT
/*
 * The Merkle tree of a policy: its root, and proofs that something is in it
 *
 * Copyright The dstack for Linux authors
 *
 * The leaves are what the table holds, in its order; policy.rst has the bytes.
 */
#include "lib.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "merkle.h"
#include "policy.h"

#define HASH	MERKLE_HASH

static_assert(1 + 1 + DSTACK_SECTION_SIZE - 1 + DSTACK_DIGEST_SIZE + 2 <=
	      LIBDSTACK_LEAF_MAX, "a leaf of a rule");
static_assert(1 + 1 + DSTACK_SECTION_SIZE - 1 + 4 + 4 + 1 +
	      2 * DSTACK_TABLE_KINDS * 2 + 4 <= LIBDSTACK_LEAF_MAX,
	      "a leaf of a section");
static_assert(1 + 1 + DSTACK_SECTION_SIZE - 1 + 1 + DSTACK_TABLE_KEY_PREFIX +
	      3 <= LIBDSTACK_LEAF_MAX, "a leaf of a key term");

struct leaf {
	size_t len;
	uint8_t bytes[LIBDSTACK_LEAF_MAX];
};

static void put(struct leaf *leaf, const void *data, size_t len)
{
	memcpy(leaf->bytes + leaf->len, data, len);
	leaf->len += len;
}

static void begin(struct leaf *leaf, char what, const char *section)
{
	uint8_t len = strlen(section);

	leaf->len = 0;
	put(leaf, &what, 1);
	put(leaf, &len, 1);
	put(leaf, section, len);
}

static void leaf_of_head(struct leaf *leaf,
			 const struct dstack_table_header *header)
{
	begin(leaf, 'P', "");
	put(leaf, header->app_id, sizeof(header->app_id));
	put(leaf, &header->epoch, sizeof(header->epoch));
}

static void leaf_of_section(struct leaf *leaf,
			    const struct dstack_table_section *section)
{
	begin(leaf, 'S', section->name);
	put(leaf, &section->count, sizeof(section->count));
	put(leaf, &section->flags, sizeof(section->flags));
	put(leaf, &section->revoked, sizeof(section->revoked));
	put(leaf, section->accept, sizeof(section->accept));
	put(leaf, section->trust, sizeof(section->trust));
	put(leaf, &section->count_keys, sizeof(section->count_keys));
}

static void leaf_of_rule(struct leaf *leaf,
			 const struct dstack_table_section *section,
			 const struct dstack_table_rule *rule)
{
	begin(leaf, 'R', section->name);
	put(leaf, rule->digest, sizeof(rule->digest));
	put(leaf, &rule->alg, sizeof(rule->alg));
	put(leaf, &rule->kinds, sizeof(rule->kinds));
}

static void leaf_of_key(struct leaf *leaf,
			const struct dstack_table_section *section,
			const struct dstack_table_key *key)
{
	begin(leaf, 'K', section->name);
	put(leaf, &key->path_len, sizeof(key->path_len));
	put(leaf, key->path, key->path_len);
	put(leaf, &key->kinds, sizeof(key->kinds));
	put(leaf, &key->scopes, sizeof(key->scopes));
	put(leaf, &key->delivery, sizeof(key->delivery));
}

/* For each leaf in turn; returns other than 0 to stop. */
typedef int (*leaf_fn)(const struct leaf *leaf, void *arg);

static int each_leaf_of(const void *table,
			const struct dstack_table_section *section, leaf_fn fn,
			void *arg)
{
	const struct dstack_table_rule *rule = dstack_table_rules(table) +
		le32_to_cpu(section->first);
	const struct dstack_table_key *key = dstack_table_keys(table) +
		le32_to_cpu(section->first_key);
	struct leaf leaf;
	uint32_t i;
	int err;

	leaf_of_section(&leaf, section);
	err = fn(&leaf, arg);
	for (i = 0; !err && i < le32_to_cpu(section->count); i++) {
		leaf_of_rule(&leaf, section, rule++);
		err = fn(&leaf, arg);
	}
	for (i = 0; !err && i < le32_to_cpu(section->count_keys); i++) {
		leaf_of_key(&leaf, section, key++);
		err = fn(&leaf, arg);
	}
	return err;
}

static int each_leaf(const void *table, leaf_fn fn, void *arg)
{
	const struct dstack_table_header *header = table;
	const struct dstack_table_section *section =
		dstack_table_sections(table);
	struct leaf leaf;
	uint32_t i;
	int err;

	leaf_of_head(&leaf, header);
	err = fn(&leaf, arg);
	for (i = 0; !err && i < le32_to_cpu(header->sections); i++)
		err = each_leaf_of(table, section++, fn, arg);
	return err;
}

/* @wanted: what the leaf to be proven begins with; NULL for the root alone. */
struct tree {
	uint8_t (*hashes)[HASH];
	uint64_t count;
	const struct leaf *wanted;
	bool found;
	uint64_t at;		/* its index, on the level in hand */
	struct libdstack_proof *proof;
};

static int add_leaf(const struct leaf *leaf, void *arg)
{
	struct tree *tree = arg;

	if (tree->wanted && leaf->len >= tree->wanted->len &&
	    !memcmp(leaf->bytes, tree->wanted->bytes, tree->wanted->len)) {
		tree->found = true;
		tree->proof->index = tree->count;
		tree->at = tree->count;
		tree->proof->leaf_len = leaf->len;
		memcpy(tree->proof->leaf, leaf->bytes, leaf->len);
	}
	return merkle_leaf(leaf->bytes, leaf->len,
			   tree->hashes[tree->count++]);
}

/* The neighbour on the way up from the leaf to be proven, if there is one. */
static void add_neighbour(void *arg, const uint8_t *hashes, uint64_t nr)
{
	struct tree *tree = arg;

	if ((tree->at ^ 1) < nr)
		memcpy(tree->proof->path[tree->proof->nr++],
		       hashes + (tree->at ^ 1) * HASH, HASH);
	tree->at /= 2;
}

static int make_tree(const struct libdstack_policy *policy, struct tree *tree,
		     uint8_t root[HASH])
{
	size_t size;
	void *table;
	int err;

	err = libdstack_policy_compile(policy, &table, &size);
	if (err)
		return err;
	tree->hashes = calloc(1 + policy->nr_sections + policy->nr_rules +
			      policy->nr_keys, HASH);
	err = tree->hashes ? each_leaf(table, add_leaf, tree) : -ENOMEM;
	if (!err && tree->wanted && !tree->found)
		err = -ENOENT;
	if (!err)
		err = merkle_root(tree->hashes[0], tree->count,
				  tree->found ? add_neighbour : NULL, tree,
				  root);
	free(tree->hashes);
	free(table);
	return err;
}

int libdstack_policy_root(const struct libdstack_policy *policy,
			  uint8_t root[DSTACK_DIGEST_SIZE])
{
	struct tree tree = { .wanted = NULL };

	return make_tree(policy, &tree, root);
}

static int prove(const struct libdstack_policy *policy,
		 const struct leaf *wanted, struct libdstack_proof *proof)
{
	struct tree tree = { .wanted = wanted, .proof = proof };
	uint8_t root[HASH];
	int err;

	err = make_tree(policy, &tree, root);
	proof->count = tree.count;
	return err;
}

int libdstack_policy_prove(const struct libdstack_policy *policy,
			   const char *section,
			   const struct dstack_digest *digest,
			   struct libdstack_proof *proof)
{
	uint8_t alg = digest->alg;
	struct leaf wanted;

	memset(proof, 0, sizeof(*proof));
	if (!policy_find(policy, section))
		return -ENOENT;
	begin(&wanted, 'R', section);
	put(&wanted, digest->value, sizeof(digest->value));
	put(&wanted, &alg, sizeof(alg));
	return prove(policy, &wanted, proof);
}

int libdstack_policy_prove_keys(const struct libdstack_policy *policy,
				const char *section, const char *path,
				struct libdstack_proof *proof)
{
	uint8_t len = strlen(path);
	struct leaf wanted;

	memset(proof, 0, sizeof(*proof));
	if (!policy_find(policy, section) ||
	    strlen(path) > DSTACK_TABLE_KEY_PREFIX)
		return -ENOENT;
	begin(&wanted, 'K', section);
	put(&wanted, &len, sizeof(len));
	put(&wanted, path, len);
	return prove(policy, &wanted, proof);
}

int libdstack_proof_check(const struct libdstack_proof *proof,
			  const uint8_t root[DSTACK_DIGEST_SIZE])
{
	uint8_t value[HASH];
	int err = merkle_climb(proof, value);

	if (!err && memcmp(value, root, HASH))
		err = -EBADMSG;
	return err;
}

int libdstack_proof_rule(const struct libdstack_proof *proof,
			 char section[DSTACK_SECTION_SIZE],
			 struct dstack_digest *digest, uint32_t *kinds)
{
	size_t len = proof->leaf_len > 1 ? proof->leaf[1] : 0;
	const uint8_t *at = proof->leaf + 2 + len;

	if (proof->leaf_len != 2 + len + HASH + 2 || proof->leaf[0] != 'R' ||
	    len >= DSTACK_SECTION_SIZE)
		return -EBADMSG;
	memcpy(section, proof->leaf + 2, len);
	section[len] = '\0';
	memcpy(digest->value, at, HASH);
	digest->alg = at[HASH];
	*kinds = at[HASH + 1];
	return 0;
}
