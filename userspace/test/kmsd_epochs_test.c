// SPDX-License-Identifier: MIT
/*
 * A KMS with several key epochs: which live, who gets whose keys
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kmsd_epochs_fixture.h"

#define THREADS	4

static char *env_key_of(struct node *node, int number)
{
	static const char app[] =
		"6170706c69636174696f6e206e756d6265722031";
	char json[128], *key;
	yyjson_doc *doc;

	snprintf(json, sizeof(json), number < 0 ? "{\"app_id\":\"%s\"}" :
		 "{\"app_id\":\"%s\",\"key_epoch\":%d}", app, number);
	doc = ask_node(node, kmsd_routes, "/prpc/GetAppEnvEncryptPubKey", json);
	key = strdup(text_of(doc, "public_key"));
	yyjson_doc_free(doc);
	return key;
}

/* The answer says that these live. */
static void assert_living(yyjson_doc *doc, const char *want)
{
	yyjson_val *list = yyjson_obj_get(yyjson_doc_get_root(doc),
					  "key_epochs");
	char *text = yyjson_val_write(list, 0, NULL);

	assert_string_equal(text, want);
	free(text);
}

static const char *const secrets[] = {
	"disk_crypt_key", "env_crypt_key", "k256_key", "ca_cert",
};

static void attack_63_no_key_of_one_epoch_is_anothers(void **state)
{
	yyjson_doc *old, *new;
	size_t i;

	(void)state;
	begin();
	start(&one);
	old = keys_of(&one, 0);
	assert_int_equal(status, 200);
	new = keys_of(&one, 1);
	assert_int_equal(status, 200);
	for (i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
		assert_true(*text_of(old, secrets[i]));
		assert_string_not_equal(text_of(old, secrets[i]),
					text_of(new, secrets[i]));
	}
	assert_int_equal(number_of(old, "key_epoch"), 0);
	assert_int_equal(number_of(new, "key_epoch"), 1);
	assert_living(old, "[0,1]");
	assert_living(new, "[0,1]");
	yyjson_doc_free(old);
	yyjson_doc_free(new);
}

