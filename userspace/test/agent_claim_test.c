// SPDX-License-Identifier: MIT
/*
 * Signature chains: upstream's links, and what is no link of one
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "../keys/primitives.h"
#include "agent_keys_fixture.h"
#include "vectors.h"

#define APP_PUBLIC	"0375427ab8309aad26beea8142edf427674e4544604ae4dc5045108ad21fc8a0db"
#define ROOT_KEY	"00000000000000000000000000000000000000000000000000000000000000a7"
#define LINK0		"c8a3dcf06c4e95bd78a5d7a1c8fcff171fc5848cfae804c6fc11bda4dc5d4062379995390843827444992c4c0e4bac70f0f878e01b9fc8b98cd7126fe5a3876b01"
#define V1_LINK0	"5b6193729ce7976ec67863f21692d4b98c69832698aae8e001a7d33a6f818b6e46ca950725b6e90e8ca9bcf394abd03ce264bf9b7eec1e91693247f9dd53c26901"

static struct agent_claim claim_of(bool v1, enum agent_algorithm algorithm,
				   const char *name, const char *public)
{
	struct bytes key = hex(public);
	struct agent_claim claim = {
		.v1 = v1, .algorithm = algorithm, .name = name,
		.name_len = strlen(name), .public.len = key.len,
	};

	memcpy(claim.public.bytes, key.data, key.len);
	return claim;
}

static struct agent_claim claim_v0(void)
{
	return claim_of(false, AGENT_SECP256K1, "signing",
			key_cases[2].public);
}

static struct agent_claim claim_v1(void)
{
	return claim_of(true, AGENT_SECP256K1, "storage-encryption",
			key_cases[5].public);
}

static struct bytes sign(const struct agent_claim *claim, const char *key)
{
	struct bytes app = hex(key), link = { .len = AGENT_LINK_SIZE };

	assert_int_equal(agent_claim_sign(claim, app.data, link.data), 0);
	return link;
}

static const uint8_t app_id[DSTACK_APP_ID_SIZE] = { 0xa1, 0xb2, 0xc3 };

/* As a KMS would. */
static struct bytes issue(const char *app_public)
{
	struct bytes app = hex(app_public), root = hex(ROOT_KEY);
	const struct part parts[] = {
		{ "dstack-kms-issued:", 18 }, { app_id, sizeof(app_id) },
		{ app.data, app.len },
	};
	struct bytes link = { .len = AGENT_LINK_SIZE };
	uint8_t digest[HASH_SIZE];

	assert_int_equal(hash_parts(HASH_KECCAK256, parts, 3, digest), 0);
	assert_int_equal(secp_sign_link(root.data, digest, link.data), 0);
	return link;
}

static int check(const struct agent_claim *claim, const struct bytes *first,
		 const struct bytes *second)
{
	const struct agent_chain chain = {
		{ first->data, second->data }, { first->len, second->len }
	};
	struct bytes root = public_of(AGENT_SECP256K1, ROOT_KEY);

	return agent_chain_check(claim, &chain, app_id, root.data);
}

static void links_are_upstreams(void **state)
{
	struct agent_claim v0 = claim_v0(), v1 = claim_v1();
	struct bytes link;

	(void)state;
	link = sign(&v0, APP_KEY);
	assert_hex(link.data, link.len, LINK0);
	link = sign(&v1, APP_KEY);
	assert_hex(link.data, link.len, V1_LINK0);
}

static void link_tells_who_made_it(void **state)
{
	struct agent_claim v0 = claim_v0(), v1 = claim_v1();
	struct bytes link0 = hex(LINK0), v1_link0 = hex(V1_LINK0);
	uint8_t signer[AGENT_SECP256K1_SIZE];

	(void)state;
	assert_int_equal(agent_claim_signer(&v0, link0.data, link0.len,
					    signer), 0);
	assert_hex(signer, sizeof(signer), APP_PUBLIC);
	assert_int_equal(agent_claim_signer(&v1, v1_link0.data, v1_link0.len,
					    signer), 0);
	assert_hex(signer, sizeof(signer), APP_PUBLIC);
}

