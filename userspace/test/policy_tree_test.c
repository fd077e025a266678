// SPDX-License-Identifier: MIT
/*
 * The root of a policy is that of its tree, and a proof holds for one leaf only
 *
 * Copyright The dstack for Linux authors
 */
#include "policy_fixture.h"

#include <openssl/evp.h>

#define HASH	DSTACK_DIGEST_SIZE
#define MANY	37

static const uint8_t app_id[DSTACK_APP_ID_SIZE] = { 0xab };

/* What policy.rst computes step by step. */
static const char example[] =
	"{\"version\":1,\"epoch\":7,\"app_id\":\"" APP "\",\"containers\":{"
	"\"web\":{\"allow\":[{\"digest\":" ZERO_DIGEST ",\"kinds\":[\"exec\"]},"
	"{\"digest\":" ONE_DIGEST ",\"kinds\":[\"map\",\"script\"]}],"
	"\"keys\":[{\"path\":\"db/\",\"kinds\":[\"aead\",\"hmac\"],"
	"\"delivery\":[\"handle\"]},{\"path\":\"\",\"kinds\":[\"bytes\"],"
	"\"delivery\":[\"logon\"],\"scope\":[\"app\",\"container\"]}],"
	"\"measure\":\"first\",\"revoked\":\"kill\"}}}";
static const char example_root[] =
	"8ed99f349adc9b6827633bf27caa50df2695a8832c72dc30a8b40f9263f2bac0";

static void sha256(const void *data, size_t len, uint8_t out[HASH])
{
	assert_true(EVP_Digest(data, len, out, NULL, EVP_sha256(), NULL));
}

static void root_of_the_example_is_that_of_the_document(void **state)
{
	struct libdstack_policy *policy = parsed(example);
	char hex[2 * HASH + 1];
	uint8_t root[HASH];

	(void)state;
	assert_int_equal(libdstack_policy_root(policy, root), 0);
	assert_string_equal(libdstack_to_hex(root, HASH, hex), example_root);
	libdstack_policy_free(policy);
}

/* As RFC 6962 defines it: split at the largest power of two below. */
static void tree_hash(uint8_t (*leaves)[HASH], size_t nr, uint8_t out[HASH])
{
	uint8_t text[1 + 2 * HASH] = { 1 };
	size_t left = 1;

	if (nr == 1) {
		memcpy(out, leaves[0], HASH);
		return;
	}
	while (2 * left < nr)
		left *= 2;
	tree_hash(leaves, left, text + 1);
	tree_hash(leaves + left, nr - left, text + 1 + HASH);
	sha256(text, sizeof(text), out);
}

/* Rules 0, 1, ... in one section "s". */
static struct libdstack_policy *numbered(size_t nr)
{
	struct dstack_digest digest = { .alg = DSTACK_ALG_SHA256 };
	struct libdstack_policy *policy;
	size_t i;

	assert_int_equal(libdstack_policy_new(app_id, 1, &policy), 0);
	assert_int_equal(libdstack_policy_add_section(policy, "s"), 0);
	for (i = 0; i < nr; i++) {
		digest.value[0] = i;
		assert_int_equal(libdstack_policy_add(policy, "s", &digest,
						      1 + i % 15, NULL), 0);
	}
	return policy;
}

static void prove(const struct libdstack_policy *policy, size_t i,
		  struct libdstack_proof *proof)
{
	struct dstack_digest digest = { .alg = DSTACK_ALG_SHA256 };

	digest.value[0] = i;
	assert_int_equal(libdstack_policy_prove(policy, "s", &digest, proof),
			 0);
}

/* The head and the section, as the document says. */
static void first_leaves(size_t rules, uint8_t (*leaves)[HASH])
{
	uint8_t head[31] = { 0, 'P', 0, 0xab, [23] = 1 };
	uint8_t section[37] = { 0, 'S', 1, 's', rules };
	size_t i;

	for (i = 0; i < DSTACK_TABLE_KINDS; i++) {
		section[13 + 2 * i] = 0xc7;
		section[14 + 2 * i] = 0x01;
	}
	sha256(head, sizeof(head), leaves[0]);
	sha256(section, sizeof(section), leaves[1]);
}