static void who_names_none_gets_what_was_before(void **state)
{
	yyjson_doc *before, *after;
	char *key, *again, *next;
	size_t i;

	(void)state;
	begin();
	before = keys_of(&one, -1);
	assert_living(before, "[0]");
	key = env_key_of(&one, -1);
	start(&one);
	after = keys_of(&one, -1);
	for (i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
		assert_string_equal(text_of(before, secrets[i]),
				    text_of(after, secrets[i]));
	again = env_key_of(&one, -1);
	next = env_key_of(&one, 1);
	assert_int_equal(strlen(key), 64);
	assert_string_equal(key, again);
	assert_string_not_equal(key, next);
	free(key);
	free(again);
	free(next);
	yyjson_doc_free(before);
	yyjson_doc_free(after);
}

/* A request of alice's for a certificate, in JSON, for free(). */
static char *make_csr(int number)
{
	struct libdstack_csr wanted = { .version = 2, .server = true };
	uint8_t report_data[DSTACK_REPORT_DATA_SIZE], *spki = NULL, *evidence;
	uint8_t *data, *signature;
	size_t len, evidence_len, signature_len;
	char *csr, *signed_by, *json, named[32] = "";

	wanted.subject = (struct libdstack_span){
		(const uint8_t *)"app.test", 8
	};
	wanted.pubkey.len = i2d_PUBKEY(alice.key, &spki);
	wanted.pubkey.data = spki;
	epoch_need(!libdstack_ratls_report_data(alice.key, report_data));
	attest_make(NULL, report_data, CONFIG_OF_TESTS, true,
		    LIBDSTACK_FORM_SCALE, &evidence, &evidence_len);
	wanted.attestation = (struct libdstack_span){ evidence, evidence_len };
	epoch_need(!libdstack_csr_encode(&wanted, &data, &len) &&
		   !libdstack_csr_sign(alice.key, data, len, &signature,
				       &signature_len));
	csr = malloc(2 * len + 1);
	signed_by = malloc(2 * signature_len + 1);
	libdstack_to_hex(data, len, csr);
	libdstack_to_hex(signature, signature_len, signed_by);
	if (number >= 0)
		snprintf(named, sizeof(named), ",\"key_epoch\":%d", number);
	epoch_need(asprintf(&json, "{\"api_version\":2,\"csr\":\"%s\",\"signature\":\"%s\"%s}",
			    csr, signed_by, named) > 0);
	free(csr);
	free(signed_by);
	free(data);
	free(signature);
	free(evidence);
	OPENSSL_free(spki);
	return json;
}

/* Its root is the one that keys of that epoch come with. */
static void assert_signed(int number, int epoch)
{
	char *json = make_csr(number);
	yyjson_doc *keys = keys_of(&one, epoch), *doc;
	yyjson_val *pem;

	doc = ask_node(&one, kmsd_routes, "/prpc/SignCert", json);
	assert_int_equal(status, 200);
	pem = yyjson_obj_get(yyjson_doc_get_root(doc), "certificate_chain");
	pem = yyjson_arr_get(pem, 2);
	assert_string_equal(yyjson_get_str(pem), text_of(keys, "ca_cert"));
	assert_int_equal(number_of(doc, "key_epoch"), epoch);
	yyjson_doc_free(doc);
	yyjson_doc_free(keys);
	free(json);
}

static void certificates_are_under_the_root_of_their_epoch(void **state)
{
	char *json;

	(void)state;
	begin();
	start(&one);
	assert_signed(-1, 0);
	assert_signed(0, 0);
	assert_signed(1, 1);
	retire(&one, 0);
	assert_signed(-1, 1);
	json = make_csr(0);
	ask_and_drop(&one, kmsd_routes, "/prpc/SignCert", json);
	assert_refused("key epoch 0 is retired");
	free(json);
}

static void attack_63_retired_epoch_is_refused_for_good(void **state)
{
	yyjson_doc *doc;
	char *old;

	(void)state;
	begin();
	doc = keys_of(&one, 0);
	old = strdup(text_of(doc, "disk_crypt_key"));
	yyjson_doc_free(doc);
	start(&one);
	retire(&one, 0);
	assert_int_equal(status, 200);
	no_keys_of(&one, 0, "key epoch 0 is retired");
	doc = keys_of(&one, -1);
	assert_int_equal(status, 200);
	assert_int_equal(number_of(doc, "key_epoch"), 1);
	assert_string_not_equal(text_of(doc, "disk_crypt_key"), old);
	assert_living(doc, "[1]");
	yyjson_doc_free(doc);
	free(old);
	/* Nor after it is started again. */
	epochs_close(one.kmsd.epochs);
	assert_int_equal(state_close(one.kmsd.state), 0);
	assert_int_equal(state_open(&one.kmsd.state_options, &one.kmsd.state),
			 0);
	assert_int_equal(epochs_open(one.kmsd.state, time(NULL),
				     &one.kmsd.epochs), 0);
	no_keys_of(&one, 0, "key epoch 0 is retired");
	/* Its number is not given again. */
	admin(&one, "StartEpoch", "null");
	assert_non_null(strstr(answered, "\"key_epoch\":2"));
}

static void epoch_that_was_never_there_is_refused(void **state)
{
	(void)state;
	begin();
	no_keys_of(&one, 1, "this KMS has no key epoch 1");
	yyjson_doc_free(ask_node(&one, kmsd_routes, "/prpc/GetAppKey",
				 "{\"key_epoch\":18446744073709551614}"));
	assert_refused("no key epoch 18446744073709551614");
}

static void last_and_newest_are_not_retired(void **state)
{
	(void)state;
	begin();
	retire(&one, 0);
	assert_refused("key epoch 0 is the newest: start the next one first");
	start(&one);
	retire(&one, 1);
	assert_refused("key epoch 1 is the newest: start the next one first");
	retire(&one, 7);
	assert_refused("this KMS has no key epoch 7");
	admin(&one, "RetireEpoch", "{}");
	assert_refused("which one?");
	retire(&one, 0);
	assert_int_equal(status, 200);
	retire(&one, 0);
	assert_int_equal(status, 200);
}

static void next_epoch_is_vouched_for_by_the_one_before(void **state)
{
	static struct key_epoch before, epoch;
	uint8_t ca_before[KEY_CA_SIZE], ca[KEY_CA_SIZE];
	struct key_succession record;

	(void)state;
	begin();
	start(&one);
	state_get_epoch(one.kmsd.state, 0, &before);
	state_get_epoch(one.kmsd.state, 1, &epoch);
	assert_int_equal(before.succession_len, 0);
	assert_true(key_succession_read(epoch.succession, epoch.succession_len,
					&record));
	assert_int_equal(key_epoch_ca(&before, ca_before), 0);
	assert_int_equal(key_epoch_ca(&epoch, ca), 0);
	assert_int_equal(key_succession_name(&record, 1, epoch.k256_public, ca),
			 0);
	assert_int_equal(key_succession_check_k256(&record,
						   before.k256_public), 0);
	assert_int_equal(key_succession_check_k256(&record, epoch.k256_public),
			 -EKEYREJECTED);
	assert_int_equal(key_succession_check_ca(&record, ca_before), 0);
	assert_int_equal(key_succession_check_ca(&record, ca), -EKEYREJECTED);
}

static int no_seal(void *arg, const void *data, size_t len, void *blob,
		   size_t *blob_len)
{
	(void)arg;
	(void)data;
	(void)len;
	(void)blob;
	(void)blob_len;
	return -ENOKEY;
}

static void what_can_not_be_stored_is_not_there(void **state)
{
	(void)state;
	begin();
	seal.seal = no_seal;
	admin(&one, "StartEpoch", "null");
	assert_refused("no key epoch can be started");
	no_keys_of(&one, 1, "this KMS has no key epoch 1");
	seal.seal = test_seal;
	start(&one);
	seal.seal = no_seal;
	retire(&one, 0);
	assert_refused("key epoch 0 can't be retired");
	yyjson_doc_free(keys_of(&one, 0));
	assert_int_equal(status, 200);
	seal.seal = test_seal;
}

/*
 * By the contract
 */

static void contract_says_which_live(void **state)
{
	yyjson_doc *doc;

	(void)state;
	begin();
	start(&one);
	at(100, 0, 0, 0);
	no_keys_of(&one, 1, "key epoch 1 has not started: the KMS's contract is at 0");
	doc = keys_of(&one, -1);
	assert_living(doc, "[0]");
	yyjson_doc_free(doc);
	/* The overlap, for ten seconds of the chain's. */
	at(200, 1, 210, 0);
	doc = keys_of(&one, 1);
	assert_living(doc, "[0,1]");
	yyjson_doc_free(doc);
	at(209, 1, 210, 0);
	yyjson_doc_free(keys_of(&one, 0));
	assert_int_equal(status, 200);
	at(210, 1, 210, 0);
	no_keys_of(&one, 0, "key epoch 0 has ended: the KMS's contract is at 1");
	doc = keys_of(&one, -1);
	assert_int_equal(number_of(doc, "key_epoch"), 1);
	yyjson_doc_free(doc);
	at(220, 1, 300, 1);
	no_keys_of(&one, 0, "key epoch 0 is revoked by the KMS's contract");
}

static void attack_63_older_block_brings_no_epoch_back(void **state)
{
	(void)state;
	begin();
	start(&one);
	at(300, 1, 310, 1);
	no_keys_of(&one, 0, "revoked");
	at(299, 0, 0, 0);
	no_keys_of(&one, 0, "key epoch 0 is revoked by the KMS's contract");
	yyjson_doc_free(keys_of(&one, 1));
	assert_int_equal(status, 200);
}

static void contract_that_knows_none_leaves_it_to_the_operator(void **state)
{
	(void)state;
	begin();
	start(&one);
	contract.block = 100;
	yyjson_doc_free(keys_of(&one, 1));
	assert_int_equal(status, 200);
}

static void epoch_of_the_contract_that_is_not_here_gives_nothing(void **state)
{
	(void)state;
	begin();
	at(100, 3, 0, 3);
	yyjson_doc_free(keys_of(&one, -1));
	assert_int_equal(status, 503);
	assert_non_null(strstr(answered, "the KMS's contract is at 3"));
	start(&one);
	retire(&one, 0);
	assert_refused("no other key epoch lives than 0");
}

static void application_revokes_epochs_for_itself(void **state)
{
	yyjson_doc *doc;

	(void)state;
	begin();
	start(&one);
	contract.block = 100;
	contract.app_keys.known = true;
	contract.app_keys.first_live = 1;
	no_keys_of(&one, 0, "key epoch 0 is revoked by the application's contract");
	doc = keys_of(&one, -1);
	assert_int_equal(number_of(doc, "key_epoch"), 1);
	assert_living(doc, "[1]");
	yyjson_doc_free(doc);
	contract.app_keys.first_live = 2;
	yyjson_doc_free(keys_of(&one, -1));
	assert_int_equal(status, 503);
	assert_non_null(strstr(answered, "the application's allows 2"));
}

/*
 * While keys are given
 */

static atomic_bool ended;
static atomic_int failures, given;

static void *ask_on(void *arg)
{
	struct rpc_error error;
	const struct issue *issue;
	struct issue_app_keys keys;
	struct libdstack_id instance = { .len = 0 };
	uint64_t number;

	(void)arg;
	while (!ended) {
		number = EPOCH_OLDEST;
		issue = epochs_get(one.kmsd.epochs, 0, &number, &error);
		if (!issue || issue_app_keys(issue, (const uint8_t *)APP,
					     &instance, &keys))
			failures++;
		else
			given++;
		issue_app_keys_wipe(&keys);
		if (issue)
			epochs_put(one.kmsd.epochs);
	}
	return NULL;
}

static void epochs_come_and_go_while_keys_are_given(void **state)
{
	pthread_t threads[THREADS];
	int i;

	(void)state;
	begin();
	ended = false;
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_on,
						NULL), 0);
	for (i = 0; i < 20; i++) {
		start(&one);
		retire(&one, i);
		assert_int_equal(status, 200);
	}
	ended = true;
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(failures, 0);
	assert_true(given > 0);
	yyjson_doc_free(keys_of(&one, 20));
	assert_int_equal(status, 200);
}

