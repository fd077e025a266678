// SPDX-License-Identifier: MIT
/*
 * Certificates and public keys, from KMSs that are good, bad or another's
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kms_fixture.h"

#define SPAN(text)	{ (const uint8_t *)(text), sizeof(text) - 1 }

/* A key, and a request for its certificate. */
static EVP_PKEY *key;
static uint8_t *csr_data, *csr_signature;
static struct kms_csr csr;
static char *signed_chain, *root_pem;
static const char *older_pem;
static uint64_t epoch;

static void drop(void)
{
	EVP_PKEY_free(key);
	free(csr_data);
	free(csr_signature);
	free(signed_chain);
	free(root_pem);
	key = NULL;
	csr_data = NULL;
	csr_signature = NULL;
	signed_chain = NULL;
	root_pem = NULL;
}

static int make_request(void **state)
{
	struct libdstack_csr request = {
		.version = 2, .subject = SPAN("app.test"),
		.alt_names = { SPAN("app.test"), SPAN("10.0.0.1") },
		.nr_alt_names = 2, .server = true, .ext_quote = true,
	};
	uint8_t report_data[64], *spki = NULL, *evidence;
	size_t len;

	kms_reset(state);
	drop();
	older_pem = NULL;
	epoch = KMS_EPOCH_OLDEST;
	key = EVP_EC_gen("P-256");
	request.pubkey.len = i2d_PUBKEY(key, &spki);
	request.pubkey.data = spki;
	assert_int_equal(libdstack_ratls_report_data(key, report_data), 0);
	attest_app(NULL, report_data, &evidence, &len);
	request.attestation = (struct libdstack_span){ evidence, len };
	assert_int_equal(libdstack_csr_encode(&request, &csr_data, &csr.len),
			 0);
	assert_int_equal(libdstack_csr_sign(key, csr_data, csr.len,
					    &csr_signature,
					    &csr.signature_len), 0);
	csr.data = csr_data;
	csr.signature = csr_signature;
	root_pem = strdup(issue_cert(first->roots.issue, ISSUE_ROOT_CA));
	OPENSSL_free(spki);
	free(evidence);
	return 0;
}

static int drop_request(void **state)
{
	(void)state;
	drop();
	return 0;
}

static int have_signed(void)
{
	const struct kms_signer signer = {
		.epoch = epoch, .ca_cert = root_pem, .older_ca_cert = older_pem,
	};

	free(signed_chain);
	nr_told = 0;
	return kms_sign_cert(&kms, &signer, &csr, &signed_chain);
}

static void chain_leads_from_the_key_to_the_root(void **state)
{
	struct libdstack_failure failure;
	struct libdstack_ratls ratls;
	EVP_PKEY *issuer;
	X509 *certs[3];
	BIO *in;
	int i;

	(void)state;
	assert_int_equal(have_signed(), 0);
	in = BIO_new_mem_buf(signed_chain, -1);
	for (i = 0; i < 3; i++)
		assert_non_null(certs[i] = PEM_read_bio_X509(in, NULL, NULL,
							     NULL));
	assert_null(PEM_read_bio_X509(in, NULL, NULL, NULL));
	ERR_clear_error();
	assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(certs[0]), key), 1);
	for (i = 0; i < 3; i++) {
		issuer = X509_get0_pubkey(certs[i < 2 ? i + 1 : 2]);
		assert_int_equal(X509_verify(certs[i], issuer), 1);
	}
	assert_int_equal(libdstack_ratls_parse(certs[0], &ratls, &failure), 0);
	assert_string_equal(ratls.usage, "app:custom");
	assert_memory_equal(ratls.app_id.data, APP, 20);
	assert_non_null(ratls.attestation);
	libdstack_ratls_clear(&ratls);
	for (i = 0; i < 3; i++)
		X509_free(certs[i]);
	BIO_free(in);
}