static void rule_leaf(size_t i, uint8_t out[HASH])
{
	uint8_t leaf[1 + 3 + HASH + 2] = { 0, 'R', 1, 's', i };

	leaf[4 + HASH] = DSTACK_ALG_SHA256;
	leaf[5 + HASH] = 1 + i % 15;
	sha256(leaf, sizeof(leaf), out);
}

static void root_is_that_of_rfc6962_and_the_leaves(void **state)
{
	uint8_t leaves[2 + MANY][HASH], text[1 + 8 + HASH] = { 2 };
	uint8_t want[HASH], root[HASH];
	struct libdstack_policy *policy;
	size_t nr, i;

	(void)state;
	for (nr = 0; nr <= MANY; nr++) {
		policy = numbered(nr);
		first_leaves(nr, leaves);
		for (i = 0; i < nr; i++)
			rule_leaf(i, leaves[2 + i]);
		text[1] = 2 + nr;
		tree_hash(leaves, 2 + nr, text + 9);
		sha256(text, sizeof(text), want);
		assert_int_equal(libdstack_policy_root(policy, root), 0);
		assert_memory_equal(root, want, HASH);
		libdstack_policy_free(policy);
	}
}

static void every_rule_has_a_proof_that_holds(void **state)
{
	char section[DSTACK_SECTION_SIZE];
	struct libdstack_policy *policy;
	struct libdstack_proof proof;
	struct dstack_digest digest;
	uint8_t root[HASH];
	uint32_t kinds;
	size_t nr, i;

	(void)state;
	for (nr = 1; nr <= MANY; nr++) {
		policy = numbered(nr);
		assert_int_equal(libdstack_policy_root(policy, root), 0);
		for (i = 0; i < nr; i++) {
			prove(policy, i, &proof);
			assert_int_equal(proof.index, 2 + i);
			assert_int_equal(proof.count, 2 + nr);
			assert_int_equal(libdstack_proof_check(&proof, root),
					 0);
			assert_int_equal(libdstack_proof_rule(&proof, section,
							      &digest, &kinds),
					 0);
			assert_string_equal(section, "s");
			assert_int_equal(digest.alg, DSTACK_ALG_SHA256);
			assert_int_equal(digest.value[0], i);
			assert_int_equal(kinds, 1 + i % 15);
		}
		digest.value[0] = nr;
		assert_int_equal(libdstack_policy_prove(policy, "s", &digest,
							&proof), -ENOENT);
		libdstack_policy_free(policy);
	}
}

static void refused(const struct libdstack_proof *proof,
		    const uint8_t root[HASH])
{
	assert_int_equal(libdstack_proof_check(proof, root), -EBADMSG);
}

/* No other index and no other number of leaves, near or far. */
static void attack_75_proof_for_another_index_is_refused(void **state)
{
	struct libdstack_policy *policy = numbered(MANY);
	struct libdstack_proof proof, other;
	uint8_t root[HASH];
	uint64_t i, count;

	(void)state;
	assert_int_equal(libdstack_policy_root(policy, root), 0);
	prove(policy, 5, &proof);
	for (i = 0; i < 2 * MANY; i++) {
		for (count = 0; count < 2 * MANY; count++) {
			other = proof;
			other.index = i;
			other.count = count;
			if (i != proof.index || count != proof.count)
				refused(&other, root);
		}
	}
	other = proof;
	other.index = UINT64_MAX;
	refused(&other, root);
	other.count = UINT64_MAX;
	refused(&other, root);
	libdstack_policy_free(policy);
}

/* Two hashes side by side are no leaf, and a leaf is no node. */
static void attack_75_node_as_leaf_is_refused(void **state)
{
	struct libdstack_policy *policy = numbered(6);
	struct libdstack_proof left, right, forged;
	uint8_t root[HASH], leaf[HASH];
	size_t i;

	(void)state;
	assert_int_equal(libdstack_policy_root(policy, root), 0);
	prove(policy, 0, &left);
	prove(policy, 1, &right);
	assert_memory_equal(left.path[1], right.path[1], HASH);
	/* The node above both, given for a leaf of a tree with half of them. */
	forged = left;
	memcpy(forged.leaf, right.path[0], HASH);
	memcpy(forged.leaf + HASH, left.path[0], HASH);
	forged.leaf_len = 2 * HASH;
	forged.nr--;
	memmove(forged.path, left.path + 1, sizeof(left.path[0]) * forged.nr);
	for (i = 0; i < 8; i++) {
		forged.index = i;
		for (forged.count = 1; forged.count < 10; forged.count++)
			refused(&forged, root);
	}
	/* A leaf's hash in the place of its bytes. */
	rule_leaf(0, leaf);
	forged = left;
	memcpy(forged.leaf, leaf, HASH);
	forged.leaf_len = HASH;
	refused(&forged, root);
	/* The root of the tree as a leaf, alone. */
	memset(&forged, 0, sizeof(forged));
	forged.count = 1;
	memcpy(forged.leaf, root, HASH);
	forged.leaf_len = HASH;
	refused(&forged, root);
	libdstack_policy_free(policy);
}