static void there_is_room_for_64(void **state)
{
	int i;

	(void)state;
	begin();
	for (i = 1; i < KEY_EPOCHS_MAX; i++)
		start(&one);
	admin(&one, "StartEpoch", "null");
	assert_refused("no key epoch can be started: No space left");
	yyjson_doc_free(keys_of(&one, 63));
	assert_int_equal(status, 200);
}

/*
 * The operator
 */

static void status_says_what_becomes_of_each(void **state)
{
	(void)state;
	begin();
	start(&one);
	start(&one);
	retire(&one, 0);
	at(100, 1, 0, 0);
	admin(&one, "Status", "null");
	assert_int_equal(status, 200);
	assert_non_null(strstr(answered, "\"state\":\"retired\""));
	assert_non_null(strstr(answered, "\"state\":\"lives\""));
	assert_non_null(strstr(answered, "\"state\":\"not started\""));
	assert_non_null(strstr(answered, "\"contract_epoch\":1"));
	assert_non_null(strstr(answered, "\"domain\":\"127.0.0.1\""));
	assert_non_null(strstr(answered, "\"trouble\":\"\""));
	contract.kms_denied = true;
	admin(&one, "Status", "null");
	assert_non_null(strstr(answered, "self authorization denied"));
}

static void who_may_not_be_a_kms_only_retires(void **state)
{
	(void)state;
	begin();
	start(&one);
	contract.kms_denied = true;
	admin(&one, "StartEpoch", "null");
	assert_refused("KMS self authorization denied");
	fetch(&one, "https://127.0.0.1:1");
	assert_refused("KMS self authorization denied");
	retire(&one, 0);
	assert_int_equal(status, 200);
}

