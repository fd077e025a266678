// SPDX-License-Identifier: MIT
/*
 * The application's keys, from KMSs that are good, bad or another's
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../keys/p256.h"
#include "../keys/pem.h"
#include "kms_fixture.h"

/* Of upstream's own test. */
#define SCALAR	"f57527cea4ab7ffb49af99b158cdc0e3ec06398f528349ea236b7d2afe19cec1"

static struct kms_app_keys keys;
static uint64_t epoch;

static int get(void)
{
	kms_app_keys_wipe(&keys);
	nr_told = 0;
	return kms_get_app_keys(&kms, epoch, &keys);
}

static void assert_keys_under(const struct issue *issue)
{
	struct libdstack_id instance = { .len = 20 };
	struct issue_app_keys want;

	memcpy(instance.data, alice.instance, 20);
	assert_int_equal(issue_app_keys(issue, (const uint8_t *)APP, &instance,
					&want), 0);
	assert_memory_equal(keys.disk_crypt_key, want.disk, 32);
	assert_memory_equal(keys.env_crypt_key, want.env, 32);
	assert_memory_equal(keys.k256_key, want.k256, 32);
	assert_int_equal(keys.k256_signature_len, 65);
	assert_memory_equal(keys.k256_signature, want.k256_signature, 65);
	assert_int_equal(keys.provider_id_len, ISSUE_SPKI_SIZE);
	assert_memory_equal(keys.provider_id, issue_public(issue)->ca,
			    ISSUE_SPKI_SIZE);
	assert_string_equal(keys.ca_cert, issue_cert(issue, ISSUE_ROOT_CA));
}

static void assert_keys_of(const struct stand_in_kms *who)
{
	assert_keys_under(who->roots.issue);
}

static int reset(void **state)
{
	epoch = KMS_EPOCH_OLDEST;
	return kms_reset(state);
}

static void keys_come_with_all_that_belongs_to_them(void **state)
{
	(void)state;
	assert_int_equal(get(), 0);
	assert_keys_of(first);
	assert_string_equal(keys.url, first->url);
	assert_string_equal(keys.tmp_ca_cert,
			    issue_cert(first->roots.issue, ISSUE_TEMP_CA));
	assert_true(strstr(keys.tmp_ca_key, "BEGIN PRIVATE KEY"));
	assert_string_equal(keys.gateway_app_id, "");
	assert_int_equal(keys.os_image_hash_len, 32);
	assert_int_equal(keys.os_image_hash[31], 0xab);
	assert_int_equal(nr_told, 0);
	assert_int_equal(attested, 1);
}

static void keys_are_gone_once_they_are_wiped(void **state)
{
	static const struct kms_app_keys none;

	(void)state;
	assert_int_equal(get(), 0);
	kms_app_keys_wipe(&keys);
	assert_memory_equal(&keys, &none, sizeof(keys));
}

static int read_scalar(EVP_PKEY *key, bool old, const char *behind)
{
	BIO *pem = BIO_new(BIO_s_mem());
	uint8_t scalar[32];
	char *data;
	int err;

	if (old)
		err = PEM_write_bio_PrivateKey_traditional(pem, key, NULL, NULL,
							   0, NULL, NULL);
	else
		err = PEM_write_bio_PrivateKey(pem, key, NULL, NULL, 0, NULL,
					       NULL);
	assert_int_equal(err, 1);
	assert_true(BIO_puts(pem, behind) >= 0);
	assert_int_equal(BIO_write(pem, "", 1), 1);
	BIO_get_mem_data(pem, &data);
	err = pem_read_scalar(data, scalar);
	BIO_free(pem);
	return err;
}

