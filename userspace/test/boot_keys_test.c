// SPDX-License-Identifier: MIT
/*
 * Keys of an application without a KMS, and the file that they are in
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "../keys/pem.h"
#include "../boot/boot.h"
#include "vectors.h"

static struct agent_app_keys *make_keys(uint8_t seed)
{
	uint8_t bytes[DSTACK_KEY_SIZE];
	struct agent_app_keys *keys;
	void *memory;

	memset(bytes, seed, sizeof(bytes));
	assert_int_equal(libdstack_secret_alloc(sizeof(*keys), &memory), 0);
	keys = memory;
	assert_int_equal(seed_keys(bytes, keys), 0);
	return keys;
}

static void the_same_seed_gives_the_same_keys(void **state)
{
	struct agent_app_keys *a = make_keys(1), *b = make_keys(1);
	struct agent_app_keys *c = make_keys(2);

	(void)state;
	assert_memory_equal(a->k256_key, b->k256_key, DSTACK_KEY_SIZE);
	assert_memory_equal(a->disk_key, b->disk_key, DSTACK_KEY_SIZE);
	assert_string_equal(a->ca_key, b->ca_key);
	assert_memory_not_equal(a->k256_key, c->k256_key, DSTACK_KEY_SIZE);
	assert_memory_not_equal(a->disk_key, c->disk_key, DSTACK_KEY_SIZE);
	assert_memory_not_equal(a->disk_key, a->k256_key, DSTACK_KEY_SIZE);
	assert_false(a->has_env_key);
	assert_int_equal(a->k256_signature_len, 0);
	agent_app_keys_free(a);
	agent_app_keys_free(b);
	agent_app_keys_free(c);
}

static void an_application_is_its_own_authority(void **state)
{
	struct agent_app_keys *keys = make_keys(3);
	BIO *text = BIO_new_mem_buf(keys->ca_cert, -1);
	X509 *cert = PEM_read_bio_X509(text, NULL, NULL, NULL);
	char name[64];

	(void)state;
	assert_true(pem_is_pair(keys->ca_cert, keys->ca_key));
	assert_non_null(cert);
	assert_int_equal(X509_verify(cert, X509_get0_pubkey(cert)), 1);
	assert_int_equal(X509_check_ca(cert), 1);
	assert_int_equal(X509_get_pathlen(cert), 1);
	X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName,
				  name, sizeof(name));
	assert_string_equal(name, "App Root Cert");
	X509_free(cert);
	BIO_free(text);
	agent_app_keys_free(keys);
}

/* What the agent reads of it is what was written. */
static struct agent_app_keys *round_trip(const struct agent_app_keys *keys)
{
	struct agent_app_keys *again;
	char *text;
	size_t len;

	assert_int_equal(agent_app_keys_write(keys, &text, &len), 0);
	assert_int_equal(agent_app_keys_parse("keys", text, len, boot_tell,
					      &again), 0);
	libdstack_secret_free(text, AGENT_APP_KEYS_FILE_MAX);
	assert_memory_equal(again, keys, sizeof(*again));
	return again;
}

static void the_agent_reads_what_is_written(void **state)
{
	struct agent_app_keys *keys = make_keys(4);

	(void)state;
	agent_app_keys_free(round_trip(keys));
	keys->provider = AGENT_PROVIDER_TPM;
	agent_app_keys_free(round_trip(keys));
	keys->provider_id_len = AGENT_PROVIDER_ID_MAX;
	memset(keys->provider_id, 0xab, AGENT_PROVIDER_ID_MAX);
	agent_app_keys_free(round_trip(keys));
	keys->provider = AGENT_PROVIDER_LOCAL;
	agent_app_keys_free(round_trip(keys));
	agent_app_keys_free(keys);
}

static void keys_of_a_kms_are_written_too(void **state)
{
	struct agent_app_keys *keys = make_keys(5);

	(void)state;
	keys->provider = AGENT_PROVIDER_KMS;
	keys->provider_id_len = 91;
	memset(keys->provider_id, 0xcd, 91);
	keys->has_env_key = true;
	memset(keys->env_key, 6, DSTACK_KEY_SIZE);
	keys->k256_signature_len = AGENT_LINK_SIZE;
	memset(keys->k256_signature, 7, AGENT_LINK_SIZE);
	keys->key_epoch = 12345;
	strcpy(keys->gateway_app_id, "any");
	strcpy(keys->kms_url, "https://kms.example:1/\"\\");
	strcpy(keys->temp_ca_cert, keys->ca_cert);
	strcpy(keys->temp_ca_key, keys->ca_key);
	memset(keys->ca_key, 0, sizeof(keys->ca_key));
	agent_app_keys_free(round_trip(keys));
	/* A boot that is started again knows of what it was found to be. */
	keys->pinned_id_len = 91;
	memset(keys->pinned_id, 0xce, 91);
	agent_app_keys_free(round_trip(keys));
	agent_app_keys_free(keys);
}

/* Upstream's simulator has such a file: read, written and read, it is one. */
static void upstreams_file_is_written_as_it_was(void **state)
{
	struct vector v = vector_load("dstack/simulator-appkeys.json");
	struct agent_app_keys *keys;

	(void)state;
	assert_int_equal(agent_app_keys_parse("file", v.data, v.len, boot_tell,
					      &keys), 0);
	agent_app_keys_free(round_trip(keys));
	agent_app_keys_free(keys);
	free(v.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_seed_gives_the_same_keys),
		cmocka_unit_test(an_application_is_its_own_authority),
		cmocka_unit_test(the_agent_reads_what_is_written),
		cmocka_unit_test(keys_of_a_kms_are_written_too),
		cmocka_unit_test(upstreams_file_is_written_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
