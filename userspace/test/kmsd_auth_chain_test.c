// SPDX-License-Identifier: MIT
/*
 * One block for all who ask, which never is an older one
 *
 * Copyright The dstack for Linux authors
 *
 * The server has a block of a real test chain and a proof.  Whole verdicts are
 * tested with contracts, by contracts/test/authorisation.mjs; blocks of a light
 * client by kmsd_auth_light_test.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../kmsd/auth/chain_room.h"
#include "chain_fixture.h"
#include "kmsd_auth_fixture.h"

#define TIME		0x6b045409ULL	/* of the block, which is number 2 */
#define CHAIN_ID	31337

static struct web web;
static struct chain_fixture asked;
static char *block_text, *proof_text;
static atomic_bool away;		/* the server refuses */
static unsigned int slow_us;

static bool answer_rpc(int fd, const char *request)
{
	const char *result = strstr(request, "eth_chainId") ? "\"0x7a69\"" :
		strstr(request, "eth_getBlockByNumber") ? block_text :
		proof_text;
	char *text;
	bool good;

	usleep(slow_us);
	if (away)
		return web_reply(fd, "503 Busy", "", 0);
	if (asprintf(&text, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":%s}",
		     result) < 0)
		return false;
	good = web_reply(fd, "200 OK", text, strlen(text));
	free(text);
	return good;
}

static bool answer(int fd, const char *request)
{
	return strstr(request, "POST ") ? answer_rpc(fd, request) :
		web_reply(fd, "404 Not Found", "", 0);
}

static int begin(void **state)
{
	yyjson_val *block;

	(void)state;
	if (!getenv("DSTACK_VECTORS"))
		return 0;
	chain_open_anvil(&asked);
	block = yyjson_obj_get(yyjson_doc_get_root(asked.doc), "block");
	block_text = yyjson_val_write(block, 0, NULL);
	proof_text = yyjson_val_write(asked.answer, 0, NULL);
	chain_client_init();
	return 0;
}

static int end(void **state)
{
	(void)state;
	free(block_text);
	free(proof_text);
	yyjson_doc_free(asked.doc);
	return 0;
}

/*
 * Blocks
 */

static const char *urls[1];
static struct chain_client client;
static struct heads_options options;
static struct chain_head kept;
static int keep_err;
static atomic_int keeps;

static int keep(void *arg, const struct chain_head *head)
{
	assert_ptr_equal(arg, &kept);
	keeps++;
	if (!keep_err)
		kept = *head;
	return keep_err;
}

static int begin_server(void **state)
{
	(void)state;
	memset(&web, 0, sizeof(web));
	web.answer = answer;
	away = false;
	slow_us = 0;
	keeps = 0;
	keep_err = 0;
	memset(&kept, 0, sizeof(kept));
	web_start(&web);
	urls[0] = web.url;
	client = (struct chain_client){
		.urls = urls, .nr = 1, .quorum = 1, .chain_id = CHAIN_ID,
		.tag = "finalized", .timeout_ms = 5000,
		.limits = { .max_age = 600, .max_ahead = 10 },
	};
	options = (struct heads_options){
		.client = &client, .share_ms = 60000, .keep = keep,
		.arg = &kept,
	};
	return 0;
}

static int end_server(void **state)
{
	(void)state;
	web_stop(&web);
	return 0;
}

static int view_at(struct heads *heads, uint64_t now)
{
	struct chain_why why = { "" };
	struct chain_view view;
	int err = heads_view(heads, now, &view, &why);

	assert_int_equal(!err, !why.text[0]);
	assert_int_equal(!err, view.client == &client);
	assert_int_equal(view.header.number, err ? 0 : 2);
	return err;
}

static atomic_int good, bad;

static void *ask_once(void *arg)
{
	if (view_at(arg, TIME + 5))
		bad++;
	else
		good++;
	return NULL;
}

static void ask_at_once(struct heads *heads)
{
	pthread_t threads[16];
	size_t i;

	good = 0;
	bad = 0;
	for (i = 0; i < 16; i++)
		pthread_create(&threads[i], NULL, ask_once, heads);
	for (i = 0; i < 16; i++)
		pthread_join(threads[i], NULL);
}

static void those_who_ask_together_share_one_block(void **state)
{
	struct heads *heads;

	(void)state;
	vectors_need();
	heads = heads_new(&options);
	slow_us = 100000;
	ask_at_once(heads);
	assert_int_equal(good, 16);
	/* Which chain it is, and the block. */
	assert_int_equal(web.requests, 2);
	assert_int_equal(keeps, 1);
	heads_free(heads);
}

