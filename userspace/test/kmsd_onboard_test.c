// SPDX-License-Identifier: MIT
/*
 * A KMS takes over the roots of another one, which is a whole KMS, too
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kmsd_fixture.h"

#define WRONG_IMAGE \
	"the measurements are none that are known of its OS image"

static struct node first, second;
static char request[512];

static const char *from(const char *url, const char *domain)
{
	snprintf(request, sizeof(request),
		 "{\"source_url\":\"%s\",\"domain\":\"%s\"}", url, domain);
	return request;
}

static void onboard(struct node *node)
{
	ask_and_drop(node, kmsd_admin_routes, "/prpc/Onboard.Onboard",
		     from(first.url, "second.example"));
}

/* The first has roots and serves, the second has none. */
static void begin(void)
{
	kmsd_begin();
	node_open(&first, "first");
	node_open(&second, "second");
	assert_int_equal(kmsd_make_roots(&first.kmsd, "127.0.0.1"), 0);
	node_serve(&first);
}

static int end(void **state)
{
	(void)state;
	if (!first.http)
		return 0;
	node_stop(&first);
	node_close(&first);
	node_close(&second);
	state_end();
	return 0;
}

static char *meta_of(struct node *node)
{
	ask_and_drop(node, kmsd_routes, "/prpc/KMS.GetMeta", "null");
	assert_int_equal(status, 200);
	return strdup(answered);
}

static void same_epochs(struct node *one, struct node *other)
{
	static struct key_epoch a, b;
	size_t i;

	assert_int_equal(state_count(one->kmsd.state),
			 state_count(other->kmsd.state));
	for (i = 0; i < state_count(one->kmsd.state); i++) {
		state_get_epoch(one->kmsd.state, i, &a);
		state_get_epoch(other->kmsd.state, i, &b);
		assert_int_equal(a.number, b.number);
		assert_int_equal(a.retired, b.retired);
		assert_memory_equal(a.ca, b.ca, sizeof(a.ca));
		assert_memory_equal(a.k256, b.k256, sizeof(a.k256));
		assert_memory_equal(a.temp_ca, b.temp_ca, sizeof(a.temp_ca));
		assert_memory_equal(a.k256_public, b.k256_public, 33);
		assert_int_equal(a.succession_len, b.succession_len);
		assert_memory_equal(a.succession, b.succession,
				    sizeof(a.succession));
	}
}

static void roots_are_those_of_the_other(void **state)
{
	yyjson_doc *one, *other;
	int asked;

	(void)state;
	begin();
	asked = contract.asked;
	onboard(&second);
	assert_int_equal(status, 200);
	/* Of both: itself and the other; itself; who asks for them. */
	assert_true(contract.asked >= asked + 4);
	same_epochs(&first, &second);
	assert_string_equal(state_domain(second.kmsd.state), "second.example");
	one = yyjson_read(answered, strlen(answered), 0);
	other = ask_node(&first, kmsd_routes, "/prpc/GetMeta", "null");
	assert_string_equal(text_of(one, "k256_pubkey"),
			    text_of(other, "k256_pubkey"));
	assert_int_equal(strlen(text_of(one, "k256_pubkey")), 66);
	yyjson_doc_free(one);
	yyjson_doc_free(other);
}

/* Epochs that are no KMS's business to make up: the state's own functions. */
static void all_epochs_are_taken_over_and_retired_ones_have_no_roots(void **st)
{
	static struct key_epoch epoch;
	struct rpc_error why;
	uint64_t number;

	(void)st;
	begin();
	for (number = 1; number < 4; number++) {
		epoch_make(number, &epoch);
		assert_int_equal(state_add_epoch(first.kmsd.state, &epoch), 0);
	}
	assert_int_equal(state_retire_epoch(first.kmsd.state, 2, 77), 0);
	onboard(&second);
	assert_int_equal(status, 200);
	assert_int_equal(state_count(second.kmsd.state), 4);
	same_epochs(&first, &second);
	state_get_epoch(second.kmsd.state, 2, &epoch);
	assert_int_equal(epoch.retired, 77);
	number = 3;
	assert_non_null(epochs_get(second.kmsd.epochs, 0, &number, &why));
	epochs_put(second.kmsd.epochs);
	number = 2;
	assert_null(epochs_get(second.kmsd.epochs, 0, &number, &why));
	assert_string_equal(why.text, "key epoch 2 is retired");
}