static void each_fault_is_refused_and_named(void **state)
{
	static const struct {
		enum stand_in_fault fault;
		int err;
		const char *text;
	} faults[] = {
		{ STAND_IN_USAGE, -EKEYREJECTED, "not for 'kms:rpc'" },
		{ STAND_IN_OTHER_ISSUER, -EKEYREJECTED, "lead to its root" },
		{ STAND_IN_OTHER_NAME, -EKEYREJECTED, "127.0.0.1" },
		{ STAND_IN_OVERSIZE, -EBADMSG, "larger than 65536 bytes" },
		{ STAND_IN_DENIES, -EACCES, "refused: Boot denied" },
		{ STAND_IN_NUMBER, -EBADMSG, "ca_cert: a string is wanted" },
		{ STAND_IN_NO_CHAIN, -EBADMSG, "a chain of 0 certificates" },
		{ STAND_IN_OTHER_KEY, -EBADMSG, "for another key" },
		{ STAND_IN_OTHER_CHAIN, -EKEYREJECTED, "gave the keys" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		first->fault = faults[i].fault;
		assert_int_equal(have_signed(), faults[i].err);
		assert_null(signed_chain);
		assert_told(first, faults[i].text);
	}
}

static void only_the_kms_that_gave_the_keys_signs(void **state)
{
	(void)state;
	urls[0] = another->url;
	urls[1] = copy->url;
	kms.nr = 2;
	assert_int_equal(have_signed(), 0);
	assert_int_equal(nr_told, 1);
	assert_true(strstr(told[0], "it is another KMS"));
	kms.nr = 1;
	assert_int_equal(have_signed(), -EKEYREJECTED);
}

/* The root that gave the keys vouches for the one that the KMS has now. */
static void kms_signs_under_the_root_that_succeeds(void **state)
{
	const struct issue *next = another->roots.issue;
	struct stand_in_record record;

	(void)state;
	urls[0] = another->url;
	show_record(another, first->roots.issue, next, &record);
	assert_int_equal(have_signed(), 0);
	assert_non_null(strstr(signed_chain, issue_cert(next, ISSUE_ROOT_CA)));
	/* The caller may pin another one than that which gave the keys. */
	kms.provider_id = issue_public(next)->ca;
	kms.provider_id_len = 91;
	assert_int_equal(have_signed(), 0);
	kms.provider_id_len = 0;
	record.record[record.len - 1] ^= 1;
	assert_int_equal(have_signed(), -EKEYREJECTED);
	assert_told(another, "is not by the root before it");
	another->config.nr_records = 0;
}

/* The KMS shows the root of the older epoch, while that lives. */
static void certificate_of_an_epoch_leads_to_the_root_of_that_epoch(void **st)
{
	struct stand_in_record record;
	char *old = root_pem;

	(void)st;
	first->state.key_epoch = 1;
	root_pem = strdup(issue_cert(first->others.issue, ISSUE_ROOT_CA));
	epoch = 1;
	older_pem = old;
	assert_int_equal(have_signed(), 0);
	/* It is not to be had of who shows another root than those two. */
	older_pem = NULL;
	assert_int_equal(have_signed(), -EKEYREJECTED);
	assert_told(first, "is another KMS");
	/* Nor do certificates of two epochs pass for one another. */
	older_pem = old;
	epoch = 0;
	assert_int_equal(have_signed(), -EKEYREJECTED);
	assert_told(first, "gave the keys");
	/* Once the older has ended, it shows the one that signs. */
	show_record(first, first->others.issue, first->roots.issue, &record);
	free(root_pem);
	root_pem = strdup(old);
	older_pem = issue_cert(first->others.issue, ISSUE_ROOT_CA);
	epoch = KMS_EPOCH_OLDEST;
	assert_int_equal(have_signed(), 0);
	first->config.nr_records = 0;
	assert_int_equal(have_signed(), -EKEYREJECTED);
	free(old);
}

static void what_is_no_request_is_sent_to_nobody(void **state)
{
	(void)state;
	csr.len = 20;
	assert_int_equal(have_signed(), -EINVAL);
	assert_true(strstr(told[0], "no request"));
	csr.len = 0;
	assert_int_equal(have_signed(), -EINVAL);
	root_pem[30] ^= 1;
	assert_int_equal(have_signed(), -EINVAL);
	assert_true(strstr(told[0], "ca_cert"));
	assert_int_equal(first->requests, 0);
}

static void request_that_another_key_signed_is_refused_there(void **state)
{
	(void)state;
	csr_signature[csr.signature_len - 1] ^= 1;
	assert_int_equal(have_signed(), -EACCES);
	assert_told(first, "refused: Failed to verify csr");
}

/*
 * Keys of environments
 */

static struct kms_env_key env;

static int get_env(const uint8_t *signer)
{
	nr_told = 0;
	return kms_env_public_key(&kms, (const uint8_t *)APP, signer, &env);
}

static void key_of_environments_is_signed_by_the_root(void **state)
{
	const struct issue *issue = first->roots.issue;
	struct issue_env_key want;
	uint8_t signer[33];

	(void)state;
	memcpy(signer, issue_public(issue)->k256, 33);
	assert_int_equal(get_env(NULL), 0);
	assert_memory_equal(env.signer, signer, 33);
	assert_in_range(env.timestamp, time(NULL) - 60, time(NULL));
	assert_int_equal(issue_env_key(issue, (const uint8_t *)APP, 0, &want),
			 0);
	assert_memory_equal(env.public_key, want.public, 32);
	assert_int_equal(get_env(signer), 0);
	signer[5] ^= 1;
	assert_int_equal(get_env(signer), -EKEYREJECTED);
	assert_told(first, "another root signed");
}

static void each_fault_of_environments_is_refused_and_named(void **state)
{
	static const struct {
		enum stand_in_fault fault;
		int err;
		const char *text;
	} faults[] = {
		{ STAND_IN_OLD, -EKEYREJECTED, "more than 300 s old" },
		{ STAND_IN_AHEAD, -EKEYREJECTED, "of a time to come" },
		{ STAND_IN_OTHER_APP, -EKEYREJECTED, "another application's" },
		{ STAND_IN_NUMBER, -EBADMSG, "public_key: a string" },
		{ STAND_IN_GARBAGE, -EBADMSG, "it is not JSON" },
	};
	const uint8_t *signer = issue_public(first->roots.issue)->k256;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		first->fault = faults[i].fault;
		assert_int_equal(get_env(signer), faults[i].err);
		assert_told(first, faults[i].text);
		assert_int_equal(env.timestamp, 0);
	}
	first->fault = STAND_IN_TWO_ROOTS;
	assert_int_equal(get_env(NULL), -EBADMSG);
	assert_told(first, "of two roots");
}

static void older_kms_says_no_time(void **state)
{
	(void)state;
	first->fault = STAND_IN_NO_NEW;
	assert_int_equal(get_env(NULL), 0);
	assert_int_equal(env.timestamp, 0);
}

int main(void)
{
#define ONE(name) cmocka_unit_test_setup_teardown(name, make_request, \
						   drop_request)
	const struct CMUnitTest tests[] = {
		ONE(chain_leads_from_the_key_to_the_root),
		ONE(each_fault_is_refused_and_named),
		ONE(only_the_kms_that_gave_the_keys_signs),
		ONE(kms_signs_under_the_root_that_succeeds),
		ONE(certificate_of_an_epoch_leads_to_the_root_of_that_epoch),
		ONE(what_is_no_request_is_sent_to_nobody),
		ONE(request_that_another_key_signed_is_refused_there),
		ONE(key_of_environments_is_signed_by_the_root),
		ONE(each_fault_of_environments_is_refused_and_named),
		ONE(older_kms_says_no_time),
	};

	return cmocka_run_group_tests_name("kms_sign", tests, kms_setup,
					   kms_teardown);
}
