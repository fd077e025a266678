// SPDX-License-Identifier: MIT
/*
 * Only a platform's certificate vouches for a platform
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <openssl/x509v3.h>

#include "pki_fixture.h"

#define DAY	86400
#define MANY	(DCAP_KNOWN_MAX + 4)

/* The certificates of the PKI, and copies that a test changes. */
static X509 *real[3], *cert[3];
static EVP_PKEY *keys[3];
static struct libdstack_collateral *collateral;

static X509 *read_cert(const char *name)
{
	size_t len;
	char *pem = load(name, &len);
	X509 *x = certs_parse(pem, len);

	assert_non_null(x);
	free(pem);
	return x;
}

static void need_certs(void)
{
	need_pki();
	if (collateral)
		return;
	real[0] = read_cert("base/pck.pem");
	real[1] = read_cert("base/platform.pem");
	real[2] = read_cert("base/root.pem");
	keys[0] = read_key("base/pck.key");
	keys[1] = read_key("base/platform.key");
	keys[2] = read_key("base/root.key");
	collateral = read_collateral("base");
}

static int setup(void **state)
{
	int i;

	(void)state;
	need_certs();
	for (i = 0; i < 3; i++) {
		X509_free(cert[i]);
		cert[i] = X509_dup(real[i]);
	}
	return 0;
}

static void sign_cert(X509 *x, EVP_PKEY *key)
{
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
}

static void set_serial(X509 *x, long serial)
{
	assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(x), serial),
			 1);
}

static void set_name(X509_NAME *name, const char *common_name)
{
	int i = X509_NAME_get_index_by_NID(name, NID_commonName, -1);

	const uint8_t *text = (const uint8_t *)common_name;

	X509_NAME_ENTRY_free(X509_NAME_delete_entry(name, i));
	assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
						    text, -1, i, 0), 1);
}

static void drop_extension(X509 *x, int i)
{
	assert_true(i >= 0);
	X509_EXTENSION_free(X509_delete_ext(x, i));
}

static void add_extension(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert_non_null(ext);
	assert_int_equal(X509_add_ext(x, ext, -1), 1);
	X509_EXTENSION_free(ext);
}

static int sgx_extension(X509 *x)
{
	ASN1_OBJECT *oid = OBJ_txt2obj("1.2.840.113741.1.13.1", 1);
	int i = X509_get_ext_by_OBJ(x, oid, -1);

	ASN1_OBJECT_free(oid);
	return i;
}

static int verify_at(time_t now)
{
	return libdstack_quote_verify(f.data, f.len, collateral, root, root_len,
				      now, &verdict);
}

/* A quote with the three certificates as they are now. */
static int verify(void)
{
	BIO *out = BIO_new(BIO_s_mem());
	char *pem;
	long len;
	int i;

	for (i = 0; i < 3; i++)
		assert_int_equal(PEM_write_bio_X509(out, cert[i]), 1);
	len = BIO_get_mem_data(out, &pem);
	make_with(4, FIXTURE_TD10, pem, len);
	BIO_free(out);
	return verify_at(time(NULL));
}

static void assert_refused(enum libdstack_reason reason)
{
	assert_true(verify() < 0);
	if (verdict.failure.reason != reason)
		fail_msg("%s: %s: %s",
			 libdstack_reason_name(verdict.failure.reason),
			 verdict.failure.step, verdict.failure.text);
}

#define REASON_IS(name) assert_refused(LIBDSTACK_REASON_##name)

static void another_platform_of_the_ca_is_accepted(void **state)
{
	(void)state;
	assert_int_equal(verify(), 0);
	set_serial(cert[0], 4711);
	sign_cert(cert[0], keys[1]);
	assert_int_equal(verify(), 0);
}

static void only_the_ca_makes_platforms(void **state)
{
	EVP_PKEY *stranger = EVP_EC_gen("P-256");

	(void)state;
	sign_cert(cert[0], stranger);
	REASON_IS(SIGNATURE);
	/* Nor does the root itself. */
	sign_cert(cert[0], keys[2]);
	REASON_IS(SIGNATURE);
	X509_set_issuer_name(cert[0], X509_get_subject_name(cert[2]));
	sign_cert(cert[0], keys[2]);
	REASON_IS(CHAIN);
	/* Nor a platform. */
	X509_set_issuer_name(cert[0], X509_get_subject_name(real[0]));
	sign_cert(cert[0], keys[0]);
	REASON_IS(CHAIN);
	EVP_PKEY_free(stranger);
}

