// SPDX-License-Identifier: MIT
/*
 * One block for all who ask, which never is an older one
 *
 * Copyright The dstack for Linux authors
 *
 * The server has a block of a real test chain and a proof, and Ethereum's own
 * data for light clients.  Whole verdicts are tested with contracts, by
 * contracts/test/authorisation.mjs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../chain/light/light.h"
#include "../kmsd/auth/chain_room.h"
#include "chain_fixture.h"
#include "kmsd_auth_fixture.h"

#define TIME		0x6b045409ULL	/* of the block, which is number 2 */
#define CHAIN_ID	31337
#define DATA		"eth/mainnet/"
#define LIGHT_NOW	1746700000
#define UPDATE_HEAD	12
#define WITH_NEXT	(4 + LIGHT_COMMITTEE_SIZE + 5 * 32)

static struct web web;
static struct chain_fixture asked;
static char *block_text, *proof_text;
static struct vector bootstrap, update;
static uint8_t *finality;
static size_t finality_len;
static atomic_bool away;		/* the server refuses */
static atomic_int lies;			/* of the light client's server */
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

#define ROOT \
	"d9717ecc253684291f828688f311ba74d05af74c31654f6e14077669fca62f6a"
#define UPDATES_AT	"/light_client/updates?start_period="

static bool answer(int fd, const char *request)
{
	if (strstr(request, "POST "))
		return answer_rpc(fd, request);
	if (!strstr(request, "Accept: application/octet-stream\r\n"))
		return web_reply(fd, "406 No", "", 0);
	if (strstr(request, "/light_client/bootstrap/0x" ROOT " "))
		return web_reply(fd, "200 OK", bootstrap.data, bootstrap.len);
	if (strstr(request, UPDATES_AT "1421&count=16 "))
		return web_reply(fd, "200 OK", update.data,
				 update.len - (lies == 1));
	if (strstr(request, UPDATES_AT "1422&count=16 "))
		return web_reply(fd, "200 OK", "", 0);
	if (strstr(request, "/light_client/finality_update "))
		return web_reply(fd, "200 OK", finality,
				 finality_len - (lies == 2));
	return web_reply(fd, "404 Not Found", "", 0);
}

static void put_offset(uint8_t *out, size_t offset)
{
	memcpy(out, (uint8_t[]){ offset, offset >> 8, offset >> 16, 0 }, 4);
}

/* What a server makes of an update: all but the next committee. */
static void make_finality(void)
{
	const uint8_t *in = (const uint8_t *)update.data + UPDATE_HEAD;
	size_t cut = WITH_NEXT - 4, second = WITH_NEXT;
	size_t at = in[0] | in[1] << 8;

	finality_len = update.len - UPDATE_HEAD - cut;
	finality = malloc(finality_len);
	memcpy(finality + 4, in + second, finality_len - 4);
	put_offset(finality, at - cut);
	at = in[second] | in[second + 1] << 8;
	put_offset(finality + 4, at - cut);
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
	bootstrap = vector_load(DATA "bootstrap-deneb.ssz");
	update = vector_load(DATA "update-1421-deneb.ssz");
	make_finality();
	chain_client_init();
	return 0;
}

static int end(void **state)
{
	(void)state;
	free(block_text);
	free(proof_text);
	free(bootstrap.data);
	free(update.data);
	free(finality);
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
	lies = 0;
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

/*
 * Light clients
 */

static struct auth_config light_config;

static struct follow *begin_follow(struct chain_pool *pool)
{
	static char *beacons[2];

	beacons[0] = web.url;
	light_config = (struct auth_config){
		.beacon_urls = beacons, .timeout_ms = 5000,
	};
	chain_hex(ROOT, light_config.checkpoint, CHAIN_HASH);
	return follow_new(&light_config, pool);
}

static void checkpoint_leads_to_what_is_final(void **state)
{
	struct chain_why why = { "" };
	struct chain_header header;
	struct chain_pool *pool;
	struct follow *follow;

	(void)state;
	vectors_need();
	pool = chain_pool_new();
	follow = begin_follow(pool);
	assert_int_equal(follow_head(follow, LIGHT_NOW, &header, &why), 0);
	assert_int_equal(header.number, 22423066);
	/* Bootstrap, two times updates, what is final; then no bootstrap. */
	assert_int_equal(web.requests, 4);
	assert_int_equal(follow_head(follow, LIGHT_NOW, &header, &why), 0);
	assert_int_equal(web.requests, 6);
	assert_int_equal(web.connections, 1);
	follow_free(follow);
	chain_pool_free(pool);
}

static void attack_72_what_is_not_signed_leads_nowhere(void **state)
{
	struct follow *follow;
	struct chain_header header;
	struct chain_why why = { "" };

	(void)state;
	vectors_need();
	follow = begin_follow(NULL);
	light_config.checkpoint[0] ^= 1;
	assert_int_equal(follow_head(follow, LIGHT_NOW, &header, &why),
			 -EHOSTUNREACH);
	light_config.checkpoint[0] ^= 1;
	bootstrap.data[600] ^= 1;
	assert_int_equal(follow_head(follow, LIGHT_NOW, &header, &why),
			 -EBADMSG);
	bootstrap.data[600] ^= 1;
	for (lies = 1; lies <= 2; lies++)
		assert_int_equal(follow_head(follow, LIGHT_NOW, &header, &why),
				 -EBADMSG);
	finality[finality_len - 900] ^= 1;
	assert_int_equal(follow_head(follow, LIGHT_NOW, &header, &why),
			 -EBADMSG);
	finality[finality_len - 900] ^= 1;
	assert_int_equal(follow_head(follow, LIGHT_NOW, &header, &why), 0);
	follow_free(follow);
}

/* The head of the light client is as old as it is. */
static void attack_72_what_is_final_gets_too_old(void **state)
{
	struct follow *follow;
	struct heads *heads;
	struct chain_why why = { "" };
	struct chain_view view;

	(void)state;
	vectors_need();
	follow = begin_follow(NULL);
	options.follow = follow;
	heads = heads_new(&options);
	assert_int_equal(heads_view(heads, LIGHT_NOW, &view, &why), -ESTALE);
	client.limits.max_age = 1000000;
	assert_int_equal(heads_view(heads, LIGHT_NOW, &view, &why), 0);
	assert_int_equal(kept.number, view.header.number);
	heads_free(heads);
	follow_free(follow);
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
		test(checkpoint_leads_to_what_is_final),
		test(attack_72_what_is_not_signed_leads_nowhere),
		test(attack_72_what_is_final_gets_too_old),
	};

	return cmocka_run_group_tests_name("kmsd_auth_chain", tests, begin,
					   end);
}