/* What SHA-256 puts behind @len bytes, up to the end of its block. */
static size_t padding(uint64_t len, uint8_t out[128])
{
	size_t nr = 64 - (len + 8) % 64, i;

	memset(out, 0, 128);
	out[0] = 0x80;
	for (i = 0; i < 8; i++)
		out[nr + i] = 8 * len >> (56 - 8 * i);
	return nr + 8;
}

/*
 * Who knows SHA-256 of a text knows that of the text, its padding and whatever
 * he likes behind that.  Nothing in a tree is as long as he likes.
 */
static void attack_75_leaf_made_longer_is_refused(void **state)
{
	struct libdstack_policy *policy = numbered(MANY);
	struct libdstack_proof proof, other;
	char section[DSTACK_SECTION_SIZE];
	struct dstack_digest digest;
	uint8_t root[HASH], pad[128];
	uint32_t kinds;
	size_t len, more;

	(void)state;
	assert_int_equal(libdstack_policy_root(policy, root), 0);
	prove(policy, 3, &proof);
	/* With the byte that all leaves begin with. */
	len = padding(1 + proof.leaf_len, pad);
	assert_int_equal((1 + proof.leaf_len + len) % 64, 0);
	for (more = 0; proof.leaf_len + len + more <= LIBDSTACK_LEAF_MAX;
	     more++) {
		other = proof;
		memcpy(other.leaf + proof.leaf_len, pad, len);
		memset(other.leaf + proof.leaf_len + len, 'x', more);
		other.leaf_len = proof.leaf_len + len + more;
		refused(&other, root);
		assert_int_equal(libdstack_proof_rule(&other, section, &digest,
						      &kinds), -EBADMSG);
	}
	assert_true(more > 0);
	libdstack_policy_free(policy);
}

/* A policy that approves another content is another policy. */
static void attack_75_each_bit_of_a_digest_is_in_the_root(void **state)
{
	struct dstack_digest digest = { .alg = DSTACK_ALG_SHA256 };
	uint8_t root[HASH], other[HASH];
	struct libdstack_policy *policy = numbered(1);
	size_t i;

	(void)state;
	assert_int_equal(libdstack_policy_root(policy, root), 0);
	libdstack_policy_free(policy);
	for (i = 0; i < 8 * HASH; i++) {
		policy = numbered(0);
		memset(digest.value, 0, HASH);
		digest.value[i / 8] ^= 1 << i % 8;
		assert_int_equal(libdstack_policy_add(policy, "s", &digest, 1,
						      NULL), 0);
		assert_int_equal(libdstack_policy_root(policy, other), 0);
		assert_memory_not_equal(root, other, HASH);
		libdstack_policy_free(policy);
	}
}

static void attack_75_changed_proof_is_refused(void **state)
{
	struct libdstack_policy *policy = numbered(MANY);
	struct libdstack_proof proof, other;
	uint8_t root[HASH];
	size_t i;

	(void)state;
	assert_int_equal(libdstack_policy_root(policy, root), 0);
	prove(policy, MANY - 1, &proof);
	for (i = 0; i < 8 * proof.leaf_len; i++) {
		other = proof;
		other.leaf[i / 8] ^= 1 << i % 8;
		refused(&other, root);
	}
	for (i = 0; i < 8 * HASH * proof.nr; i++) {
		other = proof;
		other.path[i / 8 / HASH][i / 8 % HASH] ^= 1 << i % 8;
		refused(&other, root);
	}
	for (i = 0; i < LIBDSTACK_LEAF_MAX + 2; i++) {
		other = proof;
		other.leaf_len = i;
		if (i != proof.leaf_len)
			refused(&other, root);
	}
	for (i = 0; i < LIBDSTACK_PROOF_MAX + 2; i++) {
		other = proof;
		other.nr = i;
		if (i != proof.nr)
			refused(&other, root);
	}
	root[0] ^= 1;
	refused(&proof, root);
	libdstack_policy_free(policy);
}

