// SPDX-License-Identifier: MIT
/*
 * MR_CONFIG_ID: what the host can say of an application, and what it can't
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "../boot/boot.h"

/* The document of upstream's tests, and what upstream makes of it. */
#define DOCUMENT "{\"app_id\":\"1111111111111111111111111111111111111111\"," \
	"\"compose_hash\":\"2222222222222222222222222222222222222222222222222222222222222222\"," \
	"\"gpu_policy_hash\":\"5555555555555555555555555555555555555555555555555555555555555555\"," \
	"\"instance_id\":\"4444444444444444444444444444444444444444\"," \
	"\"key_provider\":\"kms\"," \
	"\"key_provider_id\":\"3333333333333333333333333333333333333333333333333333333333333333\"," \
	"\"version\":3}"
#define DOCUMENT_HASH \
	"90e5cffa571b22c2ca846872d6fb7b071aa1346f1a1f87f72869c47b39d94099"

/* Keccak-256 of compose hash, application, 2 for a KMS, and its id. */
#define V2_HASH \
	"7f2ca741da9d356026ab20ca640abf06198829a128817b091bbc9aec1ed97b60"

static uint8_t compose_hash[APP_HASH_SIZE], app_id[APP_ID_SIZE];
static uint8_t instance_id[APP_ID_SIZE], gpu_policy_hash[APP_HASH_SIZE];
static uint8_t provider_id[32];
static char script[] = "one";
static char *no_scripts[] = { NULL }, *scripts[] = { script, NULL };

static struct config_id local;

static int setup(void **state)
{
	(void)state;
	memset(compose_hash, 0x22, sizeof(compose_hash));
	memset(app_id, 0x11, sizeof(app_id));
	memset(instance_id, 0x44, sizeof(instance_id));
	memset(gpu_policy_hash, 0x55, sizeof(gpu_policy_hash));
	memset(provider_id, 0x33, sizeof(provider_id));
	local = (struct config_id){
		.compose_hash = compose_hash, .app_id = app_id,
		.instance_id = instance_id, .instance_id_len = APP_ID_SIZE,
		.gpu_policy_hash = gpu_policy_hash,
		.provider = APP_PROVIDER_KMS, .provider_id = provider_id,
		.provider_id_len = sizeof(provider_id),
		.init_scripts = no_scripts, .document = DOCUMENT,
	};
	return 0;
}

static void make(uint8_t value[BOOT_CONFIG_ID_SIZE], uint8_t version,
		 const char *hash)
{
	memset(value, 0, BOOT_CONFIG_ID_SIZE);
	value[0] = version;
	assert_true(libdstack_from_hex(hash, strlen(hash), value + 1,
				       APP_HASH_SIZE));
}

static void make_of_document(uint8_t value[BOOT_CONFIG_ID_SIZE],
			     const char *document)
{
	char all[4096] = "dstack-mr-config-v3:";

	memset(value, 0, BOOT_CONFIG_ID_SIZE);
	value[0] = 3;
	strcpy(all + 21, document);
	SHA256((uint8_t *)all, 21 + strlen(document), value + 1);
	local.document = document;
}

static void a_register_of_zeros_says_nothing(void **state)
{
	const uint8_t value[BOOT_CONFIG_ID_SIZE] = { 0 };

	(void)state;
	local.document = NULL;
	assert_int_equal(config_id_check(value, &local), 0);
}

static void version_1_is_the_compose_hash(void **state)
{
	uint8_t value[BOOT_CONFIG_ID_SIZE];

	(void)state;
	make(value, 1, "2222222222222222222222222222222222222222222222222222222222222222");
	assert_int_equal(config_id_check(value, &local), 0);
	compose_hash[31] ^= 1;
	assert_int_equal(config_id_check(value, &local), -EKEYREJECTED);
	compose_hash[31] ^= 1;
	value[47] = 1;
	assert_int_equal(config_id_check(value, &local), -EKEYREJECTED);
}

static void version_2_is_a_hash_of_who_and_whose(void **state)
{
	uint8_t value[BOOT_CONFIG_ID_SIZE];

	(void)state;
	make(value, 2, V2_HASH);
	assert_int_equal(config_id_check(value, &local), 0);
	local.provider = APP_PROVIDER_NONE;
	assert_int_equal(config_id_check(value, &local), -EKEYREJECTED);
	local.provider = APP_PROVIDER_KMS;
	local.provider_id_len--;
	assert_int_equal(config_id_check(value, &local), -EKEYREJECTED);
}

