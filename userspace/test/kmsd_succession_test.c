// SPDX-License-Identifier: MIT
/*
 * A KMS whose epochs follow one another, and who pins the root of one of them
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kmsd_epochs_fixture.h"

static struct key_epoch epochs[KEY_EPOCHS_MAX];

static void read_epochs(const struct node *node)
{
	size_t i;

	for (i = 0; i < state_count(node->kmsd.state); i++)
		state_get_epoch(node->kmsd.state, i, &epochs[i]);
}

/*
 * What it says to everybody
 */

static void read_hex(yyjson_val *record, const char *name, uint8_t *out,
		     size_t len)
{
	yyjson_val *text = yyjson_obj_get(record, name);

	assert_true(libdstack_from_hex(yyjson_get_str(text),
				       yyjson_get_len(text), out, len));
}

/* It leads from the epoch before it to the one that the state has. */
static void assert_leads(yyjson_val *record, size_t number)
{
	const struct key_epoch *epoch = &epochs[number];
	yyjson_val *text = yyjson_obj_get(record, "record");
	uint8_t ca[KEY_CA_SIZE], ca_before[KEY_CA_SIZE], k256[33];
	uint8_t data[KEY_SUCCESSION_MAX], want[KEY_CA_SIZE];
	size_t len = yyjson_get_len(text) / 2;
	struct key_succession read;

	assert_in_range(len, AGENT_LINK_SIZE + 1, KEY_SUCCESSION_MAX);
	assert_int_equal(yyjson_get_uint(yyjson_obj_get(record, "epoch")),
			 number);
	read_hex(record, "k256_pubkey", k256, sizeof(k256));
	read_hex(record, "ca_pubkey", ca, sizeof(ca));
	read_hex(record, "record", data, len);
	assert_memory_equal(k256, epoch->k256_public, sizeof(k256));
	assert_int_equal(key_epoch_ca(epoch, want), 0);
	assert_memory_equal(ca, want, sizeof(ca));
	assert_true(key_succession_read(data, len, &read));
	assert_int_equal(key_succession_name(&read, number, k256, ca), 0);
	assert_int_equal(key_epoch_ca(epoch - 1, ca_before), 0);
	assert_int_equal(key_succession_check_ca(&read, ca_before), 0);
	assert_int_equal(key_succession_check_k256(&read,
						   epoch[-1].k256_public), 0);
}

/* Those from 1 to @nr. */
static void assert_published(struct node *node, size_t nr)
{
	yyjson_doc *doc = ask_node(node, kmsd_routes, "/prpc/GetMeta", "null");
	yyjson_val *list;
	size_t i;

	assert_int_equal(status, 200);
	list = yyjson_obj_get(yyjson_doc_get_root(doc), "successions");
	assert_non_null(list);
	assert_int_equal(yyjson_arr_size(list), nr);
	read_epochs(node);
	for (i = 0; i < nr; i++)
		assert_leads(yyjson_arr_get(list, i), i + 1);
	yyjson_doc_free(doc);
}

static void everybody_is_told_who_follows_whom(void **state)
{
	(void)state;
	begin();
	assert_published(&one, 0);
	start(&one);
	start(&one);
	assert_published(&one, 2);
}

static void what_is_retired_still_vouches_and_is_vouched_for(void **state)
{
	(void)state;
	begin();
	start(&one);
	start(&one);
	retire(&one, 0);
	retire(&one, 1);
	assert_int_equal(status, 200);
	assert_published(&one, 2);
	/* As it is kept, not as it was made. */
	epochs_close(one.kmsd.epochs);
	assert_int_equal(state_close(one.kmsd.state), 0);
	assert_int_equal(state_open(&one.kmsd.state_options, &one.kmsd.state),
			 0);
	assert_int_equal(epochs_open(one.kmsd.state, time(NULL),
				     &one.kmsd.epochs), 0);
	assert_published(&one, 2);
}

static void kms_that_fetched_epochs_says_the_same(void **state)
{
	(void)state;
	begin_both();
	start(&one);
	start(&one);
	fetch(&other, one.url);
	assert_int_equal(status, 200);
	assert_published(&other, 2);
}

/* What upstream's clients read is where it was. */
static void what_else_is_said_of_it_stays(void **state)
{
	yyjson_doc *doc;

	(void)state;
	begin();
	start(&one);
	read_epochs(&one);
	doc = ask_node(&one, kmsd_routes, "/prpc/GetMeta", "null");
	assert_string_equal(text_of(doc, "ca_cert"), epochs[0].ca_cert);
	assert_int_equal(strlen(text_of(doc, "k256_pubkey")), 66);
	yyjson_doc_free(doc);
}

static int take_epochs(void)
{
	struct rpc_error error = { 0 };
	struct epochs_news news;
	int err = epochs_take(other.kmsd.epochs, epochs, 2, time(NULL), &news,
			      &error);

	assert_int_equal(!err, !*error.text);
	assert_true(!err || strstr(error.text, "do not vouch for it"));
	return err;
}

/* Else who pins the one root would be lost, and who pins the other not. */
static void epoch_is_fetched_only_if_both_roots_vouch_for_it(void **state)
{
	size_t len;

	(void)state;
	begin_both();
	start(&one);
	read_epochs(&one);
	len = epochs[1].succession_len;
	epochs[1].succession_len = AGENT_LINK_SIZE;
	assert_int_equal(take_epochs(), -EKEYREJECTED);
	epochs[1].succession_len = len;
	epochs[1].succession[len - 1] ^= 1;
	assert_int_equal(take_epochs(), -EKEYREJECTED);
	epochs[1].succession[len - 1] ^= 1;
	epochs[1].succession[5] ^= 1;
	assert_int_equal(take_epochs(), -EKEYREJECTED);
	epochs[1].succession[5] ^= 1;
	assert_int_equal(take_epochs(), 0);
	assert_published(&other, 1);
}

static void there_is_room_for_all_of_them(void **state)
{
	int i;

	(void)state;
	begin();
	for (i = 1; i < KEY_EPOCHS_MAX; i++)
		start(&one);
	assert_published(&one, KEY_EPOCHS_MAX - 1);
	print_message("# %zu bytes\n", strlen(answered));
}

int main(void)
{
#define ONE(name) cmocka_unit_test_teardown(name, end)
	const struct CMUnitTest tests[] = {
		ONE(everybody_is_told_who_follows_whom),
		ONE(what_is_retired_still_vouches_and_is_vouched_for),
		ONE(kms_that_fetched_epochs_says_the_same),
		ONE(what_else_is_said_of_it_stays),
		ONE(epoch_is_fetched_only_if_both_roots_vouch_for_it),
		ONE(there_is_room_for_all_of_them),
	};

	return cmocka_run_group_tests_name("kmsd_succession", tests, kmsd_setup,
					   guests_teardown);
}
