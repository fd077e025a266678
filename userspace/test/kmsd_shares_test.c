// SPDX-License-Identifier: MIT
/*
 * Three whole KMSs keep shares of each other's states, by TLS and evidence
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kmsd_fixture.h"

#include "../kmsd/sharing.h"

#define NODES	3
#define ADMIN	"/prpc/Admin.ShareOut"

static struct node nodes[NODES];
static char keeps[NODES][128], urls[NODES][64], *peers[NODES][NODES];

/* What the configuration of the @i-th says: k is 2, of all. */
static void configure(int i)
{
	struct node *node = &nodes[i];
	int j, nr = 0;

	snprintf(keeps[i], sizeof(keeps[i]), "%s/kept-%d", work, i);
	for (j = 0; j < NODES; j++)
		if (j != i)
			peers[i][nr++] = urls[j];
	peers[i][nr] = NULL;
	node->options.keep = keeps[i];
	node->options.quorum_k = 2;
	node->options.peers = peers[i];
}

/* A process of that machine: its port stays the same. */
static void begin_node(int i)
{
	static int ports[NODES];
	char name[16];

	snprintf(name, sizeof(name), "kms-%d", i);
	node_open(&nodes[i], name);
	self_close(nodes[i].kmsd.self);
	nodes[i].kmsd.self = NULL;
	if (!*urls[i])
		ports[i] = free_port();
	nodes[i].port = ports[i];
	snprintf(urls[i], sizeof(urls[i]), "https://127.0.0.1:%d", ports[i]);
	configure(i);
	assert_int_equal(sharing_open(&nodes[i].kmsd), 0);
}

static void serve_whole(int i)
{
	nodes[i].routes = NULL;
	nodes[i].context = NULL;
	node_serve(&nodes[i]);
}

static void serve_shares(int i)
{
	nodes[i].routes = kmsd_sharing_routes;
	nodes[i].context = sharing_tls_context;
	node_serve(&nodes[i]);
}

static void end_node(int i)
{
	struct sharing *sharing = nodes[i].kmsd.sharing;

	if (nodes[i].http)
		node_stop(&nodes[i]);
	node_close(&nodes[i]);
	sharing_close(sharing);
}

static void begin(void)
{
	int i;

	kmsd_begin();
	memset(urls, 0, sizeof(urls));
	for (i = 0; i < NODES; i++)
		begin_node(i);
	for (i = 0; i < NODES; i++) {
		assert_int_equal(kmsd_make_roots(&nodes[i].kmsd, DOMAIN), 0);
		serve_whole(i);
	}
}

static int end(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < NODES; i++)
		if (nodes[i].kmsd.options)
			end_node(i);
	state_end();
	return 0;
}

static void share_out(int i, const char *json)
{
	ask_and_drop(&nodes[i], kmsd_admin_routes, ADMIN, json);
}

/* Its roots, which have to be the same after a start. */
static void roots_of(int i, uint8_t ca[32])
{
	static struct key_epoch epoch;

	state_get_epoch(nodes[i].kmsd.state, 0, &epoch);
	memcpy(ca, epoch.ca, 32);
}

static int open_state(int i)
{
	struct kmsd *kmsd = &nodes[i].kmsd;
	struct state *state;
	int err = state_open(&kmsd->state_options, &state);

	if (!err) {
		kmsd->state = state;
		err = epochs_open(state, time(NULL), &kmsd->epochs);
	}
	return err;
}

static void restart(int i)
{
	end_node(i);
	begin_node(i);
	assert_true(sharing_is_shared(nodes[i].kmsd.sharing));
}

/* As at a start: asked are all of them, some times, and then it is ended. */
static void assert_waits(int i)
{
	struct state *opened = NULL;
	struct sharing *sharing = nodes[i].kmsd.sharing;

	serve_shares(i);
	assert_int_equal(sharing_begin(sharing, nodes[i].http), 0);
	usleep(700000);
	assert_int_equal(sharing_end(sharing, &opened), -ECANCELED);
	assert_null(opened);
	restart(i);
}

static uint64_t lines_of(int i)
{
	struct audit_head head;

	audit_get_head(nodes[i].kmsd.audit, &head);
	return head.lines;
}

static void state_is_shared_out_and_opens_by_others(void **state)
{
	uint8_t before[32], after[32];

	(void)state;
	begin();
	assert_false(sharing_is_shared(nodes[0].kmsd.sharing));
	share_out(0, "{}");
	assert_int_equal(status, 200);
	assert_string_equal(answered, "{\"generation\":1,\"k\":2,\"n\":3}");
	/* Brought, and told that it is in use; all of it is written down. */
	assert_int_equal(lines_of(1), 2);
	assert_int_equal(lines_of(2), 2);
	roots_of(0, before);
	restart(0);
	assert_int_equal(open_state(0), 0);
	roots_of(0, after);
	assert_memory_equal(before, after, sizeof(before));
	assert_int_equal(lines_of(1) + lines_of(2), 5);
	/* Enough were asked then: the third was not. */
	assert_int_equal(lines_of(1), 3);
}

static void all_are_down_and_then_all_are_up(void **state)
{
	uint8_t before[NODES][32], after[32];
	int i;

	(void)state;
	begin();
	for (i = 0; i < NODES; i++) {
		share_out(i, "{}");
		assert_int_equal(status, 200);
		roots_of(i, before[i]);
	}
	for (i = 0; i < NODES; i++)
		end_node(i);
	for (i = 0; i < NODES; i++) {
		begin_node(i);
		serve_shares(i);
	}
	/* Nobody has roots. */
	for (i = 0; i < NODES; i++) {
		assert_null(nodes[i].kmsd.state);
		assert_int_equal(open_state(i), 0);
		roots_of(i, after);
		assert_memory_equal(before[i], after, sizeof(after));
	}
}