static void scalar_is_read_of_one_key_of_p256_in_pkcs8(void **state)
{
	static const char *const others[] = { "P-384", "secp256k1" };
	uint8_t want[32], got[32];
	EVP_PKEY *key;
	char *pem;
	size_t i;

	(void)state;
	assert_true(libdstack_from_hex(SCALAR, 64, want, 32));
	key = p256_key(want);
	pem = p256_pem(key);
	assert_int_equal(pem_read_scalar(pem, got), 0);
	assert_memory_equal(got, want, 32);
	assert_int_equal(p256_scalar(key, got), 0);
	assert_memory_equal(got, want, 32);
	assert_int_equal(read_scalar(key, false, "\n"), 0);
	assert_int_equal(read_scalar(key, false, pem), -EINVAL);
	assert_int_equal(read_scalar(key, true, ""), -EINVAL);
	pem[40] ^= 1;
	assert_int_equal(pem_read_scalar(pem, got), -EINVAL);
	free(pem);
	EVP_PKEY_free(key);
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		key = EVP_EC_gen(others[i]);
		assert_int_equal(read_scalar(key, false, ""), -EINVAL);
		assert_int_equal(p256_scalar(key, got), -EINVAL);
		EVP_PKEY_free(key);
	}
}

/*
 * Faults
 */

struct refusal {
	enum stand_in_fault fault;
	int err;
	const char *text;
};

static const struct refusal refusals[] = {
	{ STAND_IN_USAGE, -EKEYREJECTED, "is for 'app:custom', not" },
	{ STAND_IN_NO_USAGE, -EKEYREJECTED, "is for '', not for 'kms:rpc'" },
	{ STAND_IN_OTHER_ISSUER, -EKEYREJECTED, "does not lead to its root" },
	{ STAND_IN_OTHER_NAME, -EKEYREJECTED, "127.0.0.1" },
	{ STAND_IN_EXPIRED, -EKEYREJECTED, "expired" },
	{ STAND_IN_BAD_EXTENSION, -EKEYREJECTED, "id of 7 bytes" },
	{ STAND_IN_CLOSES, -EHOSTUNREACH, "can't be asked" },
	{ STAND_IN_TRUNCATES, -EBADMSG, "ends early" },
	{ STAND_IN_OVERSIZE, -EBADMSG, "larger than 65536 bytes" },
	{ STAND_IN_REDIRECTS, -EBADMSG, "redirects (HTTP 302)" },
	{ STAND_IN_ERROR, -EBADMSG, "HTTP 500: Internal?server error" },
	{ STAND_IN_DENIES, -EACCES, "refused: Boot denied: Compose" },
	{ STAND_IN_GARBAGE, -EBADMSG, "it is not JSON" },
	{ STAND_IN_NUMBER, -EBADMSG, "ca_cert: a string is wanted" },
	{ STAND_IN_TWICE, -EBADMSG, "ca_cert: given twice" },
	{ STAND_IN_TEMP_CA, -EBADMSG, "its temporary CA" },
	{ STAND_IN_ROOT, -EBADMSG, "a CA that signed itself" },
	{ STAND_IN_ROOT_CHANGES, -EKEYREJECTED, "another root than the one" },
	{ STAND_IN_SHORT_DISK, -EBADMSG, "disk_crypt_key has 31 bytes" },
	{ STAND_IN_LONG_ENV, -EBADMSG, "env_crypt_key has 33 bytes" },
	{ STAND_IN_NO_K256, -EBADMSG, "k256_key has 0 bytes" },
	{ STAND_IN_ZERO_K256, -EBADMSG, "k256_key is no key" },
	{ STAND_IN_SHORT_SIGNATURE, -EBADMSG, "k256_signature has 64 bytes" },
	{ STAND_IN_SHORT_IMAGE, -EBADMSG, "os_image_hash has 20 bytes" },
	{ STAND_IN_GATEWAY, -EBADMSG, "gateway_app_id is no short text" },
};

static void each_fault_is_refused_and_named(void **state)
{
	static const struct kms_app_keys none;
	const struct refusal *r = refusals;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++, r++) {
		first->fault = r->fault;
		assert_int_equal(get(), r->err);
		assert_told(first, r->text);
		assert_int_equal(nr_told, 1);
		assert_memory_equal(&keys, &none, sizeof(keys));
	}
	/* And nothing but the fault was the reason. */
	first->fault = STAND_IN_GOOD;
	assert_int_equal(get(), 0);
}

