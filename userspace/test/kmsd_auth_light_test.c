// SPDX-License-Identifier: MIT
/*
 * Which block a KMS's light client believes, at its first start and later
 *
 * Copyright The dstack for Linux authors
 *
 * The server has Ethereum's own data for light clients.
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

#define DATA		"eth/mainnet/"
#define LIGHT_NOW	1746700000
#define UPDATE_HEAD	12
#define WITH_NEXT	(4 + LIGHT_COMMITTEE_SIZE + 5 * 32)
#define ROOT \
	"d9717ecc253684291f828688f311ba74d05af74c31654f6e14077669fca62f6a"
#define UPDATES_AT	"/light_client/updates?start_period="

static struct web web;
static struct vector bootstrap, update;
static uint8_t *finality;
static size_t finality_len;
static atomic_int lies;			/* of the server */
static atomic_int begun;		/* how often it began at a checkpoint */

static bool answer(int fd, const char *request)
{
	if (!strstr(request, "Accept: application/octet-stream\r\n"))
		return web_reply(fd, "406 No", "", 0);
	if (strstr(request, "/light_client/bootstrap/"))
		begun++;
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
	(void)state;
	if (!getenv("DSTACK_VECTORS"))
		return 0;
	bootstrap = vector_load(DATA "bootstrap-deneb.ssz");
	update = vector_load(DATA "update-1421-deneb.ssz");
	make_finality();
	chain_client_init();
	return 0;
}

static int end(void **state)
{
	(void)state;
	free(bootstrap.data);
	free(update.data);
	free(finality);
	return 0;
}

static struct auth_config light_config;
static struct auth light_auth;

/* What is kept of it, and how that goes. */
static struct {
	uint8_t data[AUTH_LIGHT_MAX];
	size_t len;
	int kept;			/* how often */
	int err;
	char said[LIBDSTACK_MESSAGE_MAX];
} light;

static int load_light(void *arg, void *data, size_t *len)
{
	(void)arg;
	if (!light.len)
		return -ENOENT;
	assert_true(light.len <= *len);
	memcpy(data, light.data, light.len);
	*len = light.len;
	return light.err;
}

static int keep_light(void *arg, const void *data, size_t len)
{
	(void)arg;
	light.kept++;
	if (light.err)
		return light.err;
	memcpy(light.data, data, len);
	light.len = len;
	return 0;
}

static void tell_light(const char *line)
{
	snprintf(light.said, sizeof(light.said), "%s", line);
}

static int begin_server(void **state)
{
	(void)state;
	memset(&light, 0, sizeof(light));
	memset(&web, 0, sizeof(web));
	web.answer = answer;
	lies = 0;
	web_start(&web);
	return 0;
}

static int end_server(void **state)
{
	(void)state;
	web_stop(&web);
	return 0;
}

static struct follow *begin_follow(struct chain_pool *pool)
{
	static char *beacons[2];

	beacons[0] = web.url;
	light_config = (struct auth_config){
		.beacon_urls = beacons, .timeout_ms = 5000,
	};
	chain_hex(ROOT, light_config.checkpoint, CHAIN_HASH);
	light_auth = (struct auth){
		.config = &light_config, .pool = pool,
		.options = {
			.tell = tell_light, .load_light = load_light,
			.keep_light = keep_light,
		},
	};
	return follow_new(&light_auth);
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
	struct chain_client client = {
		.limits = { .max_age = 600, .max_ahead = 10 },
	};
	struct heads_options options = {
		.client = &client, .share_ms = 60000,
	};
	struct heads *heads;
	struct chain_why why = { "" };
	struct chain_view view;

	(void)state;
	vectors_need();
	options.follow = begin_follow(NULL);
	heads = heads_new(&options);
	assert_int_equal(heads_view(heads, LIGHT_NOW, &view, &why), -ESTALE);
	client.limits.max_age = 1000000;
	assert_int_equal(heads_view(heads, LIGHT_NOW, &view, &why), 0);
	assert_int_equal(view.header.number, 22423066);
	heads_free(heads);
	follow_free(options.follow);
}

/*
 * From one start to the next
 */

/* A light client that begins now finds the block that is final. */
static void assert_finds(int bootstraps)
{
	struct follow *follow = begin_follow(NULL);
	struct chain_why why = { "" };
	struct chain_header header;

	begun = 0;
	assert_int_equal(follow_head(follow, LIGHT_NOW, &header, &why), 0);
	assert_int_equal(header.number, 22423066);
	assert_int_equal(begun, bootstraps);
	follow_free(follow);
}

