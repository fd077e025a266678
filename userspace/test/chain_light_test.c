// SPDX-License-Identifier: MIT
/*
 * From a block that is known to a slot of a contract, on Ethereum's own data
 *
 * Copyright The dstack for Linux authors
 *
 * The checkpoint's committee signs an update, which names the next one; that
 * one signs a block after the Electra fork, in which the execution chain's
 * state is, in which the slot is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "../chain/light/light.h"
#include "chain_fixture.h"

#define DATA		"eth/mainnet/"
#define NOW		1746700000
#define UPDATE_HEAD	12	/* bytes that servers put before an update */
#define UPDATE_FIXED	25152
#define BODY		184	/* in a signed block */
#define AGGREGATE	220	/* in a body */
#define PAYLOAD		380

static struct vector bootstrap, update;
static uint8_t checkpoint[CHAIN_HASH];

static int begin(void **state)
{
	(void)state;
	if (!getenv("DSTACK_VECTORS"))
		return 0;
	bootstrap = vector_load(DATA "bootstrap-deneb.ssz");
	update = vector_load(DATA "update-1421-deneb.ssz");
	chain_hex("d9717ecc253684291f828688f311ba74d05af74c31654f6e14077669fca62f6a",
		  checkpoint, CHAIN_HASH);
	return 0;
}

static int end(void **state)
{
	(void)state;
	free(bootstrap.data);
	free(update.data);
	return 0;
}

static struct chain_bytes bytes_of(const struct vector *v, size_t from)
{
	return (struct chain_bytes){ (const uint8_t *)v->data + from,
				     v->len - from };
}

static int bootstrap_from(struct light_store *store)
{
	struct chain_why why = { "" };

	vectors_need();
	return light_begin(&light_mainnet, checkpoint, bytes_of(&bootstrap, 0),
			   store, &why);
}

static int follow(struct light_store *store, const struct vector *v)
{
	struct chain_why why = { "" };
	int err = light_update(&light_mainnet, store,
			       bytes_of(v, UPDATE_HEAD), NOW, &why);

	assert_int_equal(!err, !why.text[0]);
	return err;
}

/* A header for light clients, of a block as it was broadcast. */
static size_t header_of(const struct vector *block, uint8_t *out)
{
	/* Its neighbours among the body's fields, the body, two lists. */
	static const char *const roots[] = {
		"ee9f03f35d20cf69ca22c40907540c98e087e921df334197608f2a09012f4da7",
		"aa4acc9d048772faa3992a26b2e47d1a7f9573cf38a923ea84ad3ef691d2f6c5",
		"7c0b5ecae8cf1afb0fdcdc887235e654df6f15ebe6f424a2d83718fa7c418f35",
		"c67da0c34dc17f8057b5636a9e9d43a98f171c5fe0e5c8d4d2326e99b08614ee",
		"8a099e3aec901f22ee8030d024080620c250981582bb039c1ea30d6f424225d0",
		"d4a65925e1e3ceae52cf8595f7b6f85150117200afd70a85238fc330d28e22f4",
		"a15d511fe1a4490645b858449482057caedcd8956407732ae1673685abbefe32",
	};
	const uint8_t *in = (const uint8_t *)block->data;
	const uint8_t *body = in + BODY, *payload;
	size_t i, extra;

	memcpy(out, in + 100, 80);
	chain_hex(roots[4], out + 80, CHAIN_HASH);
	memcpy(out + 112, (uint8_t[]){ 244, 0, 0, 0 }, 4);
	for (i = 0; i < 4; i++)
		chain_hex(roots[i], out + 116 + 32 * i, CHAIN_HASH);
	out += 244;
	payload = body + body[PAYLOAD] + (body[PAYLOAD + 1] << 8) +
		(body[PAYLOAD + 2] << 16);
	extra = payload[504] + (payload[505] << 8) - 528;
	memcpy(out, payload, 436);
	memcpy(out + 436, (uint8_t[]){ 584 & 255, 584 >> 8, 0, 0 }, 4);
	memcpy(out + 440, payload + 440, 64);
	chain_hex(roots[5], out + 504, CHAIN_HASH);
	chain_hex(roots[6], out + 536, CHAIN_HASH);
	memcpy(out + 568, payload + 512, 16);
	memcpy(out + 584, payload + 528, extra);
	return 244 + 584 + extra;
}

