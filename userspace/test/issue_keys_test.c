// SPDX-License-Identifier: MIT
/*
 * The keys that a KMS issues: upstream's values, and those of another program
 *
 * Copyright The dstack for Linux authors
 *
 * Where no vector of upstream's is named, values were computed by a program
 * that has HKDF of Python's library, curves and PKCS #8 of `cryptography`, and
 * a KECCAK-256 of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "issue_fixture.h"

#define ORDER \
	"ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"
#define K256_ORDER \
	"fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
#define K256_ROOT \
	"02989c0b76cb563971fdc9bef31ec06c3560f3249d6ee9e5d83c57625596e05f6f"

static struct issue_app_keys keys;

static int get_keys(const struct issue *of, const uint8_t *app_id,
		    uint8_t instance_len)
{
	struct libdstack_id instance = { .len = instance_len };

	memcpy(instance.data, INSTANCE, 20);
	return issue_app_keys(of, app_id, &instance, &keys);
}

/*
 * Upstream's vectors
 */

static void secrets_have_upstreams_values(void **state)
{
	const struct part context[] = {
		issue_text("context one"), issue_text("context two"),
	};
	uint8_t scalar[32], secret[32];
	EVP_PKEY *key;

	(void)state;
	assert_int_equal(p256_derive(roots.ca, context, 2, scalar), 0);
	key = p256_key(scalar);
	assert_non_null(key);
	assert_int_equal(p256_secret(key, secret), 0);
	assert_hex(secret, 32,
		   "663afd58820be8ad645f9c035e93199d114ab16f738db62393bc1d7d623e8813");
	EVP_PKEY_free(key);
}

/* Its test has an application id of five bytes, so it goes below our API. */
static void signatures_have_upstreams_bytes(void **state)
{
	const struct part context[] = {
		issue_text("app-a"), issue_text("app-key"),
	};
	uint8_t key[32], public[33], link[65];
	const struct part claim[] = {
		issue_text("dstack-kms-issued:"), context[0], { public, 33 },
	};

	(void)state;
	assert_int_equal(p256_derive(roots.k256, context, 2, key), 0);
	assert_hex(key, 32,
		   "ed0fd39ce7c26a185f396945168972807b2f77820f14ee4bda9e1f46e8b4596d");
	assert_int_equal(secp_public(key, public), 0);
	assert_int_equal(issue_vouch(roots.k256, claim, 3, link), 0);
	assert_hex(link, 65,
		   "e12a5f4567f6d9f80b01944dea333bbed5b418347f4260ed95e9ee198a03014e1716a40d2ed6cd367e335b33e231510aa98216e62b631f2b75c181c2f989656800");
}

/* Who signed what is made as issue_env_key() makes it. */
static void assert_env_signer(const uint8_t *app_id, const char *time,
			      const uint8_t *public, const uint8_t *link,
			      const char *want)
{
	const struct part claim[] = {
		issue_text("dstack-env-encrypt-pubkey:"), { app_id, 20 },
		{ time, time ? 8 : 0 }, { public, 32 },
	};
	uint8_t digest[32], signer[33];

	assert_int_equal(hash_parts(HASH_KECCAK256, claim, 4, digest), 0);
	assert_int_equal(secp_recover(link, digest, signer), 0);
	assert_hex(signer, 33, want);
}

/* Of upstream's SDKs: whose form of what is signed ours is. */
static void form_of_environment_keys_is_upstreams(void **state)
{
	static const uint8_t app_id[20];
	uint8_t public[32], link[65];

	(void)state;
	unhex("e33a1832c6562067ff8f844a61e51ad051f1180b66ec2551fb0251735f3ee90a",
	      public, 32);
	unhex("8542c49081fbf4e03f62034f13fbf70630bdf256a53032e38465a27c36fd6bed7a5e7111652004aef37f7fd92fbfc1285212c4ae6a6154203a48f5e16cad2cef00",
	      link, 65);
	assert_env_signer(app_id, NULL, public, link,
			  "0217610d74cbd39b6143842c6d8bc310d79da1d82cc9d17f8876376221eda0c38f");
}

/*
 * Keys of applications
 */

static void keys_follow_from_the_roots(void **state)
{
	(void)state;
	assert_int_equal(get_keys(issue, APP, 20), 0);
	assert_hex(keys.disk, 32,
		   "b02a9633a61c1d2cb17a9fb7022762b5a30cdcfc95309e758989bf856db06883");
	assert_hex(keys.env, 32,
		   "e610b28c170a6e2f280677acad66285f7d58e48659c8dfa15b3077a5f24b1f44");
	assert_hex(keys.k256, 32,
		   "7b74a0e8ac2dd803201f34bc393932fbd0425982e06eb3de86c0c5604eb6df49");
}