static void certificate_of_another_kind_is_refused(void **state)
{
	(void)state;
	set_name(X509_get_subject_name(cert[0]), "Intel SGX TCB Signing");
	sign_cert(cert[0], keys[1]);
	REASON_IS(CHAIN);
	setup(NULL);
	drop_extension(cert[0], X509_get_ext_by_NID(cert[0],
						    NID_basic_constraints,
						    -1));
	add_extension(cert[0], NID_basic_constraints, "critical,CA:TRUE");
	sign_cert(cert[0], keys[1]);
	REASON_IS(CHAIN);
	/* Something critical that nobody here looks at. */
	setup(NULL);
	add_extension(cert[0], NID_policy_constraints,
		      "critical,requireExplicitPolicy:0");
	add_extension(cert[0], NID_netscape_comment, "critical,read me");
	sign_cert(cert[0], keys[1]);
	REASON_IS(CHAIN);
	/* Another hash than Intel's. */
	setup(NULL);
	assert_true(X509_sign(cert[0], keys[1], EVP_sha512()) > 0);
	REASON_IS(CHAIN);
}

static void platform_must_be_described_once(void **state)
{
	X509_EXTENSION *ext;
	int i;

	(void)state;
	i = sgx_extension(cert[0]);
	ext = X509_EXTENSION_dup(X509_get_ext(cert[0], i));
	assert_int_equal(X509_add_ext(cert[0], ext, -1), 1);
	sign_cert(cert[0], keys[1]);
	assert_true(verify() < 0);
	setup(NULL);
	drop_extension(cert[0], i);
	sign_cert(cert[0], keys[1]);
	REASON_IS(MALFORMED);
	X509_EXTENSION_free(ext);
}

/* Attack 53. */
static void attack_53_certificate_has_its_time(void **state)
{
	(void)state;
	X509_gmtime_adj(X509_getm_notAfter(cert[0]), -DAY);
	sign_cert(cert[0], keys[1]);
	REASON_IS(EXPIRED);
	assert_string_equal(verdict.failure.step, "validity");
	assert_int_equal(verdict.status, LIBDSTACK_TCB_UP_TO_DATE);
	setup(NULL);
	X509_gmtime_adj(X509_getm_notBefore(cert[0]), DAY);
	sign_cert(cert[0], keys[1]);
	REASON_IS(EARLY);
	/* So has a CA that is not the one of the list. */
	setup(NULL);
	X509_gmtime_adj(X509_getm_notAfter(cert[1]), -DAY);
	sign_cert(cert[1], keys[2]);
	REASON_IS(EXPIRED);
}

/* One CA can have several certificates; another CA has other lists. */
static void ca_must_be_that_of_the_list(void **state)
{
	EVP_PKEY *stranger = EVP_EC_gen("P-256");

	(void)state;
	set_serial(cert[1], 4712);
	sign_cert(cert[1], keys[2]);
	assert_int_equal(verify(), 0);
	sign_cert(cert[1], stranger);
	REASON_IS(CHAIN);
	X509_set_pubkey(cert[1], stranger);
	sign_cert(cert[1], keys[2]);
	sign_cert(cert[0], stranger);
	REASON_IS(MISMATCH);
	setup(NULL);
	set_name(X509_get_subject_name(cert[1]), "Intel SGX PCK Processor CA");
	sign_cert(cert[1], keys[2]);
	X509_set_issuer_name(cert[0], X509_get_subject_name(cert[1]));
	sign_cert(cert[0], keys[1]);
	REASON_IS(MISMATCH);
	EVP_PKEY_free(stranger);
}

static void root_must_be_the_very_same(void **state)
{
	(void)state;
	set_serial(cert[2], 4713);
	sign_cert(cert[2], keys[2]);
	REASON_IS(ROOT);
}

/* The platforms' list, changed and signed again, in collateral. */
static int verify_with_list(X509_CRL *crl, EVP_PKEY *key)
{
	struct libdstack_collateral *was = collateral;
	uint8_t *der = NULL;
	char *text, *hex;
	json_t *doc;
	size_t len;
	int n, err;

	assert_true(X509_CRL_sign(crl, key, EVP_sha256()) > 0);
	n = i2d_X509_CRL(crl, &der);
	hex = malloc(2 * n + 1);
	text = load("base/collateral.json", &len);
	doc = json_loadb(text, len, 0, NULL);
	libdstack_to_hex(der, n, hex);
	json_object_set_new(doc, "pck_crl", json_string(hex));
	collateral = parse_doc(doc);
	err = verify();
	libdstack_collateral_free(collateral);
	collateral = was;
	json_decref(doc);
	free(text);
	free(hex);
	OPENSSL_free(der);
	return err;
}

