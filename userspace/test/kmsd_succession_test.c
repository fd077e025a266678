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

/*
 * Who pins the root of an epoch
 */

static char said_by_client[1024];
static const char *urls[2];
static uint8_t pinned[KEY_CA_SIZE];
static struct kms asking;
static struct kms_app_keys keys;

static void hear(const char *line)
{
	snprintf(said_by_client, sizeof(said_by_client), "%s", line);
}

static int attest_client(void *arg, const uint8_t report_data[64],
			 uint8_t **out, size_t *len)
{
	(void)arg;
	return attest_make(NULL, report_data, CONFIG_OF_TESTS, true,
			   LIBDSTACK_FORM_SCALE, out, len);
}

/* A client that pins the root which the KMS has now. */
static void pin_root_of(const struct node *node)
{
	read_epochs(node);
	assert_int_equal(key_epoch_ca(&epochs[0], pinned), 0);
	urls[0] = node->url;
	asking = (struct kms){
		.urls = urls, .nr = 1, .vm_config = CONFIG_OF_TESTS,
		.provider_id = pinned, .provider_id_len = sizeof(pinned),
		.attest = attest_client, .tell = hear, .timeout_s = 5,
		.total_s = 10,
	};
}

static void begin_served(void)
{
	begin();
	node_serve(&one);
	pin_root_of(&one);
}

/* Its contract is at epoch 1, and the one before has ended. */
static void end_epoch_0(struct node *node)
{
	start(node);
	at(100, 1, 0, 1);
	admin(node, "Status", "null");
	node_renew(node);
	read_epochs(node);
}

static int get(void)
{
	kms_app_keys_wipe(&keys);
	*said_by_client = '\0';
	return kms_get_app_keys(&asking, KMS_EPOCH_OLDEST, &keys);
}

static int end_client(void **state)
{
	kms_app_keys_wipe(&keys);
	if (other.http)
		node_stop(&other);
	return end(state);
}

static void attack_63_who_pins_epoch_0_goes_on_with_epoch_1(void **state)
{
	uint8_t root_1[KEY_CA_SIZE], disk_key[KMS_KEY_SIZE];

	(void)state;
	begin_served();
	assert_int_equal(get(), 0);
	assert_false(keys.followed);
	assert_memory_equal(keys.provider_id, pinned, sizeof(pinned));
	memcpy(disk_key, keys.disk_crypt_key, sizeof(disk_key));
	end_epoch_0(&one);
	assert_int_equal(get(), 0);
	assert_true(keys.followed);
	assert_int_equal(key_epoch_ca(&epochs[1], root_1), 0);
	assert_memory_equal(keys.provider_id, root_1, sizeof(root_1));
	assert_string_equal(keys.ca_cert, epochs[1].ca_cert);
	assert_memory_not_equal(keys.disk_crypt_key, disk_key, 32);
	/* Also when nobody has the private root of epoch 0 any more. */
	retire(&one, 0);
	assert_int_equal(status, 200);
	assert_int_equal(get(), 0);
	assert_memory_equal(keys.provider_id, root_1, sizeof(root_1));
}

static void kms_of_other_roots_does_not_succeed(void **state)
{
	(void)state;
	begin_served();
	node_open(&other, "other");
	assert_int_equal(kmsd_make_roots(&other.kmsd, "127.0.0.1"), 0);
	node_serve(&other);
	urls[0] = other.url;
	assert_int_equal(get(), -EKEYREJECTED);
	assert_non_null(strstr(said_by_client, "it has no record that leads"));
	end_epoch_0(&other);
	assert_int_equal(get(), -EKEYREJECTED);
	assert_non_null(strstr(said_by_client,
			       "its record of key epoch 1 is not by the root"));
}

/* Of a state that is from before both signatures were kept. */
static void half_a_record_leads_nowhere(void **state)
{
	static struct key_epoch whole;

	(void)state;
	begin_served();
	end_epoch_0(&one);
	assert_int_equal(get(), 0);
	whole = epochs[1];
	node_open(&other, "other");
	whole.succession_len = AGENT_LINK_SIZE;
	epochs[1] = whole;
	assert_int_equal(state_create(&other.kmsd.state_options, "127.0.0.1",
				      epochs, 2, &other.kmsd.state), 0);
	assert_int_equal(epochs_open(other.kmsd.state, time(NULL),
				     &other.kmsd.epochs), 0);
	admin(&other, "Status", "null");
	node_serve(&other);
	urls[0] = other.url;
	assert_int_equal(get(), -EKEYREJECTED);
	assert_non_null(strstr(said_by_client, "is not two signatures"));
}