/* It is told to all who waited; who comes later asks again. */
static void attack_79_failure_is_shared_and_not_kept(void **state)
{
	struct heads *heads;

	(void)state;
	vectors_need();
	heads = heads_new(&options);
	away = true;
	slow_us = 300000;
	ask_at_once(heads);
	assert_int_equal(bad, 16);
	assert_in_range(web.requests, 1, 2);
	away = false;
	slow_us = 0;
	assert_int_equal(view_at(heads, TIME + 5), 0);
	heads_free(heads);
}

static void attack_79_chain_that_is_away_has_no_grace(void **state)
{
	struct heads *heads;

	(void)state;
	vectors_need();
	options.share_ms = 0;
	heads = heads_new(&options);
	assert_int_equal(view_at(heads, TIME + 5), 0);
	away = true;
	assert_int_equal(view_at(heads, TIME + 5), -EBADMSG);
	heads_free(heads);
}

static void attack_72_shared_block_gets_too_old(void **state)
{
	struct heads *heads;

	(void)state;
	vectors_need();
	heads = heads_new(&options);
	assert_int_equal(view_at(heads, TIME + 5), 0);
	assert_int_equal(view_at(heads, TIME + 601), -ESTALE);
	assert_int_equal(view_at(heads, TIME - 11), -EBADMSG);
	assert_int_equal(view_at(heads, TIME + 600), 0);
	assert_int_equal(web.requests, 2);
	heads_free(heads);
}

static void attack_79_restart_does_not_go_back(void **state)
{
	struct heads *heads;

	(void)state;
	vectors_need();
	heads = heads_new(&options);
	assert_int_equal(view_at(heads, TIME + 5), 0);
	heads_free(heads);
	assert_int_equal(kept.number, 2);
	/* The same again is nothing new to keep. */
	options.head = kept;
	heads = heads_new(&options);
	assert_int_equal(view_at(heads, TIME + 5), 0);
	assert_int_equal(keeps, 1);
	heads_free(heads);
	options.head.number++;
	heads = heads_new(&options);
	assert_int_equal(view_at(heads, TIME + 5), -ESTALE);
	heads_free(heads);
	/* Another one in its place. */
	options.head = kept;
	options.head.hash[0] ^= 1;
	heads = heads_new(&options);
	assert_int_equal(view_at(heads, TIME + 5), -EBADMSG);
	heads_free(heads);
}

static void block_that_is_not_kept_is_not_used(void **state)
{
	struct heads *heads;

	(void)state;
	vectors_need();
	heads = heads_new(&options);
	keep_err = -EIO;
	assert_int_equal(view_at(heads, TIME + 5), -EIO);
	assert_int_equal(view_at(heads, TIME + 5), -EIO);
	keep_err = 0;
	assert_int_equal(view_at(heads, TIME + 5), 0);
	assert_int_equal(keeps, 3);
	heads_free(heads);
}

/*
 * Proofs
 */

static void what_is_proven_is_not_asked_again(void **state)
{
	struct proofs_view view = { .chain.client = &client };
	struct chain_why why = { "" };
	struct chain_account account;
	size_t i;

	(void)state;
	vectors_need();
	view.proofs = proofs_new();
	view.chain.header.number = 2;
	memcpy(view.chain.header.state_root, asked.root, CHAIN_HASH);
	for (i = 0; i < 3; i++) {
		memset(asked.slots[0].value, 0, 32);
		memset(&account, 0, sizeof(account));
		assert_int_equal(proofs_prove(&view, asked.address,
					      asked.slots, asked.nr, &account,
					      &why), 0);
		assert_int_equal(asked.slots[0].value[31], 1);
		assert_true(account.has_code);
	}
	assert_int_equal(web.requests, 1);
	/* Other slots, and another block, are another question. */
	assert_int_equal(proofs_prove(&view, asked.address, asked.slots, 1,
				      &account, &why), -EBADMSG);
	view.chain.header.hash[0] = 1;
	assert_int_equal(proofs_prove(&view, asked.address, asked.slots,
				      asked.nr, &account, &why), 0);
	assert_int_equal(web.requests, 3);
	proofs_free(view.proofs);
}

#define test(name) \
	cmocka_unit_test_setup_teardown(name, begin_server, end_server)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(those_who_ask_together_share_one_block),
		test(attack_79_failure_is_shared_and_not_kept),
		test(attack_79_chain_that_is_away_has_no_grace),
		test(attack_72_shared_block_gets_too_old),
		test(attack_79_restart_does_not_go_back),
		test(block_that_is_not_kept_is_not_used),
		test(what_is_proven_is_not_asked_again),
	};

	return cmocka_run_group_tests_name("kmsd_auth_chain", tests, begin,
					   end);
}