static void without_keys_there_are_no_epochs(void **state)
{
	(void)state;
	begin();
	node_open(&other, "other");
	admin(&other, "StartEpoch", "null");
	assert_refused("this KMS has no keys yet");
	retire(&other, 0);
	assert_refused("this KMS has no keys yet");
	fetch(&other, "https://127.0.0.1:1");
	assert_refused("this KMS has no keys yet");
	admin(&other, "Status", "null");
	assert_int_equal(status, 200);
	assert_non_null(strstr(answered, "\"domain\":\"\""));
}

static void attack_71_strangers_change_no_epoch(void **state)
{
	static const char *const methods[] = {
		"Status", "StartEpoch", "RetireEpoch", "FetchEpochs",
	};
	char path[64];
	size_t i;

	(void)state;
	begin();
	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		snprintf(path, sizeof(path), "/prpc/Admin.%s", methods[i]);
		ask_and_drop(&one, kmsd_routes, path, "{}");
		assert_int_equal(status, 404);
	}
	assert_int_equal(state_count(one.kmsd.state), 1);
}

static void each_key_is_recorded_with_its_epoch(void **state)
{
	char line[AUDIT_LINE_MAX + 2];
	int epoch = 0;
	FILE *file;

	(void)state;
	begin();
	start(&one);
	yyjson_doc_free(keys_of(&one, -1));
	yyjson_doc_free(keys_of(&one, 1));
	file = fopen(one.audit, "r");
	assert_non_null(file);
	for (; fgets(line, sizeof(line), file); epoch++)
		assert_non_null(strstr(line, epoch ? "\"key_epoch\":1" :
				       "\"key_epoch\":0"));
	assert_int_equal(epoch, 2);
	fclose(file);
}