static void silence_ends_at_the_deadline(void **state)
{
	time_t begin = time(NULL);

	(void)state;
	first->fault = STAND_IN_SILENT;
	kms.timeout_s = 1;
	assert_int_equal(get(), -EHOSTUNREACH);
	assert_told(first, "did not answer in time");
	assert_in_range(time(NULL) - begin, 0, 3);
}

static size_t forget(char *data, size_t size, size_t nr, void *arg)
{
	(void)data;
	(void)arg;
	return size * nr;
}

/* What anybody would do who trusts the root alone. */
static CURLcode get_as_others_do(void)
{
	const char *pem = issue_cert(first->roots.issue, ISSUE_ROOT_CA);
	struct curl_blob blob = { (void *)pem, strlen(pem), CURL_BLOB_COPY };
	char url[256];
	CURL *curl = curl_easy_init();
	CURLcode code;

	snprintf(url, sizeof(url), "%s/prpc/GetTempCaCert?json", first->url);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &blob);
	curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "null");
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, forget);
	code = curl_easy_perform(curl);
	curl_easy_cleanup(curl);
	return code;
}

static void certificate_of_an_application_is_good_only_without_usage(void **st)
{
	(void)st;
	first->fault = STAND_IN_USAGE;
	assert_int_equal(get_as_others_do(), CURLE_OK);
	assert_int_equal(get(), -EKEYREJECTED);
}

static void another_kms_is_good_only_without_a_pin(void **state)
{
	uint8_t *id = NULL;
	int len = i2d_PUBKEY(first->roots.ca_key, &id);

	(void)state;
	urls[0] = another->url;
	assert_int_equal(get(), 0);
	assert_keys_of(another);
	kms.provider_id = id;
	kms.provider_id_len = len;
	another->requests = 0;
	assert_int_equal(get(), -EKEYREJECTED);
	assert_told(another, "it is another KMS");
	/* It was asked who it succeeds, and shown no evidence. */
	assert_int_equal(another->requests, 2);
	urls[0] = first->url;
	assert_int_equal(get(), 0);
	assert_keys_of(first);
	kms.provider_id_len--;
	assert_int_equal(get(), -EKEYREJECTED);
	OPENSSL_free(id);
}

/*
 * Key epochs
 */

static struct stand_in_record record;

/* Both live, and the first vouches for the second. */
static void two_epochs(void)
{
	first->state.key_epoch = 1;
	show_record(first, first->roots.issue, first->others.issue, &record);
}

static void keys_of_an_epoch_come_with_the_root_of_that_epoch(void **state)
{
	static const uint64_t both[] = { 0, 1 };
	uint8_t *id = NULL;

	(void)state;
	two_epochs();
	/* The pin is of the root that it shows, as long as the older lives. */
	kms.provider_id_len = i2d_PUBKEY(first->roots.ca_key, &id);
	kms.provider_id = id;
	epoch = 1;
	assert_int_equal(get(), 0);
	assert_keys_under(first->others.issue);
	assert_int_equal(keys.key_epoch, 1);
	assert_int_equal(keys.nr_key_epochs, 2);
	assert_memory_equal(keys.key_epochs, both, sizeof(both));
	assert_string_equal(keys.tmp_ca_key, "");
	assert_string_equal(keys.tmp_ca_cert, "");
	/* Which the one that it shows vouches for. */
	record.record[record.len - 1] ^= 1;
	assert_int_equal(get(), -EKEYREJECTED);
	assert_told(first, "the root of key epoch 1 is not one that succeeds");
	first->config.nr_records = 0;
	assert_int_equal(get(), -EKEYREJECTED);
	epoch = KMS_EPOCH_OLDEST;
	assert_int_equal(get(), 0);
	assert_keys_of(first);
	assert_int_equal(keys.key_epoch, 0);
	epoch = 0;
	assert_int_equal(get(), 0);
	assert_keys_of(first);
	assert_true(*keys.tmp_ca_key);
	OPENSSL_free(id);
}

static void kms_that_knows_no_epochs_has_the_first(void **state)
{
	(void)state;
	assert_int_equal(get(), 0);
	assert_int_equal(keys.key_epoch, 0);
	assert_int_equal(keys.nr_key_epochs, 0);
	epoch = 1;
	assert_int_equal(get(), -EACCES);
	assert_told(first, "no such key epoch");
}