static void environments_are_encrypted_for_the_successor(void **state)
{
	struct kms_env_key env;

	(void)state;
	begin_served();
	end_epoch_0(&one);
	assert_int_equal(kms_env_public_key(&asking, (const uint8_t *)APP,
					    epochs[0].k256_public, &env), 0);
	assert_memory_equal(env.signer, epochs[1].k256_public, 33);
	/* Whom nobody vouches for. */
	epochs[0].k256_public[5] ^= 1;
	assert_int_equal(kms_env_public_key(&asking, (const uint8_t *)APP,
					    epochs[0].k256_public, &env),
			 -EKEYREJECTED);
}

static void certificates_are_signed_under_the_successor(void **state)
{
	struct libdstack_csr wanted = { .version = 2, .server = true };
	uint8_t report_data[DSTACK_REPORT_DATA_SIZE], *spki = NULL;
	struct kms_signer signer = { .epoch = KMS_EPOCH_OLDEST };
	uint8_t *evidence, *data, *signature;
	struct kms_csr csr;
	char *chain_made;
	size_t len;

	(void)state;
	begin_served();
	end_epoch_0(&one);
	wanted.subject = (struct libdstack_span){
		(const uint8_t *)"app.test", 8
	};
	wanted.pubkey.len = i2d_PUBKEY(alice.key, &spki);
	wanted.pubkey.data = spki;
	epoch_need(!libdstack_ratls_report_data(alice.key, report_data) &&
		   !attest_client(NULL, report_data, &evidence, &len));
	wanted.attestation = (struct libdstack_span){ evidence, len };
	epoch_need(!libdstack_csr_encode(&wanted, &data, &csr.len) &&
		   !libdstack_csr_sign(alice.key, data, csr.len, &signature,
				       &csr.signature_len));
	csr.data = data;
	csr.signature = signature;
	/* The root that gave the keys is pinned: that is all it has. */
	asking.provider_id_len = 0;
	signer.ca_cert = epochs[0].ca_cert;
	assert_int_equal(kms_sign_cert(&asking, &signer, &csr, &chain_made), 0);
	assert_non_null(strstr(chain_made, epochs[1].ca_cert));
	free(chain_made);
	free(data);
	free(signature);
	free(evidence);
	OPENSSL_free(spki);
}

/* Another KMS of the same roots, which has not heard that epoch 0 ended. */
static void attack_63_session_does_not_go_back_to_epoch_0(void **state)
{
	struct kms_app_state now;
	struct kms_session *session;

	(void)state;
	begin_both_as("127.0.0.1");
	pin_root_of(&one);
	end_epoch_0(&one);
	contract.kms_keys.known = false;
	assert_int_equal(kms_session_open(&asking, &session), 0);
	assert_int_equal(kms_get_app_state(session, &now), 0);
	node_stop(&one);
	node_serve(&other);
	urls[0] = other.url;
	assert_int_equal(kms_get_app_state(session, &now), -EKEYREJECTED);
	assert_non_null(strstr(said_by_client, "it has no record that leads"));
	/* Nor to one that has named a successor of its own. */
	admin(&other, "StartEpoch", "null");
	assert_int_equal(kms_get_app_state(session, &now), -EKEYREJECTED);
	assert_non_null(strstr(said_by_client,
			       "its record of key epoch 1 is not by the root"));
	kms_session_close(session);
	/* Who pins epoch 0 and has not moved on finds it good. */
	assert_int_equal(kms_session_open(&asking, &session), 0);
	assert_int_equal(kms_get_app_state(session, &now), 0);
	kms_session_close(session);
}

int main(void)
{
#define ONE(name) cmocka_unit_test_teardown(name, end_client)
	const struct CMUnitTest tests[] = {
		ONE(everybody_is_told_who_follows_whom),
		ONE(what_is_retired_still_vouches_and_is_vouched_for),
		ONE(kms_that_fetched_epochs_says_the_same),
		ONE(what_else_is_said_of_it_stays),
		ONE(epoch_is_fetched_only_if_both_roots_vouch_for_it),
		ONE(there_is_room_for_all_of_them),
		ONE(attack_63_who_pins_epoch_0_goes_on_with_epoch_1),
		ONE(kms_of_other_roots_does_not_succeed),
		ONE(half_a_record_leads_nowhere),
		ONE(environments_are_encrypted_for_the_successor),
		ONE(certificates_are_signed_under_the_successor),
		ONE(attack_63_session_does_not_go_back_to_epoch_0),
	};

	return cmocka_run_group_tests_name("kmsd_succession", tests, kmsd_setup,
					   guests_teardown);
}