int main(void)
{
#define ONE(name) cmocka_unit_test_teardown(name, end)
	const struct CMUnitTest tests[] = {
		ONE(attack_63_no_key_of_one_epoch_is_anothers),
		ONE(who_names_none_gets_what_was_before),
		ONE(certificates_are_under_the_root_of_their_epoch),
		ONE(attack_63_retired_epoch_is_refused_for_good),
		ONE(epoch_that_was_never_there_is_refused),
		ONE(last_and_newest_are_not_retired),
		ONE(next_epoch_is_vouched_for_by_the_one_before),
		ONE(what_can_not_be_stored_is_not_there),
		ONE(contract_says_which_live),
		ONE(attack_63_older_block_brings_no_epoch_back),
		ONE(contract_that_knows_none_leaves_it_to_the_operator),
		ONE(epoch_of_the_contract_that_is_not_here_gives_nothing),
		ONE(application_revokes_epochs_for_itself),
		ONE(epochs_come_and_go_while_keys_are_given),
		ONE(there_is_room_for_64),
		ONE(status_says_what_becomes_of_each),
		ONE(who_may_not_be_a_kms_only_retires),
		ONE(without_keys_there_are_no_epochs),
		ONE(attack_71_strangers_change_no_epoch),
		ONE(each_key_is_recorded_with_its_epoch),
	};

	return cmocka_run_group_tests_name("kmsd_epochs", tests, kmsd_setup,
					   guests_teardown);
}