static void keep_one(void)
{
	memset(&light, 0, sizeof(light));
	assert_finds(1);
	assert_int_equal(light.kept, 1);
	assert_string_equal(light.said, "");
}

static void restart_goes_on_from_what_was_kept(void **state)
{
	(void)state;
	vectors_need();
	keep_one();
	assert_finds(0);
	/* It has not moved. */
	assert_int_equal(light.kept, 1);
	/* The other half of the pair. */
	light.len = 0;
	assert_finds(1);
}

/* Not to the checkpoint either, of whose committee all may be for sale. */
static void attack_79_what_was_kept_is_not_given_up(void **state)
{
	struct chain_why why = { "" };
	struct chain_header header;
	struct follow *follow;

	(void)state;
	vectors_need();
	keep_one();
	begun = 0;
	lies = 2;
	follow = begin_follow(NULL);
	assert_int_equal(follow_head(follow, LIGHT_NOW, &header, &why),
			 -EBADMSG);
	assert_int_equal(begun, 0);
	lies = 0;
	assert_int_equal(follow_head(follow, LIGHT_NOW, &header, &why), 0);
	assert_int_equal(begun, 0);
	follow_free(follow);
}

static void assert_not_used(const char *text)
{
	light.said[0] = '\0';
	assert_finds(1);
	if (!strstr(light.said, text))
		fail_msg("'%s' is not about '%s'", light.said, text);
	keep_one();
}

/* An operator names a newer one, or goes back to one of before. */
static void checkpoint_that_is_changed_counts(void **state)
{
	(void)state;
	vectors_need();
	keep_one();
	light.data[light.len - 1] ^= 1;
	assert_not_used("another checkpoint");
}

static void attack_79_what_is_no_light_client_is_not_used(void **state)
{
	const size_t slot = 8, committee = 8 + 8 + 3 * CHAIN_HASH + 16;

	(void)state;
	vectors_need();
	keep_one();
	light.len--;
	assert_not_used("not as long");
	light.len++;
	assert_not_used("not as long");
	light.data[0] ^= 1;
	assert_not_used("not the state of a light client");
	light.data[slot + 2] ^= 1;
	assert_not_used("no committee for its block");
	light.data[committee + 16 + 3] ^= 1;
	assert_not_used("no committee");
	light.err = -EBADMSG;
	light.said[0] = '\0';
	assert_finds(1);
	assert_non_null(strstr(light.said, "kept: Bad message"));
}

static void what_can_t_be_kept_is_said_once(void **state)
{
	struct chain_why why = { "" };
	struct chain_header header;
	struct follow *follow;
	int i;

	(void)state;
	vectors_need();
	light.err = -ENOSPC;
	follow = begin_follow(NULL);
	for (i = 0; i < 2; i++)
		assert_int_equal(follow_head(follow, LIGHT_NOW, &header, &why),
				 0);
	assert_int_equal(light.kept, 1);
	assert_non_null(strstr(light.said, "can't be kept: No space left"));
	follow_free(follow);
}

/* There is no state yet: as soon as there is one, it is beside it. */
static void what_has_no_place_yet_is_kept_later(void **state)
{
	struct chain_why why = { "" };
	struct chain_header header;
	struct follow *follow;

	(void)state;
	vectors_need();
	light.err = -ENOENT;
	follow = begin_follow(NULL);
	assert_int_equal(follow_head(follow, LIGHT_NOW, &header, &why), 0);
	assert_int_equal(light.len, 0);
	light.err = 0;
	assert_int_equal(follow_head(follow, LIGHT_NOW, &header, &why), 0);
	assert_true(light.len);
	assert_string_equal(light.said, "");
	follow_free(follow);
	assert_finds(0);
}

#define test(name) \
	cmocka_unit_test_setup_teardown(name, begin_server, end_server)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(checkpoint_leads_to_what_is_final),
		test(attack_72_what_is_not_signed_leads_nowhere),
		test(attack_72_what_is_final_gets_too_old),
		test(restart_goes_on_from_what_was_kept),
		test(attack_79_what_was_kept_is_not_given_up),
		test(checkpoint_that_is_changed_counts),
		test(attack_79_what_is_no_light_client_is_not_used),
		test(what_can_t_be_kept_is_said_once),
		test(what_has_no_place_yet_is_kept_later),
	};

	return cmocka_run_group_tests_name("kmsd_auth_light", tests, begin,
					   end);
}