static void chain_leads_to_its_root(void **state)
{
	struct bytes issued = issue(APP_PUBLIC);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(key_cases) / sizeof(*key_cases); i++) {
		const struct key_case *c = &key_cases[i];
		struct agent_claim claim = claim_of(c->v1, c->algorithm,
						    "for:whom", c->public);
		struct bytes link = sign(&claim, APP_KEY);

		assert_int_equal(check(&claim, &link, &issued), 0);
	}
}

/* The signer of an altered statement is some key, which nobody vouches for. */
static void chain_of_another_statement_is_rejected(void **state)
{
	struct bytes issued = issue(APP_PUBLIC), link0 = hex(LINK0);
	struct bytes v1_link0 = hex(V1_LINK0);
	struct agent_claim claim = claim_v0();

	(void)state;
	assert_int_equal(check(&claim, &link0, &issued), 0);
	claim.name_len--;
	assert_int_equal(check(&claim, &link0, &issued), -EKEYREJECTED);
	claim = claim_of(false, AGENT_SECP256K1, "signing",
			 key_cases[0].public);
	assert_int_equal(check(&claim, &link0, &issued), -EKEYREJECTED);
	claim = claim_v1();
	assert_int_equal(check(&claim, &link0, &issued), -EKEYREJECTED);
	assert_int_equal(check(&claim, &v1_link0, &issued), 0);
	claim.v1 = false;
	assert_int_equal(check(&claim, &v1_link0, &issued), -EKEYREJECTED);
	claim = claim_of(true, AGENT_ED25519, "storage-encryption",
			 key_cases[6].public);
	assert_int_equal(check(&claim, &v1_link0, &issued), -EKEYREJECTED);
}

static void chain_of_another_application_is_rejected(void **state)
{
	static const uint8_t other[DSTACK_APP_ID_SIZE] = { 0xa1, 0xb2, 0xc4 };
	struct bytes root = public_of(AGENT_SECP256K1, ROOT_KEY);
	struct bytes link0 = hex(LINK0), issued = issue(APP_PUBLIC);
	const struct agent_chain chain = {
		{ link0.data, issued.data }, { link0.len, issued.len }
	};
	struct agent_claim claim = claim_v0();

	(void)state;
	assert_int_equal(agent_chain_check(&claim, &chain, other, root.data),
			 -EKEYREJECTED);
	assert_int_equal(agent_chain_check(&claim, &chain, app_id, root.data),
			 0);
	root.data[0] ^= 1;
	assert_int_equal(agent_chain_check(&claim, &chain, app_id, root.data),
			 -EKEYREJECTED);
	issued = issue(key_cases[0].public);
	assert_int_equal(check(&claim, &link0, &issued), -EKEYREJECTED);
}

static void chain_with_a_flipped_bit_is_rejected(void **state)
{
	struct bytes link0 = hex(LINK0), issued = issue(APP_PUBLIC), changed;
	struct agent_claim claim = claim_v0();
	size_t i;
	int err;

	(void)state;
	for (i = 0; i < 8 * AGENT_LINK_SIZE; i++) {
		changed = flip(&link0, i);
		err = check(&claim, &changed, &issued);
		assert_true(err == -EBADMSG || err == -EKEYREJECTED);
		changed = flip(&issued, i);
		err = check(&claim, &link0, &changed);
		assert_true(err == -EBADMSG || err == -EKEYREJECTED);
	}
}

static void chain_without_a_kms_is_told_apart(void **state)
{
	struct bytes link0 = hex(LINK0), none = { .len = 0 };
	struct agent_claim claim = claim_v0();

	(void)state;
	assert_int_equal(check(&claim, &link0, &none), -ENODATA);
	assert_int_equal(check(&claim, &none, &none), -EBADMSG);
}