/* One leaf more, even the last one again, is another tree. */
static void trees_that_differ_have_other_roots(void **state)
{
	static const char *const texts[] = {
		WITH(ENTRY), WITH(""),
		"{" HEAD ",\"containers\":{}}",
		"{\"version\":1,\"epoch\":2,\"app_id\":\"" APP "\","
		"\"containers\":{\"web\":{\"allow\":[" ENTRY "]}}}",
		"{" HEAD ",\"containers\":{\"wec\":{\"allow\":[" ENTRY "]}}}",
		"{" HEAD ",\"containers\":{\"web\":{\"allow\":[],"
		"\"memory\":\"allow\"}}}",
		"{" HEAD ",\"containers\":{\"web\":{\"allow\":[],"
		"\"revoked\":\"freeze\"}}}",
		"{" HEAD ",\"containers\":{\"web\":{\"allow\":[],"
		"\"storage\":{\"map\":[\"disk\"]}}}}",
		"{" HEAD ",\"containers\":{\"web\":{\"allow\":[],"
		"\"trust\":{\"map\":[\"disk\"]}}}}",
		"{" HEAD ",\"containers\":{\"web\":{\"allow\":[],"
		"\"keys\":[{\"path\":\"\",\"kinds\":[\"hmac\"],"
		"\"delivery\":[\"handle\"]}]}}}",
		WITH("{\"digest\":" ZERO_DIGEST ",\"kinds\":[\"map\"]}"),
		WITH("{\"digest\":" ONE_DIGEST ",\"kinds\":[\"exec\"]}"),
	};
	uint8_t roots[ARRAY_SIZE(texts)][HASH];
	struct libdstack_policy *policy;
	size_t i, k;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(texts); i++) {
		policy = parsed(texts[i]);
		assert_int_equal(libdstack_policy_root(policy, roots[i]), 0);
		for (k = 0; k < i; k++)
			assert_memory_not_equal(roots[i], roots[k], HASH);
		libdstack_policy_free(policy);
	}
	policy = parsed(WITH("{\"kinds\":[\"exec\"],\"path\":\"/x\",\"digest\":"
			     ZERO_DIGEST "}"));
	assert_int_equal(libdstack_policy_root(policy, roots[1]), 0);
	assert_memory_equal(roots[0], roots[1], HASH);
	libdstack_policy_free(policy);
}

static void leaf_that_is_no_rule_says_none(void **state)
{
	struct libdstack_proof proof = { .leaf = "P" };
	char section[DSTACK_SECTION_SIZE];
	struct dstack_digest digest;
	uint32_t kinds;

	(void)state;
	for (proof.leaf_len = 0; proof.leaf_len < LIBDSTACK_LEAF_MAX;
	     proof.leaf_len++) {
		proof.leaf[0] = 'S';
		assert_int_equal(libdstack_proof_rule(&proof, section, &digest,
						      &kinds), -EBADMSG);
		/* A name that is longer than there is. */
		proof.leaf[0] = 'R';
		proof.leaf[1] = 0xff;
		assert_int_equal(libdstack_proof_rule(&proof, section, &digest,
						      &kinds), -EBADMSG);
		proof.leaf[1] = 0;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(root_of_the_example_is_that_of_the_document),
		cmocka_unit_test(root_is_that_of_rfc6962_and_the_leaves),
		cmocka_unit_test(every_rule_has_a_proof_that_holds),
		cmocka_unit_test(attack_75_proof_for_another_index_is_refused),
		cmocka_unit_test(attack_75_node_as_leaf_is_refused),
		cmocka_unit_test(attack_75_leaf_made_longer_is_refused),
		cmocka_unit_test(attack_75_each_bit_of_a_digest_is_in_the_root),
		cmocka_unit_test(attack_75_changed_proof_is_refused),
		cmocka_unit_test(trees_that_differ_have_other_roots),
		cmocka_unit_test(leaf_that_is_no_rule_says_none),
	};

	libdstack_set_message_callback(keep_message);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