static void keys_are_there_once_it_is_started_again(void **state)
{
	(void)state;
	begin();
	onboard(&second);
	assert_int_equal(status, 200);
	epochs_close(second.kmsd.epochs);
	assert_int_equal(state_close(second.kmsd.state), 0);
	assert_int_equal(state_open(&second.kmsd.state_options,
				    &second.kmsd.state), 0);
	assert_int_equal(epochs_open(second.kmsd.state, time(NULL),
				     &second.kmsd.epochs), 0);
	same_epochs(&first, &second);
}

static void what_was_given_is_in_the_others_record(void **state)
{
	struct audit_head head;

	(void)state;
	begin();
	onboard(&second);
	assert_int_equal(status, 200);
	audit_get_head(first.kmsd.audit, &head);
	assert_int_equal(head.lines, 1);
	assert_int_equal(first.kmsd.counters.given, 1);
}

/* As upstream's: of the first start, or of this machine's. */
static void meta_has_evidence_for_the_roots(void **state)
{
	char *meta;

	(void)state;
	begin();
	meta = meta_of(&first);
	assert_non_null(strstr(meta, "\"bootstrap_info\":null"));
	free(meta);
	assert_int_equal(kmsd_prove_roots(&first.kmsd), 0);
	onboard(&second);
	meta = meta_of(&second);
	assert_non_null(strstr(meta,
			       "\"bootstrap_info\":{\"ca_pubkey\":\"3059"));
	assert_non_null(strstr(meta, "\"attestation\":\"00"));
	free(meta);
}

static void meta_of_a_file_that_the_host_spoilt_says_nothing(void **state)
{
	static const char *const bad[] = {
		"", "{", "[]", "{\"ca_pubkey\":7}", "{\"ca_pubkey\":\"xy\"}",
		"{\"other\":1",
	};
	char path[256], *meta;
	size_t i;
	FILE *out;

	(void)state;
	begin();
	snprintf(path, sizeof(path), "%s/bootstrap-info.json", first.dir);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		out = fopen(path, "w");
		assert_non_null(out);
		fputs(bad[i], out);
		fclose(out);
		meta = meta_of(&first);
		assert_non_null(strstr(meta, "\"bootstrap_info\":null"));
		free(meta);
	}
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	meta = meta_of(&first);
	assert_non_null(strstr(meta, "\"bootstrap_info\":null"));
	free(meta);
}

/*
 * Refusals: the second has nothing after each, and can be asked again
 */

static void refused(const char *why)
{
	assert_refused(why);
	assert_null(second.kmsd.state);
	assert_null(second.kmsd.epochs);
}

static void kms_that_the_contract_denies_takes_nothing_over(void **state)
{
	(void)state;
	begin();
	contract.kms_denied = true;
	onboard(&second);
	refused("KMS self authorization denied: Aggregated MR not allowed");
	contract.kms_denied = false;
	contract.err = -EHOSTUNREACH;
	onboard(&second);
	refused("nobody says whether this may be a KMS");
	contract.err = 0;
	onboard(&second);
	assert_int_equal(status, 200);
}

/* It does not ask about itself here: then it is about the other alone. */
static void nor_from_one_that_the_contract_denies(void **state)
{
	(void)state;
	begin();
	self_close(second.kmsd.self);
	second.kmsd.self = NULL;
	self_close(first.kmsd.self);
	first.kmsd.self = NULL;
	contract.kms_denied = true;
	onboard(&second);
	refused("it may not be a KMS: Aggregated MR not allowed");
	assert_int_equal(contract.asked, 1);
}

static void nor_from_one_of_an_image_that_is_not_known(void **state)
{
	(void)state;
	begin();
	second.options.any_image = false;
	images_free(second.options.images);
	second.options.images = calloc(1, 64);
	onboard(&second);
	refused("it may not be a KMS: " WRONG_IMAGE);
	free(second.options.images);
}

static void kms_of_an_image_that_is_not_known_is_given_nothing(void **state)
{
	(void)state;
	begin();
	first.options.any_image = false;
	first.options.images = calloc(1, 64);
	onboard(&second);
	refused("refused: Boot denied: " WRONG_IMAGE);
	assert_int_equal(first.kmsd.counters.given, 0);
	assert_int_equal(first.kmsd.counters.denied, 1);
	free(first.options.images);
}

static void evidence_that_does_not_hold_is_refused(void **state)
{
	(void)state;
	begin();
	only_instance = alice.instance;
	onboard(&second);
	refused("its evidence does not hold");
	only_instance = NULL;
}