static void link_of_another_length_is_none(void **state)
{
	struct bytes link0 = hex(LINK0), issued = issue(APP_PUBLIC);
	struct agent_claim claim = claim_v0();
	size_t len;

	(void)state;
	for (len = 0; len <= 130; len++) {
		link0.len = len;
		assert_int_equal(check(&claim, &link0, &issued),
				 len == AGENT_LINK_SIZE ? 0 : -EBADMSG);
	}
	link0.len = AGENT_LINK_SIZE;
	for (len = 1; len <= 130; len++) {
		issued.len = len;
		assert_int_equal(check(&claim, &link0, &issued),
				 len == AGENT_LINK_SIZE ? 0 : -EBADMSG);
	}
}

/* 27 and 28, which others write for 0 and 1, among them. */
static void link_with_another_recovery_id_is_none(void **state)
{
	struct bytes link0 = hex(LINK0), issued = issue(APP_PUBLIC);
	struct agent_claim claim = claim_v0();
	unsigned int id;

	(void)state;
	for (id = 4; id < 256; id++) {
		link0.data[AGENT_SIGNATURE_SIZE] = id;
		assert_int_equal(check(&claim, &link0, &issued), -EBADMSG);
	}
}

/* It would be the same statement of the same key. */
static void link_with_high_s_is_none(void **state)
{
	struct bytes high = high_s(hex(LINK0)), issued = issue(APP_PUBLIC);
	struct agent_claim claim = claim_v0();

	(void)state;
	high.data[AGENT_SIGNATURE_SIZE] ^= 1;
	assert_int_equal(check(&claim, &high, &issued), -EBADMSG);
}

static void link_of_no_numbers_is_none(void **state)
{
	struct bytes order = hex(ORDER), issued = issue(APP_PUBLIC);
	struct agent_claim claim = claim_v0();
	struct bytes link;

	(void)state;
	link = hex(LINK0);
	memset(link.data, 0, 32);
	assert_int_equal(check(&claim, &link, &issued), -EBADMSG);
	memcpy(link.data, order.data, 32);
	assert_int_equal(check(&claim, &link, &issued), -EBADMSG);
	link = hex(LINK0);
	memset(link.data + 32, 0, 32);
	assert_int_equal(check(&claim, &link, &issued), -EBADMSG);
	memcpy(link.data + 32, order.data, 32);
	assert_int_equal(check(&claim, &link, &issued), -EBADMSG);
}

static void claim_for_what_is_no_key_is_not_made(void **state)
{
	struct bytes app = hex(APP_KEY), none = hex(ORDER);
	struct agent_claim claim = claim_v1();
	uint8_t link[AGENT_LINK_SIZE];

	(void)state;
	assert_int_equal(agent_claim_sign(&claim, none.data, link), -EINVAL);
	claim.algorithm = AGENT_ED25519;
	assert_int_equal(agent_claim_sign(&claim, app.data, link), -EINVAL);
	claim.algorithm = AGENT_SECP256K1_PREHASHED;
	assert_int_equal(agent_claim_sign(&claim, app.data, link), -EINVAL);
	claim = claim_v0();
	claim.public.len = 31;
	assert_int_equal(agent_claim_sign(&claim, app.data, link), -EINVAL);
	claim.public.len = 0;
	assert_int_equal(agent_claim_sign(&claim, app.data, link), -EINVAL);
}

/* A name may have anything in it, and be nothing. */
static void names_with_nul_and_colon_are_told_apart(void **state)
{
	static const struct {
		const char *name;
		size_t len;
	} names[] = {
		{ "", 0 }, { NULL, 0 }, { "k", 1 }, { "k\0:ey", 5 },
		{ "k\0", 2 }, { ":", 1 }, { "::", 2 },
	};
	struct bytes links[sizeof(names) / sizeof(*names)];
	size_t i, j;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct agent_claim claim = claim_v1();

		claim.name = names[i].name;
		claim.name_len = names[i].len;
		links[i] = sign(&claim, APP_KEY);
		for (j = 0; j < i; j++)
			assert_int_equal(!memcmp(links[i].data, links[j].data,
						 AGENT_LINK_SIZE),
					 i == 1 && j == 0);
	}
}

/*
 * The client chooses the purpose of v0.  What v0 then signs ends in a colon and
 * hex digits; a claim of v1 has a length there, with bytes that are none.
 */