static void checkpoint_leads_to_a_slot(void **state)
{
	struct vector block = vector_load(DATA "block-11650086-electra.ssz");
	struct vector child = vector_load(DATA "block-11650087-electra.ssz");
	uint8_t *aggregate = (uint8_t *)child.data + BODY + AGGREGATE;
	struct light_header header;
	struct chain_why why = { "" };
	struct chain_account account;
	struct chain_fixture f;
	struct light_store store;
	uint8_t ssz[1024], want[32] = { 0 };
	size_t len;

	(void)state;
	assert_int_equal(bootstrap_from(&store), 0);
	assert_int_equal(store.slot, 11640864);
	assert_int_equal(follow(&store, &update), 0);
	assert_int_equal(store.slot, 11640928);
	assert_int_equal(store.next.period, 1422);
	len = header_of(&block, ssz);
	assert_int_equal(light_header_read((struct chain_bytes){ ssz, len },
					   &header, &why), 0);
	assert_int_equal(light_signed(&light_mainnet, &store, header.root,
				      aggregate, 11650087, &why), 0);
	assert_int_equal(header.execution.number, 22432097);
	assert_int_equal(header.execution.time, 1746625055);
	chain_open_mainnet(&f);
	assert_int_equal(chain_json_prove(f.answer, header.execution.state_root,
					  f.address, f.slots, f.nr, &account,
					  &why), 0);
	chain_hex("43506849d7c04f9138d1a2050bbf3a0c054402dd", want + 12, 20);
	assert_memory_equal(f.slots[0].value, want, 32);
	yyjson_doc_free(f.doc);
	/* Another root, another period's committee, few who signed. */
	header.root[5] ^= 1;
	assert_int_equal(light_signed(&light_mainnet, &store, header.root,
				      aggregate, 11650087, &why), -EBADMSG);
	header.root[5] ^= 1;
	assert_int_equal(light_signed(&light_mainnet, &store, header.root,
				      aggregate, 11640864, &why), -EBADMSG);
	memset(aggregate, 0, 22);
	assert_int_equal(light_signed(&light_mainnet, &store, header.root,
				      aggregate, 11650087, &why), -EBADMSG);
	ssz[300] ^= 1;
	assert_int_equal(light_header_read((struct chain_bytes){ ssz, len },
					   &header, &why), -EBADMSG);
	free(block.data);
	free(child.data);
}

static void another_checkpoint_is_refused(void **state)
{
	struct light_store store;

	(void)state;
	checkpoint[0] ^= 1;
	assert_int_equal(bootstrap_from(&store), -EBADMSG);
	checkpoint[0] ^= 1;
	assert_false(store.current.known);
}

/* A byte here and there: each takes hundreds of hashes. */
static void every_byte_of_a_bootstrap_counts(void **state)
{
	struct light_store store;
	size_t i;

	(void)state;
	vectors_need();
	for (i = 0; i < bootstrap.len; i += 997) {
		bootstrap.data[i] ^= 1;
		if (bootstrap_from(&store) != -EBADMSG)
			fail_msg("byte %zu may be another", i);
		bootstrap.data[i] ^= 1;
	}
	for (i = 0; i < bootstrap.len; i += 997) {
		const struct vector part = { bootstrap.data, i };
		struct chain_why why = { "" };

		assert_int_equal(light_begin(&light_mainnet, checkpoint,
					     bytes_of(&part, 0), &store, &why),
				 -EBADMSG);
	}
}

/* The tail is signature, bits and slot; the heads are before it. */
static void every_byte_of_an_update_counts(void **state)
{
	struct light_store store, before;
	size_t i, step;

	(void)state;
	assert_int_equal(bootstrap_from(&store), 0);
	before = store;
	for (i = UPDATE_HEAD; i < update.len; i += step) {
		step = i < UPDATE_FIXED - 160 ? 1999 : 37;
		update.data[i] ^= 1;
		if (!follow(&store, &update))
			fail_msg("byte %zu may be another", i);
		update.data[i] ^= 1;
		assert_memory_equal(&store, &before, sizeof(store));
	}
	for (i = UPDATE_HEAD; i < update.len; i += 1999) {
		const struct vector part = { update.data, i };

		assert_int_equal(follow(&store, &part), -EBADMSG);
	}
}