static void instances_without_an_id_share_one_disk_key(void **state)
{
	(void)state;
	assert_int_equal(get_keys(issue, APP, 0), 0);
	assert_hex(keys.disk, 32,
		   "ccae4ce6db6cbf7518825cce16f70eccde9459107e884bace727568f38cd3630");
	assert_hex(keys.env, 32,
		   "e610b28c170a6e2f280677acad66285f7d58e48659c8dfa15b3077a5f24b1f44");
}

/* One of another length could be read as a part of what follows. */
static void instance_id_of_another_length_has_no_keys(void **state)
{
	static const struct issue_app_keys none;
	static const uint8_t lens[] = { 1, 19, 21, 32, 33, 255 };
	size_t i;

	(void)state;
	memset(&keys, 0, sizeof(keys));
	for (i = 0; i < sizeof(lens); i++)
		assert_int_equal(get_keys(issue, APP, lens[i]), -EINVAL);
	assert_memory_equal(&keys, &none, sizeof(keys));
}

static void root_vouches_for_the_applications_key(void **state)
{
	uint8_t public[33], signer[33], app_id[20];

	(void)state;
	assert_int_equal(get_keys(issue, APP, 20), 0);
	assert_int_equal(secp_public(keys.k256, public), 0);
	assert_hex(public, 33,
		   "02488cdb65e38f1978188d5f3b108f929f863c747d6132e952b3814230a8c2ff7f");
	assert_int_equal(agent_issue_signer(APP, public, keys.k256_signature,
					    65, signer), 0);
	assert_hex(signer, 33, K256_ROOT);
	memcpy(app_id, APP, 20);
	app_id[19] ^= 1;
	assert_int_equal(agent_issue_signer(app_id, public,
					    keys.k256_signature, 65, signer),
			 0);
	assert_memory_not_equal(signer, issue_public(issue)->k256, 33);
}

static void other_epoch_or_application_shares_no_key(void **state)
{
	struct issue_app_keys mine;
	uint8_t app_id[20];
	int i;

	(void)state;
	assert_int_equal(get_keys(issue, APP, 20), 0);
	mine = keys;
	memcpy(app_id, APP, 20);
	app_id[0] ^= 1;
	for (i = 0; i < 2; i++) {
		assert_int_equal(get_keys(i ? other : issue, i ? APP : app_id,
					  20), 0);
		assert_memory_not_equal(keys.disk, mine.disk, 32);
		assert_memory_not_equal(keys.env, mine.env, 32);
		assert_memory_not_equal(keys.k256, mine.k256, 32);
	}
	issue_app_keys_wipe(&keys);
	issue_app_keys_wipe(&mine);
	assert_memory_equal(&keys, &mine, sizeof(keys));
}

static void environment_key_is_that_of_the_application(void **state)
{
	struct issue_env_key env, later;

	(void)state;
	assert_int_equal(issue_env_key(issue, APP, 0x0102030405060708, &env),
			 0);
	assert_hex(env.public, 32,
		   "4ef0e7d7d04174c08cf1088015fdf03d980a847c48c5ab85ef8dbd06087a146e");
	assert_env_signer(APP, NULL, env.public, env.signature, K256_ROOT);
	assert_env_signer(APP, "\1\2\3\4\5\6\7\10", env.public,
			  env.signature_v1, K256_ROOT);
	assert_int_equal(issue_env_key(issue, APP, 0x0102030405060709, &later),
			 0);
	assert_memory_equal(later.signature, env.signature, 65);
	assert_memory_not_equal(later.signature_v1, env.signature_v1, 65);
}

/*
 * Roots
 */

/* p256.c has a form of its own for them, which is wiped. */
static void private_keys_are_written_as_by_openssl(void **state)
{
	EVP_PKEY *key;
	char *pem, *want;
	BIO *out;
	long len;
	int i;

	(void)state;
	for (i = 0; i < 16; i++) {
		key = EVP_EC_gen("P-256");
		pem = p256_pem(key);
		out = BIO_new(BIO_s_mem());
		assert_int_equal(PEM_write_bio_PKCS8PrivateKey(out, key, NULL,
							       NULL, 0, NULL,
							       NULL), 1);
		len = BIO_get_mem_data(out, &want);
		assert_int_equal(strlen(pem), len);
		assert_memory_equal(pem, want, len);
		free(pem);
		BIO_free(out);
		EVP_PKEY_free(key);
	}
	key = EVP_EC_gen("P-384");
	assert_null(p256_pem(key));
	EVP_PKEY_free(key);
}