static void purpose_of_v0_does_not_make_a_claim_of_v1(void **state)
{
	static const char context[] = "dstack-guest-v1-key-claim";
	struct agent_claim v1 = claim_v1(), v0 = claim_v0();
	struct bytes claim = { .len = 0 }, made, want = sign(&v1, APP_KEY);
	size_t tail = 1 + 2 * AGENT_SECP256K1_SIZE;

	(void)state;
	add_field(&claim, context, strlen(context));
	add_field(&claim, "secp256k1", 9);
	add_field(&claim, v1.name, v1.name_len);
	add_field(&claim, v1.public.bytes, v1.public.len);
	v0.public = v1.public;
	v0.name = claim.data;
	for (v0.name_len = claim.len - tail; v0.name_len <= claim.len;
	     v0.name_len++) {
		made = sign(&v0, APP_KEY);
		assert_memory_not_equal(made.data, want.data, want.len);
	}
	assert_non_null(memchr(claim.data + claim.len - tail + 1, 0, tail - 1));
}

/*
 * The simulator's: its root key is known by its signature alone.
 */

#define SIMULATOR_APP	"5bb4ff9a3837357f19dc176407a5709c62eb6c56"
#define SIMULATOR_PUBLIC "02818494263695e8839122dbd88e281d7380622999df4e60a14befa0f2d096fc7c"
#define SIMULATOR_ROOT	"0321529e458424ab1f710a3a57ec4dad2fb195ddca572f7469242ba6c7563085b6"

static struct bytes field(const json_t *keys, const char *name)
{
	return hex(json_string_value(json_object_get(keys, name)));
}

static void simulators_chain_leads_to_its_root(void **state)
{
	const struct key_case vms = { .path = "766d73" };
	struct vector file = vector_load("dstack/simulator-appkeys.json");
	json_t *keys = json_loadb(file.data, file.len, 0, NULL);
	struct bytes app = hex(SIMULATOR_APP), root = hex(SIMULATOR_ROOT);
	struct bytes issued = field(keys, "k256_signature"), link, key, public;
	const char *app_key = json_string_value(json_object_get(keys,
								"k256_key"));
	struct agent_claim claim = { .name = "signing", .name_len = 7 };
	struct agent_chain chain = { .lens = { AGENT_LINK_SIZE, issued.len } };

	(void)state;
	public = public_of(AGENT_SECP256K1, app_key);
	assert_hex(public.data, public.len, SIMULATOR_PUBLIC);
	key = derive(app_key, &vms);
	assert_int_equal(agent_key_public(AGENT_SECP256K1, key.data,
					  &claim.public), 0);
	link = sign(&claim, app_key);
	chain.links[0] = link.data;
	chain.links[1] = issued.data;
	assert_int_equal(agent_chain_check(&claim, &chain, app.data,
					   root.data), 0);
	app.data[0] ^= 1;
	assert_int_equal(agent_chain_check(&claim, &chain, app.data,
					   root.data), -EKEYREJECTED);
	json_decref(keys);
	free(file.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(links_are_upstreams),
		cmocka_unit_test(link_tells_who_made_it),
		cmocka_unit_test(chain_leads_to_its_root),
		cmocka_unit_test(chain_of_another_statement_is_rejected),
		cmocka_unit_test(chain_of_another_application_is_rejected),
		cmocka_unit_test(chain_with_a_flipped_bit_is_rejected),
		cmocka_unit_test(chain_without_a_kms_is_told_apart),
		cmocka_unit_test(link_of_another_length_is_none),
		cmocka_unit_test(link_with_another_recovery_id_is_none),
		cmocka_unit_test(link_with_high_s_is_none),
		cmocka_unit_test(link_of_no_numbers_is_none),
		cmocka_unit_test(claim_for_what_is_no_key_is_not_made),
		cmocka_unit_test(names_with_nul_and_colon_are_told_apart),
		cmocka_unit_test(purpose_of_v0_does_not_make_a_claim_of_v1),
		cmocka_unit_test(simulators_chain_leads_to_its_root),
	};

	return cmocka_run_group_tests_name("agent_claim", tests, NULL, NULL);
}