static void attack_63_keys_of_another_epoch_are_not_taken(void **state)
{
	static const struct refusal faults[] = {
		{ STAND_IN_WRONG_NUMBER, -EBADMSG, "key epoch 0, not 1" },
		{ STAND_IN_BACKWARDS, -EBADMSG, "are not in order" },
		{ STAND_IN_NONE_OF_THEM, -EBADMSG, "none of key_epochs" },
		{ STAND_IN_ROOT, -EBADMSG, "a CA that signed itself" },
	};
	static const struct kms_app_keys none;
	size_t i;

	(void)state;
	two_epochs();
	epoch = 1;
	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		first->fault = faults[i].fault;
		assert_int_equal(get(), faults[i].err);
		assert_told(first, faults[i].text);
		assert_memory_equal(&keys, &none, sizeof(keys));
	}
	first->fault = STAND_IN_GOOD;
	assert_int_equal(get(), 0);
}

static void keys_are_kept_with_their_epoch(void **state)
{
	struct agent_app_keys *kept, *again;
	void *memory;
	char *text;
	size_t len;

	(void)state;
	assert_int_equal(libdstack_secret_alloc(sizeof(*kept), &memory), 0);
	kept = memory;
	two_epochs();
	epoch = 1;
	assert_int_equal(get(), 0);
	assert_int_equal(kms_app_keys_keep(&keys, kept), 0);
	assert_int_equal(agent_app_keys_write(kept, &text, &len), 0);
	assert_non_null(strstr(text, ",\"key_epoch\":1,"));
	assert_int_equal(agent_app_keys_parse("k", text, len, note, &again), 0);
	assert_memory_equal(again, kept, sizeof(*kept));
	agent_app_keys_free(again);
	libdstack_secret_free(text, AGENT_APP_KEYS_FILE_MAX);
	/* Of the first epoch it is upstream's file. */
	kept->key_epoch = 0;
	assert_int_equal(agent_app_keys_write(kept, &text, &len), 0);
	assert_null(strstr(text, "key_epoch"));
	libdstack_secret_free(text, AGENT_APP_KEYS_FILE_MAX);
	free(keys.url);
	keys.url = calloc(1, AGENT_URL_MAX + 1);
	memset(keys.url, 'u', AGENT_URL_MAX);
	assert_int_equal(kms_app_keys_keep(&keys, kept), -EMSGSIZE);
	agent_app_keys_free(kept);
}

/*
 * Evidence of the KMS
 */

static void evidence_of_a_kms_is_judged_if_asked_for(void **state)
{
	(void)state;
	need_guests();
	kms.trust = &trust;
	assert_int_equal(get(), -EKEYREJECTED);
	assert_told(first, "carries no evidence");
	first->config.attest = attest_kms;
	assert_int_equal(get(), 0);
	assert_string_equal(accepted, bob.instance);
	only_instance = alice.instance;
	assert_int_equal(get(), -EKEYREJECTED);
	assert_told(first, "policy");
	kms.trust = NULL;
	assert_int_equal(get(), 0);
	first->config.attest = NULL;
}

/*
 * Several KMSs
 */

static void the_next_is_asked_if_one_fails(void **state)
{
	(void)state;
	urls[0] = "https://127.0.0.1:1";
	urls[1] = first->url;
	urls[2] = copy->url;
	urls[3] = another->url;
	kms.nr = 4;
	kms.timeout_s = 1;
	first->fault = STAND_IN_SILENT;
	assert_int_equal(get(), 0);
	assert_keys_of(copy);
	assert_string_equal(keys.url, copy->url);
	assert_int_equal(nr_told, 2);
	assert_true(strstr(told[0], "127.0.0.1:1': can't be asked"));
	assert_true(strstr(told[1], "in time"));
	assert_int_equal(another->requests, 0);
	assert_int_equal(attested, 1);
}