static void kms_without_keys_has_none_to_give(void **state)
{
	struct epochs *epochs;

	(void)state;
	begin();
	epochs = first.kmsd.epochs;
	first.kmsd.epochs = NULL;
	onboard(&second);
	first.kmsd.epochs = epochs;
	refused("this KMS has no keys");
}

static void domain_that_is_none_is_refused_before_anybody_is_asked(void **st)
{
	static const char *const bad[] = { "", "a b", "-", "a/b", "a\\u0000b" };
	int asked;
	size_t i;

	(void)st;
	begin();
	asked = contract.asked;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ask_and_drop(&second, kmsd_admin_routes, "/prpc/Onboard",
			     from(first.url, bad[i]));
		assert_int_equal(status, 400);
		assert_null(second.kmsd.state);
	}
	/* Each time, whether it may be a KMS; never the other. */
	assert_true(contract.asked - asked <= (int)i);
}

static void what_is_no_kms_is_refused(void **state)
{
	static const struct {
		const char *url, *why;
	} bad[] = {
		{ "", "not of the form https://NAME:PORT" },
		{ "http://127.0.0.1:1", "not of the form https://NAME:PORT" },
		{ "file:///etc/passwd", "not of the form https://NAME:PORT" },
		{ "https://a@127.0.0.1:1", "not of the form" },
		{ "https://127.0.0.1:1", "127.0.0.1" },
	};
	size_t i;

	(void)state;
	begin();
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ask_and_drop(&second, kmsd_admin_routes, "/prpc/Onboard",
			     from(bad[i].url, "second.example"));
		refused(bad[i].why);
	}
}

static void attack_71_roots_are_taken_over_once(void **state)
{
	(void)state;
	begin();
	onboard(&second);
	assert_int_equal(status, 200);
	onboard(&second);
	assert_refused("this KMS has its keys already");
	ask_and_drop(&second, kmsd_admin_routes, "/prpc/Onboard.Bootstrap",
		     "{\"domain\":\"second.example\"}");
	assert_refused("this KMS has its keys already");
	same_epochs(&first, &second);
}

static void attack_71_strangers_can_not_ask_for_it(void **state)
{
	static const char *const methods[] = {
		"Onboard.Onboard", "Onboard", "Onboard.Bootstrap", "Bootstrap",
		"Onboard.Finish", "Finish", "Onboard.GetAttestationInfo",
	};
	char path[64];
	size_t i;

	(void)state;
	begin();
	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		snprintf(path, sizeof(path), "/prpc/%s", methods[i]);
		ask_and_drop(&second, kmsd_routes, path,
			     from(first.url, "second.example"));
		assert_int_equal(status, 404);
		assert_null(second.kmsd.state);
	}
}

static void full_disk_leaves_it_without_roots(void **state)
{
	(void)state;
	begin();
	/* A file is where its directory would be. */
	fclose(fopen(second.dir, "w"));
	onboard(&second);
	refused("can't keep the roots of https://127.0.0.1:");
	assert_int_equal(unlink(second.dir), 0);
	onboard(&second);
	assert_int_equal(status, 200);
}

int main(void)
{
#define ONE(name) cmocka_unit_test_teardown(name, end)
	const struct CMUnitTest tests[] = {
		ONE(roots_are_those_of_the_other),
		ONE(all_epochs_are_taken_over_and_retired_ones_have_no_roots),
		ONE(keys_are_there_once_it_is_started_again),
		ONE(what_was_given_is_in_the_others_record),
		ONE(meta_has_evidence_for_the_roots),
		ONE(meta_of_a_file_that_the_host_spoilt_says_nothing),
		ONE(kms_that_the_contract_denies_takes_nothing_over),
		ONE(nor_from_one_that_the_contract_denies),
		ONE(nor_from_one_of_an_image_that_is_not_known),
		ONE(kms_of_an_image_that_is_not_known_is_given_nothing),
		ONE(evidence_that_does_not_hold_is_refused),
		ONE(kms_without_keys_has_none_to_give),
		ONE(domain_that_is_none_is_refused_before_anybody_is_asked),
		ONE(what_is_no_kms_is_refused),
		ONE(attack_71_roots_are_taken_over_once),
		ONE(attack_71_strangers_can_not_ask_for_it),
		ONE(full_disk_leaves_it_without_roots),
	};

	return cmocka_run_group_tests_name("kmsd_onboard", tests, kmsd_setup,
					   guests_teardown);
}