static void without_roots_it_gives_shares_and_nothing_else(void **state)
{
	static const char *const others[] = {
		"GetAppKey", "GetKmsKey", "GetTempCaCert", "SignCert",
		"GetMeta", "GetAppEnvEncryptPubKey", "KeepShare", "ShareOut",
	};
	char path[64];
	size_t i;

	(void)state;
	begin();
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		snprintf(path, sizeof(path), "/prpc/KMS.%s", others[i]);
		ask_and_drop(&nodes[1], kmsd_sharing_routes, path, "{}");
		assert_int_equal(status, 404);
	}
	ask_and_drop(&nodes[1], kmsd_sharing_routes, "/prpc/GiveShare", "{}");
	assert_refused("No attestation provided");
	/* Nor is the operator's method at the public port. */
	ask_and_drop(&nodes[1], kmsd_routes, "/prpc/ShareOut", "{}");
	assert_int_equal(status, 404);
}

static void start_waits_for_others_and_can_be_ended(void **state)
{
	struct state *opened = NULL;
	struct kmsd *kmsd = &nodes[0].kmsd;

	(void)state;
	begin();
	share_out(0, "{}");
	assert_int_equal(status, 200);
	node_stop(&nodes[1]);
	node_stop(&nodes[2]);
	restart(0);
	assert_waits(0);
	/* Once one of them is there it is open, and serves no more so. */
	serve_shares(0);
	assert_int_equal(sharing_begin(kmsd->sharing, nodes[0].http), 0);
	usleep(100000);
	serve_whole(2);
	pthread_join(nodes[0].thread, NULL);
	assert_int_equal(http_close(nodes[0].http), 0);
	http_tls_free(nodes[0].tls);
	nodes[0].http = NULL;
	assert_int_equal(sharing_end(kmsd->sharing, &opened), 0);
	assert_non_null(opened);
	kmsd->state = opened;
}

static void who_is_not_allowed_any_more_gets_nothing(void **state)
{
	(void)state;
	begin();
	share_out(0, "{}");
	assert_int_equal(status, 200);
	restart(0);
	/* Of the two that are asked about, the second is who wants a share. */
	contract.asked = 0;
	contract.spared = 1;
	contract.kms_denied = true;
	assert_waits(0);
	assert_int_equal(nodes[1].kmsd.counters.denied, 1);
	assert_int_equal(nodes[1].kmsd.counters.given, 2);
	contract.kms_denied = false;
	assert_int_equal(open_state(0), 0);
}

static void nothing_is_shown_to_who_may_be_no_kms(void **state)
{
	(void)state;
	begin();
	contract.kms_denied = true;
	share_out(0, "{}");
	assert_refused("it may not be a KMS: Aggregated MR not allowed");
	assert_int_equal(lines_of(1), 0);
	contract.asked = 0;
	contract.spared = 1;
	share_out(0, "{}");
	assert_refused("opens as before");
	assert_int_equal(lines_of(1), 1);
	contract.kms_denied = false;
	share_out(0, "{}");
	assert_int_equal(status, 200);
}

static void operator_is_told_who_does_not_keep(void **state)
{
	(void)state;
	begin();
	node_stop(&nodes[2]);
	share_out(0, "{}");
	assert_refused("opens as before");
	assert_non_null(strstr(answered, urls[2]));
	serve_whole(2);
	share_out(0, "{}");
	assert_int_equal(status, 200);
}

static void other_numbers_than_there_are_are_refused(void **state)
{
	static const char *const bad[] = {
		"{\"k\":1}", "{\"k\":4}", "{\"k\":258}",
		"{\"k\":3,\"peers\":[\"https://127.0.0.1:1\"]}",
	};
	size_t i;

	(void)state;
	begin();
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		share_out(0, bad[i]);
		assert_refused("not more than there are");
	}
	share_out(0, "{\"k\":3}");
	assert_string_equal(answered, "{\"generation\":1,\"k\":3,\"n\":3}");
	share_out(0, "{\"k\":2}");
	assert_string_equal(answered, "{\"generation\":2,\"k\":2,\"n\":3}");
}

static void old_state_opens_no_more_after_it_was_shared_out_anew(void **st)
{
	char command[512];

	(void)st;
	begin();
	share_out(0, "{}");
	snprintf(command, sizeof(command), "cp '%s/state' '%s/old'",
		 nodes[0].dir, work);
	assert_int_equal(system(command), 0);
	share_out(0, "{}");
	assert_int_equal(status, 200);
	restart(0);
	snprintf(command, sizeof(command), "cp '%s/old' '%s/state'", work,
		 nodes[0].dir);
	assert_int_equal(system(command), 0);
	assert_waits(0);
}

int main(void)
{
#define ONE(name) cmocka_unit_test_teardown(name, end)
	const struct CMUnitTest tests[] = {
		ONE(state_is_shared_out_and_opens_by_others),
		ONE(all_are_down_and_then_all_are_up),
		ONE(without_roots_it_gives_shares_and_nothing_else),
		ONE(start_waits_for_others_and_can_be_ended),
		ONE(who_is_not_allowed_any_more_gets_nothing),
		ONE(nothing_is_shown_to_who_may_be_no_kms),
		ONE(operator_is_told_who_does_not_keep),
		ONE(other_numbers_than_there_are_are_refused),
		ONE(old_state_opens_no_more_after_it_was_shared_out_anew),
	};

	return cmocka_run_group_tests_name("kmsd_shares", tests, kmsd_setup,
					   guests_teardown);
}