static void refusal_is_not_hidden_by_what_follows(void **state)
{
	(void)state;
	urls[0] = first->url;
	urls[1] = another->url;
	urls[2] = "https://127.0.0.1:1";
	kms.nr = 3;
	first->fault = STAND_IN_DENIES;
	another->fault = STAND_IN_USAGE;
	assert_int_equal(get(), -EACCES);
	assert_int_equal(nr_told, 4);
	assert_told(first, "Boot denied: Compose hash not allowed");
	assert_true(strstr(told[3], "look at this first"));
}

static void all_together_have_a_deadline(void **state)
{
	time_t begin = time(NULL);

	(void)state;
	urls[1] = copy->url;
	urls[2] = another->url;
	kms.nr = 3;
	kms.timeout_s = 2;
	kms.total_s = 2;
	first->fault = STAND_IN_SILENT;
	assert_int_equal(get(), -EHOSTUNREACH);
	assert_true(strstr(told[1], "no time left"));
	assert_int_equal(copy->requests, 0);
	assert_in_range(time(NULL) - begin, 1, 4);
}

static void only_https_is_spoken(void **state)
{
	static const char *const bad[] = {
		"http://127.0.0.1:1", "ftp://127.0.0.1", "file:///etc/passwd",
		"127.0.0.1", "https://", "https://user@127.0.0.1:1",
		"https://127.0.0.1/?a", "https://127.0.0.1/#a", "",
		"https://127.0.0.1:99999",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		urls[0] = bad[i];
		assert_int_equal(get(), -EINVAL);
		assert_true(strstr(told[0], "https://NAME:PORT"));
	}
	kms.nr = 0;
	assert_int_equal(get(), -EINVAL);
	assert_true(strstr(told[0], "no KMS"));
}

static void path_may_be_in_the_url_or_not(void **state)
{
	char url[256];

	(void)state;
	urls[0] = url;
	snprintf(url, sizeof(url), "%s/", first->url);
	assert_int_equal(get(), 0);
	snprintf(url, sizeof(url), "%s/prpc", first->url);
	assert_int_equal(get(), 0);
	snprintf(url, sizeof(url), "%s/elsewhere", first->url);
	assert_int_equal(get(), -EBADMSG);
	assert_true(strstr(told[0], "HTTP 404"));
}

static void environment_names_no_proxy(void **state)
{
	(void)state;
	setenv("https_proxy", "http://127.0.0.1:1", 1);
	assert_int_equal(get(), 0);
	unsetenv("https_proxy");
}

static int attest_fails(void *arg, const uint8_t report_data[64],
			uint8_t **attestation, size_t *len)
{
	(void)arg;
	(void)report_data;
	(void)attestation;
	(void)len;
	return -EIO;
}

static void without_evidence_nobody_is_asked(void **state)
{
	(void)state;
	kms.attest = attest_fails;
	assert_int_equal(get(), -EIO);
	assert_true(strstr(told[0], "no evidence of this machine"));
	assert_int_equal(first->requests, 0);
}

int main(void)
{
#define ONE(name) cmocka_unit_test_setup(name, reset)
	const struct CMUnitTest tests[] = {
		ONE(keys_come_with_all_that_belongs_to_them),
		ONE(keys_are_gone_once_they_are_wiped),
		ONE(scalar_is_read_of_one_key_of_p256_in_pkcs8),
		ONE(each_fault_is_refused_and_named),
		ONE(silence_ends_at_the_deadline),
		ONE(certificate_of_an_application_is_good_only_without_usage),
		ONE(another_kms_is_good_only_without_a_pin),
		ONE(keys_of_an_epoch_come_with_the_root_of_that_epoch),
		ONE(kms_that_knows_no_epochs_has_the_first),
		ONE(attack_63_keys_of_another_epoch_are_not_taken),
		ONE(keys_are_kept_with_their_epoch),
		ONE(evidence_of_a_kms_is_judged_if_asked_for),
		ONE(the_next_is_asked_if_one_fails),
		ONE(refusal_is_not_hidden_by_what_follows),
		ONE(all_together_have_a_deadline),
		ONE(only_https_is_spoken),
		ONE(path_may_be_in_the_url_or_not),
		ONE(environment_names_no_proxy),
		ONE(without_evidence_nobody_is_asked),
	};

	return cmocka_run_group_tests_name("kms_keys", tests, kms_setup,
					   kms_teardown);
}