/* Attack 53: of nobody else, and nothing in it that is not understood. */
static void attack_53_list_must_be_the_cas(void **state)
{
	X509_CRL *crl = X509_CRL_dup(collateral->pck_crl);
	X509_EXTENSION *ext;

	(void)state;
	assert_int_equal(verify_with_list(crl, keys[1]), 0);
	assert_int_equal(verify_with_list(crl, keys[2]), -EKEYREJECTED);
	assert_int_equal(verdict.failure.reason, LIBDSTACK_REASON_SIGNATURE);
	assert_string_equal(verdict.failure.step, "platform revocation list");
	/* A list of some reasons, or of changes, only. */
	ext = X509V3_EXT_conf_nid(NULL, NULL, NID_issuing_distribution_point,
				  "critical,onlysomereasons:keyCompromise");
	assert_non_null(ext);
	assert_int_equal(X509_CRL_add_ext(crl, ext, -1), 1);
	assert_int_equal(verify_with_list(crl, keys[1]), -EOPNOTSUPP);
	X509_EXTENSION_free(ext);
	X509_CRL_free(crl);
	crl = X509_CRL_dup(collateral->pck_crl);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(real[2]));
	assert_int_equal(verify_with_list(crl, keys[1]), -EKEYREJECTED);
	assert_int_equal(verdict.failure.reason, LIBDSTACK_REASON_MISMATCH);
	X509_CRL_free(crl);
}

static void judge_platform(long serial)
{
	set_serial(cert[0], serial);
	sign_cert(cert[0], keys[1]);
	assert_int_equal(verify(), 0);
	/* The same again, which is known now; */
	assert_int_equal(verify_at(time(NULL)), 0);
	assert_int_equal(verdict.status, LIBDSTACK_TCB_UP_TO_DATE);
	/* its time is over one day; */
	assert_int_equal(verify_at(INT32_MAX), -EKEYEXPIRED);
	/* and what it did not sign is still not its. */
	f.data[f.qe_report] ^= 1;
	assert_int_equal(verify_at(time(NULL)), -EKEYREJECTED);
	assert_int_equal(verdict.failure.reason, LIBDSTACK_REASON_SIGNATURE);
}

/* More platforms than are remembered, again and again. */
static void known_platforms_are_judged_as_new_ones(void **state)
{
	struct libdstack_failure failure;
	int i;

	(void)state;
	assert_int_equal(libdstack_collateral_check(collateral, root, root_len,
						    &failure), 0);
	for (i = 0; i < 3 * MANY; i++)
		judge_platform(5000 + i % (i < MANY ? MANY : 5));
}

static void *verify_often(void *arg)
{
	struct libdstack_verdict v;
	int i;

	for (i = 0; i < 50; i++)
		*(int *)arg |= libdstack_quote_verify(f.data, f.len, collateral,
						      root, root_len,
						      time(NULL), &v);
	return NULL;
}

static void threads_share_checked_collateral(void **state)
{
	struct libdstack_failure failure;
	pthread_t threads[8];
	int results[8] = { 0 }, i;

	(void)state;
	assert_int_equal(verify(), 0);
	/* Anew, so that they meet the platform at the same time. */
	assert_int_equal(libdstack_collateral_check(collateral, root, root_len,
						    &failure), 0);
	for (i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, verify_often,
						&results[i]), 0);
	for (i = 0; i < 8; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(results[i], 0);
	}
}

static int teardown(void **state)
{
	int i;

	for (i = 0; i < 3; i++) {
		X509_free(real[i]);
		X509_free(cert[i]);
		EVP_PKEY_free(keys[i]);
	}
	libdstack_collateral_free(collateral);
	return pki_teardown(state);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(another_platform_of_the_ca_is_accepted),
		TEST(only_the_ca_makes_platforms),
		TEST(certificate_of_another_kind_is_refused),
		TEST(platform_must_be_described_once),
		TEST(attack_53_certificate_has_its_time),
		TEST(ca_must_be_that_of_the_list),
		TEST(root_must_be_the_very_same),
		TEST(attack_53_list_must_be_the_cas),
		TEST(known_platforms_are_judged_as_new_ones),
		TEST(threads_share_checked_collateral),
	};

	return cmocka_run_group_tests_name("platform", tests, NULL, teardown);
}