static void new_roots_are_keys_and_never_the_same(void **state)
{
	struct issue_roots made, more;
	uint8_t public[33];
	EVP_PKEY *key;

	(void)state;
	assert_int_equal(issue_roots_new(&made), 0);
	assert_int_equal(issue_roots_new(&more), 0);
	key = p256_key(made.ca);
	assert_non_null(key);
	EVP_PKEY_free(key);
	assert_int_equal(secp_public(made.k256, public), 0);
	assert_memory_not_equal(made.ca, more.ca, 32);
	assert_memory_not_equal(made.k256, more.k256, 32);
	assert_memory_not_equal(made.temp_ca, more.temp_ca, 32);
	assert_memory_not_equal(made.ca, made.temp_ca, 32);
	issue_roots_wipe(&made);
	issue_roots_wipe(&more);
	assert_memory_equal(&made, &more, sizeof(made));
}

static void numbers_that_are_no_keys_of_p256_are_none(void **state)
{
	uint8_t scalar[32] = { 0 };
	EVP_PKEY *key;

	(void)state;
	assert_null(p256_key(scalar));
	unhex(ORDER, scalar, 32);
	assert_null(p256_key(scalar));
	scalar[31]--;
	key = p256_key(scalar);
	assert_non_null(key);
	EVP_PKEY_free(key);
}

static void roots_that_are_no_keys_issue_nothing(void **state)
{
	static const char *const none[__ISSUE_CA_MAX];
	const struct {
		size_t at;
		const char *number;
	} bad[] = {
		{ offsetof(struct issue_roots, ca), ORDER },
		{ offsetof(struct issue_roots, temp_ca), ORDER },
		{ offsetof(struct issue_roots, k256), K256_ORDER },
		{ offsetof(struct issue_roots, ca), NULL },
		{ offsetof(struct issue_roots, temp_ca), NULL },
		{ offsetof(struct issue_roots, k256), NULL },
	};
	struct issue_roots tried;
	struct issue *made;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint8_t *number = (uint8_t *)&tried + bad[i].at;

		tried = roots;
		memset(number, 0, 32);
		if (bad[i].number)
			unhex(bad[i].number, number, 32);
		assert_int_equal(issue_open(&tried, none, NOW, &made, &why),
				 -EINVAL);
		assert_null(made);
		assert_non_null(strstr(why, "is no key of"));
	}
}

static void public_keys_and_report_data_are_the_roots(void **state)
{
	uint8_t report_data[64];

	(void)state;
	assert_hex(issue_public(issue)->k256, 33, K256_ROOT);
	assert_hex(issue_public(issue)->ca, 91,
		   "3059301306072a8648ce3d020106082a8648ce3d0301070342000491f50522407ce29dce3ed7d31a15d80c1c42f13a23552d2b33a0ce09ee11e47bce95936f3e7f80d195f879e28e1b144ef37ac9ab8e36a690cbf930b775897b27");
	assert_int_equal(issue_report_data(issue_public(issue), report_data),
			 0);
	assert_hex(report_data, 64,
		   "082d98087180f1f25e0677a4f6c2969345f962146bde528edcb57c7e2a8dff5f0000000000000000000000000000000000000000000000000000000000000000");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(secrets_have_upstreams_values),
		cmocka_unit_test(signatures_have_upstreams_bytes),
		cmocka_unit_test(form_of_environment_keys_is_upstreams),
		cmocka_unit_test(keys_follow_from_the_roots),
		cmocka_unit_test(instances_without_an_id_share_one_disk_key),
		cmocka_unit_test(instance_id_of_another_length_has_no_keys),
		cmocka_unit_test(root_vouches_for_the_applications_key),
		cmocka_unit_test(other_epoch_or_application_shares_no_key),
		cmocka_unit_test(environment_key_is_that_of_the_application),
		cmocka_unit_test(new_roots_are_keys_and_never_the_same),
		cmocka_unit_test(private_keys_are_written_as_by_openssl),
		cmocka_unit_test(numbers_that_are_no_keys_of_p256_are_none),
		cmocka_unit_test(roots_that_are_no_keys_issue_nothing),
		cmocka_unit_test(public_keys_and_report_data_are_the_roots),
	};

	return cmocka_run_group_tests_name("issue_keys", tests, issue_setup,
					   issue_teardown);
}