static void committee_that_is_not_held_is_refused(void **state)
{
	struct vector old = vector_load(DATA "update-1401-deneb.ssz");
	struct light_store store;

	(void)state;
	assert_int_equal(bootstrap_from(&store), 0);
	assert_int_equal(follow(&store, &old), -ESTALE);
	assert_int_equal(store.slot, 11640864);
	free(old.data);
}

static void attack_72_a_finalised_block_does_not_go_back(void **state)
{
	struct light_store store;

	(void)state;
	assert_int_equal(bootstrap_from(&store), 0);
	assert_int_equal(follow(&store, &update), 0);
	assert_int_equal(follow(&store, &update), 0);
	store.slot++;
	assert_int_equal(follow(&store, &update), -ESTALE);
}

/* Of its period's update it needs the committee, and not the block. */
static void late_checkpoint_learns_the_next_committee(void **state)
{
	struct light_store store;
	uint64_t slot;

	(void)state;
	assert_int_equal(bootstrap_from(&store), 0);
	store.slot += 100;
	slot = store.slot;
	assert_int_equal(follow(&store, &update), 0);
	assert_true(store.next.known);
	assert_int_equal(store.next.period, 1422);
	assert_int_equal(store.slot, slot);
	assert_int_equal(follow(&store, &update), -ESTALE);
}

static void update_of_the_future_is_refused(void **state)
{
	struct chain_why why = { "" };
	struct light_store store;

	(void)state;
	assert_int_equal(bootstrap_from(&store), 0);
	assert_int_equal(light_update(&light_mainnet, &store,
				      bytes_of(&update, UPDATE_HEAD),
				      1700000000, &why), -EBADMSG);
}

static void other_chains_signatures_are_refused(void **state)
{
	struct light_chain chain = light_mainnet;
	struct chain_why why = { "" };
	struct light_store store;

	(void)state;
	assert_int_equal(bootstrap_from(&store), 0);
	chain.validators_root[0] ^= 1;
	assert_int_equal(light_update(&chain, &store,
				      bytes_of(&update, UPDATE_HEAD), NOW,
				      &why), -EBADMSG);
}

static void what_is_saved_is_loaded(void **state)
{
	static uint8_t saved[LIGHT_SAVED_SIZE], again[LIGHT_SAVED_SIZE];
	struct chain_bytes bytes = { saved, sizeof(saved) };
	struct light_store store, loaded;
	struct chain_why why = { "" };

	(void)state;
	assert_int_equal(bootstrap_from(&store), 0);
	assert_int_equal(follow(&store, &update), 0);
	light_save(&store, saved);
	assert_int_equal(light_load(bytes, &loaded, &why), 0);
	light_save(&loaded, again);
	assert_memory_equal(saved, again, sizeof(saved));
	assert_int_equal(follow(&loaded, &update), 0);
	bytes.len--;
	assert_int_equal(light_load(bytes, &loaded, &why), -EBADMSG);
	bytes.len++;
	saved[300] ^= 1;
	assert_int_equal(light_load(bytes, &loaded, &why), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checkpoint_leads_to_a_slot),
		cmocka_unit_test(another_checkpoint_is_refused),
		cmocka_unit_test(every_byte_of_a_bootstrap_counts),
		cmocka_unit_test(every_byte_of_an_update_counts),
		cmocka_unit_test(committee_that_is_not_held_is_refused),
		cmocka_unit_test(attack_72_a_finalised_block_does_not_go_back),
		cmocka_unit_test(late_checkpoint_learns_the_next_committee),
		cmocka_unit_test(update_of_the_future_is_refused),
		cmocka_unit_test(other_chains_signatures_are_refused),
		cmocka_unit_test(what_is_saved_is_loaded),
	};

	return cmocka_run_group_tests_name("chain_light", tests, begin, end);
}