static void version_3_is_a_hash_of_a_document(void **state)
{
	uint8_t value[BOOT_CONFIG_ID_SIZE];

	(void)state;
	make(value, 3, DOCUMENT_HASH);
	assert_int_equal(config_id_check(value, &local), 0);
	/* Of its very bytes. */
	local.document = " " DOCUMENT;
	assert_int_equal(config_id_check(value, &local), -EKEYREJECTED);
	local.document = NULL;
	assert_int_equal(config_id_check(value, &local), -EKEYREJECTED);
}

/* Who writes the document knows what is pinned; who verifies, what was had. */
static void document_may_name_the_root_that_is_succeeded(void **state)
{
	static const uint8_t next[32] = { 7 };
	uint8_t value[BOOT_CONFIG_ID_SIZE];

	(void)state;
	make(value, 3, DOCUMENT_HASH);
	local.provider_id = next;
	assert_int_equal(config_id_check(value, &local), -EKEYREJECTED);
	local.pinned_id = provider_id;
	local.pinned_id_len = sizeof(provider_id);
	assert_int_equal(config_id_check(value, &local), 0);
	provider_id[5] ^= 1;
	assert_int_equal(config_id_check(value, &local), -EKEYREJECTED);
	provider_id[5] ^= 1;
	make(value, 2, V2_HASH);
	assert_int_equal(config_id_check(value, &local), -EKEYREJECTED);
}

static void every_field_of_the_document_is_compared(void **state)
{
	uint8_t value[BOOT_CONFIG_ID_SIZE];
	uint8_t *const fields[] = { compose_hash, app_id, gpu_policy_hash,
				    instance_id, provider_id };
	size_t i;

	(void)state;
	make(value, 3, DOCUMENT_HASH);
	for (i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		fields[i][7] ^= 1;
		assert_int_equal(config_id_check(value, &local),
				 -EKEYREJECTED);
		fields[i][7] ^= 1;
	}
	local.provider = APP_PROVIDER_TPM;
	assert_int_equal(config_id_check(value, &local), -EKEYREJECTED);
	local.provider = APP_PROVIDER_KMS;
	local.instance_id_len = 0;
	assert_int_equal(config_id_check(value, &local), -EKEYREJECTED);
}

#define HEAD	"{\"compose_hash\":\"2222222222222222222222222222222222222222222222222222222222222222\"," \
		"\"key_provider\":\"kms\""

static void what_the_document_leaves_out_may_be_anything(void **state)
{
	uint8_t value[BOOT_CONFIG_ID_SIZE];

	(void)state;
	make_of_document(value, HEAD "}");
	local.init_scripts = scripts;
	assert_int_equal(config_id_check(value, &local), 0);
}

static void scripts_are_compared_by_their_hashes(void **state)
{
	uint8_t value[BOOT_CONFIG_ID_SIZE];

	(void)state;
	make_of_document(value, HEAD ",\"init_script_hashes\":["
			 "\"7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed\"]}");
	assert_int_equal(config_id_check(value, &local), -EKEYREJECTED);
	local.init_scripts = scripts;
	assert_int_equal(config_id_check(value, &local), 0);
	script[0] = 'x';
	assert_int_equal(config_id_check(value, &local), -EKEYREJECTED);
	script[0] = 'o';
	make_of_document(value, HEAD ",\"init_script_hashes\":[]}");
	assert_int_equal(config_id_check(value, &local), -EKEYREJECTED);
}

static void a_document_of_another_shape_is_refused(void **state)
{
	static const char *const documents[] = {
		"", "[]", "{}", HEAD ",\"new\":1}", HEAD ",\"version\":2}",
		HEAD ",\"app_id\":\"zz\"}", HEAD ",\"key_provider\":\"kms\"}",
		"{\"key_provider\":\"kms\"}",
	};
	uint8_t value[BOOT_CONFIG_ID_SIZE];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(documents) / sizeof(*documents); i++) {
		make_of_document(value, documents[i]);
		assert_int_not_equal(config_id_check(value, &local), 0);
	}
}

static void versions_to_come_are_refused(void **state)
{
	uint8_t value[BOOT_CONFIG_ID_SIZE] = { 4 };

	(void)state;
	assert_int_equal(config_id_check(value, &local), -EOPNOTSUPP);
	value[0] = 0;
	value[1] = 1;
	assert_int_equal(config_id_check(value, &local), -EOPNOTSUPP);
}

#define TEST(name)	cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_register_of_zeros_says_nothing),
		TEST(version_1_is_the_compose_hash),
		TEST(version_2_is_a_hash_of_who_and_whose),
		TEST(version_3_is_a_hash_of_a_document),
		TEST(document_may_name_the_root_that_is_succeeded),
		TEST(every_field_of_the_document_is_compared),
		TEST(what_the_document_leaves_out_may_be_anything),
		TEST(scripts_are_compared_by_their_hashes),
		TEST(a_document_of_another_shape_is_refused),
		TEST(versions_to_come_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
