// SPDX-License-Identifier: MIT
/*
 * The certificates that a KMS issues: its own, and those of applications
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../attest/attest.h"
#include "container_fixture.h"
#include "issue_cert_fixture.h"
#include "vectors.h"

#define SPAN(text)	{ (const uint8_t *)(text), sizeof(text) - 1 }
#define LONG_LABEL	"abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0"

static const struct libdstack_span no_evidence;
static EVP_PKEY *key;
static X509 *root;

/*
 * The KMS's own
 */

static char *pem;

static int issue_rpc(const char *domain, time_t now)
{
	free(pem);
	return issue_rpc_cert(issue, key, domain, &no_evidence, now, &pem,
			      &why);
}

static void assert_host(X509 *cert, const char *name)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name,
						NULL, NULL);

	assert_non_null(names);
	assert_int_equal(sk_GENERAL_NAME_num(names), 1);
	GENERAL_NAMES_free(names);
	assert_true(X509_check_host(cert, name, 0, 0, NULL) == 1 ||
		    X509_check_ip_asc(cert, name, 0) == 1);
}

static void certificate_of_the_kms_is_upstreams(void **state)
{
	const struct libdstack_span evidence = SPAN("\0\0evidence");
	X509 *cert;

	(void)state;
	assert_int_equal(issue_rpc_cert(issue, key, "kms.test", &evidence, NOW,
					&pem, &why), 0);
	cert = read_cert(pem);
	assert_name(X509_get_subject_name(cert), "CN=kms.test");
	assert_host(cert, "kms.test");
	assert_times(cert, 157766400, NOW + YEARS_10);
	assert_text_slot(cert, SLOT("4"), "kms:rpc");
	assert_slot(cert, SLOT("8"), evidence.data, evidence.len);
	/* Besides, the name and what the key is for; and no more. */
	assert_int_equal(X509_get_ext_count(cert), 4);
	assert_int_equal(X509_get_key_usage(cert), KU_DIGITAL_SIGNATURE);
	assert_int_equal(X509_get_extended_key_usage(cert), UINT32_MAX);
	assert_true(verifies(root, NULL, cert, X509_PURPOSE_SSL_SERVER, NOW));
	X509_free(cert);
}

static void kms_without_evidence_has_a_certificate_too(void **state)
{
	X509 *cert;

	(void)state;
	assert_int_equal(issue_rpc("127.0.0.1", NOW), 0);
	cert = read_cert(pem);
	assert_host(cert, "127.0.0.1");
	assert_null(extension(cert, SLOT("8")));
	X509_free(cert);
}

static void long_domain_is_no_common_name(void **state)
{
	static const char domain[] = LONG_LABEL "." LONG_LABEL ".test";
	X509 *cert;

	(void)state;
	assert_int_equal(issue_rpc(domain, NOW), 0);
	cert = read_cert(pem);
	assert_name(X509_get_subject_name(cert), "");
	assert_host(cert, domain);
	X509_free(cert);
}

static void domain_that_no_host_has_is_refused(void **state)
{
	static const char *const bad[] = {
		"", ".", "kms.", ".kms", "kms..test", "-kms.test",
		"kms-.test", "kms_1.test", "*.test", "kms test", "kms\n.test",
		"k\xc3\xa9.test", LONG_LABEL "1.test", "https://kms.test",
		"kms.test:8000", "1.2.3.4/8", "::1%lo", "1::2::3",
	};
	char longest[256];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(issue_rpc(bad[i], NOW), -EINVAL);
		assert_null(pem);
	}
	for (i = 0; i < 254; i++)
		longest[i] = i % 10 ? 'a' : '.';
	longest[0] = 'a';
	longest[254] = '\0';
	assert_int_equal(issue_rpc(longest, NOW), -EINVAL);
	longest[253] = '\0';
	assert_int_equal(issue_rpc(longest, NOW), 0);
	assert_int_equal(issue_rpc("::1", NOW), 0);
}

static void key_of_another_curve_has_no_certificate(void **state)
{
	EVP_PKEY *mine = key;

	(void)state;
	key = EVP_EC_gen("P-384");
	assert_int_equal(issue_rpc("kms.test", NOW), -EOPNOTSUPP);
	EVP_PKEY_free(key);
	key = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
	assert_int_equal(issue_rpc("kms.test", NOW), -EOPNOTSUPP);
	EVP_PKEY_free(key);
	key = mine;
}

static void nothing_is_valid_for_longer_than_the_root(void **state)
{
	const time_t end = NOW + YEARS_10;
	X509 *cert;

	(void)state;
	assert_int_equal(issue_rpc("kms.test", end - DAY), 0);
	cert = read_cert(pem);
	assert_times(cert, 157766400, end);
	X509_free(cert);
	assert_int_equal(issue_rpc("kms.test", end), -EKEYEXPIRED);
	assert_int_equal(issue_rpc("kms.test", 157766399), -EKEYEXPIRED);
	assert_non_null(strstr(why, "clock"));
}

/*
 * Those of applications
 */

static uint8_t *spki;
static struct container evidence;
static struct libdstack_attestation *attestation;
static struct libdstack_identity identity;
static struct libdstack_csr csr;
static struct issue_chain chain;
static X509 *leaf, *app_ca;

static const struct container_event events[] = {
	{ "app-id", "application number 1", 20 },
	{ "instance-id", INSTANCE, 20 },
	{ "system-ready", "", 0 },
};

static struct container_parts parts_of_evidence(void)
{
	struct container_parts parts = {
		.quote = "quote", .quote_len = 5, .events = events,
		.nr_events = 3, .config = "{}",
	};

	assert_int_equal(libdstack_ratls_report_data(key, parts.report_data),
			 0);
	return parts;
}

/* Of certificates, what attest_encode() keeps is all that is there. */
static void take_evidence(const void *data, size_t len)
{
	struct libdstack_failure failure;

	libdstack_attestation_free(attestation);
	assert_int_equal(libdstack_attestation_parse(data, len, &attestation,
						     &failure), 0);
	csr.attestation = (struct libdstack_span){ data, len };
}

static void drop_chain(void)
{
	issue_chain_free(&chain);
	X509_free(leaf);
	X509_free(app_ca);
	leaf = NULL;
	app_ca = NULL;
}

/* A request with all that is usual, which a test then changes. */
static int make_request(void **state)
{
	struct container_parts parts = parts_of_evidence();

	(void)state;
	free(pem);
	pem = NULL;
	container_scale(&evidence, &parts);
	csr = (struct libdstack_csr){
		.version = 2, .pubkey = { spki, ISSUE_SPKI_SIZE },
		.subject = SPAN("app.test"), .alt_names = { SPAN("app.test") },
		.nr_alt_names = 1, .server = true,
	};
	take_evidence(evidence.data, evidence.len);
	identity = (struct libdstack_identity){
		.app_id.len = 20, .instance_id.len = 20,
		.compose_hash.len = 32,
		.key_provider_info = "{\"name\":\"kms\",\"id\":\"00\"}",
	};
	memcpy(identity.app_id.data, APP, 20);
	memcpy(identity.instance_id.data, INSTANCE, 20);
	memset(identity.mr_aggregated, 7, 32);
	return 0;
}

static int sign_at(time_t now)
{
	const struct issue_request request = { &csr, attestation, &identity };
	int err;

	drop_chain();
	err = issue_sign(issue, &request, now, &chain, &why);
	if (err) {
		assert_null(chain.pem[0]);
		assert_null(chain.pem[1]);
		assert_null(chain.pem[2]);
		return err;
	}
	leaf = read_cert(chain.pem[0]);
	app_ca = read_cert(chain.pem[1]);
	assert_string_equal(chain.pem[2], issue_cert(issue, ISSUE_ROOT_CA));
	return 0;
}

static void assert_signed(void)
{
	assert_int_equal(sign_at(NOW), 0);
}

static void assert_refused(const char *text)
{
	assert_int_equal(sign_at(NOW), -EINVAL);
	assert_non_null(strstr(why, text));
}

static void chain_leads_from_the_application_to_the_root(void **state)
{
	(void)state;
	assert_signed();
	assert_true(verifies(root, app_ca, leaf, X509_PURPOSE_SSL_SERVER,
			     NOW));
	assert_false(verifies(root, app_ca, leaf, X509_PURPOSE_SSL_CLIENT,
			      NOW));
	assert_false(verifies(root, NULL, leaf, X509_PURPOSE_SSL_SERVER, NOW));
	assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(leaf), key), 1);
	assert_name(X509_get_subject_name(leaf), "CN=app.test");
	assert_host(leaf, "app.test");
	assert_times(leaf, 157766400, NOW + YEARS_10);
	assert_text_slot(leaf, SLOT("4"), "app:custom");
	assert_slot(leaf, SLOT("3"), APP, 20);
	/* And name, usage, extended usage; neither evidence nor info. */
	assert_int_equal(X509_get_ext_count(leaf), 5);
	assert_int_equal(X509_get_extended_key_usage(leaf), XKU_SSL_SERVER);
}

static void applications_ca_is_upstreams(void **state)
{
	uint8_t point[33];
	EVP_PKEY *its;
	size_t len;

	(void)state;
	assert_signed();
	its = X509_get0_pubkey(app_ca);
	assert_name(X509_get_subject_name(app_ca), "CN=Dstack App CA,O=Dstack");
	assert_int_equal(X509_check_ca(app_ca), 1);
	assert_int_equal(X509_get_pathlen(app_ca), 0);
	assert_times(app_ca, 157766400, NOW + YEARS_10);
	assert_text_slot(app_ca, SLOT("4"), "app:ca");
	assert_slot(app_ca, SLOT("3"), APP, 20);
	assert_int_equal(X509_get_ext_count(app_ca), 5);
	/* Computed by another program: see issue_keys_test.c. */
	assert_int_equal(EVP_PKEY_set_utf8_string_param(its, "point-format",
							"compressed"), 1);
	assert_int_equal(EVP_PKEY_get_octet_string_param(its, "pub", point,
							 sizeof(point), &len),
			 1);
	assert_hex(point, 33,
		   "0395d8e5379b969946a775d2228fb7606559f4c7bdd8dbd040e78cfa3170d2b1bb");
}

static void organisation_and_purposes_are_as_asked_for(void **state)
{
	(void)state;
	csr.have_org_name = true;
	csr.org_name = (struct libdstack_span)SPAN("\xc3\x84sir");
	csr.client = true;
	assert_signed();
	assert_name(X509_get_subject_name(leaf), "CN=app.test,O=\xc3\x84sir");
	assert_int_equal(X509_get_extended_key_usage(leaf),
			 XKU_SSL_SERVER | XKU_SSL_CLIENT);
	assert_true(verifies(root, app_ca, leaf, X509_PURPOSE_SSL_CLIENT,
			     NOW));
	csr.server = false;
	csr.client = false;
	assert_signed();
	assert_int_equal(X509_get_extended_key_usage(leaf), UINT32_MAX);
}

static void empty_names_are_left_out(void **state)
{
	(void)state;
	csr.have_org_name = true;
	csr.subject = no_evidence;
	csr.nr_alt_names = 0;
	assert_signed();
	assert_name(X509_get_subject_name(leaf), "");
	assert_null(X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL));
}

static void times_are_as_asked_for_within_the_roots(void **state)
{
	static const struct {
		uint64_t from, to;
		int64_t want_from, want_to;
	} tried[] = {
		{ NOW, NOW + DAY, NOW, NOW + DAY },
		{ 0, 1ULL << 40, 157766400, NOW + YEARS_10 },
		{ 1, UINT64_MAX, 157766400, NOW + YEARS_10 },
		{ NOW, 1ULL << 63, NOW, NOW + YEARS_10 },
		{ NOW + DAY, NOW, -1, -1 },
		{ NOW, NOW, -1, -1 },
		{ NOW + YEARS_10, NOW + YEARS_10 + DAY, -1, -1 },
		{ UINT64_MAX, UINT64_MAX, -1, -1 },
		{ 0, 1, -1, -1 },
	};
	size_t i;

	(void)state;
	csr.have_not_before = true;
	csr.have_not_after = true;
	for (i = 0; i < sizeof(tried) / sizeof(tried[0]); i++) {
		csr.not_before = tried[i].from;
		csr.not_after = tried[i].to;
		if (tried[i].want_from < 0) {
			assert_refused("not_before");
			continue;
		}
		assert_signed();
		assert_times(leaf, tried[i].want_from, tried[i].want_to);
	}
	assert_int_equal(sign_at(NOW + YEARS_10), -EKEYEXPIRED);
}

static void subject_that_nobody_can_read_is_refused(void **state)
{
	static const struct libdstack_span bad[] = {
		SPAN("a\0b"), SPAN("a\nb"), SPAN("a\x7f"), SPAN("\xc2\x85"),
		SPAN("\xff"), SPAN("\xc3"), SPAN("\xed\xa0\x80"),
		SPAN("\xf4\x90\x80\x80"), SPAN("\xc0\x80"),
		SPAN(LONG_LABEL "12"),
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		csr.subject = bad[i];
		assert_refused("subject");
	}
	csr.subject = (struct libdstack_span)SPAN(LONG_LABEL "1");
	assert_signed();
	csr.have_org_name = true;
	csr.org_name = bad[0];
	assert_refused("organisation");
}

static void alternative_name_that_no_host_has_is_refused(void **state)
{
	static const struct libdstack_span bad[] = {
		SPAN(""), SPAN("a\0b"), SPAN("a b"), SPAN("*"), SPAN("*."),
		SPAN("*.*.test"), SPAN("a.*.test"), SPAN("a..test"),
		SPAN("a.test."), SPAN("\xc3\xa9.test"), SPAN("10.0.0.1/8"),
		SPAN("*.10.0.0.1:1"), SPAN(LONG_LABEL "1"),
	}, good[] = {
		SPAN("*.app.test"), SPAN("_acme.app_1.test"), SPAN("10.0.0.1"),
		SPAN("fe80::1"), SPAN("LOCALHOST"), SPAN("xn--fiq.test"),
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		csr.alt_names[0] = bad[i];
		assert_refused("alternative name");
	}
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		csr.alt_names[0] = good[i];
		assert_signed();
	}
}

static void names_are_as_many_as_a_request_has(void **state)
{
	GENERAL_NAMES *names;
	size_t i;

	(void)state;
	for (i = 0; i < LIBDSTACK_CSR_NAMES_MAX; i++)
		csr.alt_names[i] = csr.alt_names[0];
	csr.nr_alt_names = LIBDSTACK_CSR_NAMES_MAX;
	assert_signed();
	names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	assert_int_equal(sk_GENERAL_NAME_num(names), LIBDSTACK_CSR_NAMES_MAX);
	GENERAL_NAMES_free(names);
	csr.nr_alt_names++;
	assert_refused("more names");
}

static void who_is_no_application_has_no_certificate(void **state)
{
	(void)state;
	identity.app_id.len = 0;
	assert_refused("no application");
	identity.app_id.len = 32;
	assert_refused("no application");
}

static void key_that_is_not_written_as_usual_is_refused(void **state)
{
	EVP_PKEY *other_curve = EVP_EC_gen("secp256k1");
	uint8_t *wrong = NULL, copy[ISSUE_SPKI_SIZE];

	(void)state;
	csr.pubkey.len--;
	assert_refused("P-256");
	csr.pubkey.len = i2d_PUBKEY(other_curve, &wrong);
	csr.pubkey.data = wrong;
	assert_refused("P-256");
	memcpy(copy, spki, sizeof(copy));
	copy[ISSUE_SPKI_SIZE - 1] ^= 1;
	csr.pubkey = (struct libdstack_span){ copy, sizeof(copy) };
	assert_refused("P-256");
	OPENSSL_free(wrong);
	EVP_PKEY_free(other_curve);
}

/*
 * What else is in them
 */

static void parse_leaf(struct libdstack_ratls *ratls)
{
	struct libdstack_failure failure;

	assert_int_equal(libdstack_ratls_parse(leaf, ratls, &failure), 0);
}

static void info_is_of_who_was_verified(void **state)
{
	struct libdstack_ratls ratls;
	uint8_t *want;
	size_t len;

	(void)state;
	csr.ext_app_info = true;
	assert_signed();
	assert_int_equal(libdstack_ratls_info(&identity, &want, &len), 0);
	assert_int_equal(want[0], 0x99);
	assert_slot(leaf, SLOT("9"), want, len);
	free(want);
	assert_null(extension(leaf, SLOT("8")));
	parse_leaf(&ratls);
	assert_true(ratls.have_info);
	assert_memory_equal(ratls.info.mr_aggregated, identity.mr_aggregated,
			    32);
	assert_memory_equal(ratls.app_id.data, APP, 20);
	assert_string_equal(ratls.usage, "app:custom");
	libdstack_ratls_clear(&ratls);
}

static void evidence_is_in_it_if_asked_for(void **state)
{
	struct container_parts parts = parts_of_evidence();

	(void)state;
	csr.ext_quote = true;
	assert_signed();
	assert_slot(leaf, SLOT("8"), evidence.data, evidence.len);
	container_msgpack(&evidence, &parts);
	take_evidence(evidence.data, evidence.len);
	assert_signed();
	assert_slot(leaf, SLOT("8"), evidence.data, evidence.len);
}

/* The simulator's has a firmware's log and all digests. */
static void evidence_is_stripped(void **state)
{
	struct vector file = vector_load("dstack/simulator-attestation.bin");
	struct libdstack_ratls ratls;
	size_t size;

	(void)state;
	take_evidence(file.data, file.len);
	csr.ext_quote = true;
	assert_signed();
	size = extension(leaf, SLOT("8"))->length;
	assert_in_range(size, attestation->evidence.len, 3 * file.len / 4);
	parse_leaf(&ratls);
	assert_int_equal(ratls.attestation->evidence.len,
			 attestation->evidence.len);
	assert_memory_equal(ratls.attestation->evidence.data,
			    attestation->evidence.data,
			    attestation->evidence.len);
	assert_int_equal(ratls.attestation->runtime.count,
			 attestation->runtime.count);
	assert_int_equal(ratls.attestation->boot.count, 3);
	libdstack_ratls_clear(&ratls);
	free(file.data);
}

#define OF_OLD \
	"{\"quote\":\"71756f7465\",\"event_log\":\"[{\\\"imr\\\":3,\\\"event_type\\\":134217729,\\\"digest\\\":\\\"\\\",\\\"event\\\":\\\"app-id\\\",\\\"event_payload\\\":\\\"00\\\"}]\",\"vm_config\":\"{}\"}"

/* Which has a quote and its log in JSON, and no container. */
static void request_of_version_1_has_a_container_made(void **state)
{
	struct container_parts parts = parts_of_evidence();
	const struct container_event event = { "app-id", "", 1 };

	(void)state;
	take_evidence(OF_OLD, strlen(OF_OLD));
	csr.version = 1;
	csr.attestation = no_evidence;
	csr.ext_quote = true;
	assert_signed();
	parts.events = &event;
	parts.nr_events = 1;
	container_scale(&evidence, &parts);
	assert_slot(leaf, SLOT("8"), evidence.data, evidence.len);
}

static void evidence_that_is_not_stripped_here_stays_as_it_came(void **state)
{
	struct container_parts parts = parts_of_evidence();

	(void)state;
	parts.version = 2;
	container_msgpack(&evidence, &parts);
	take_evidence(evidence.data, evidence.len);
	csr.ext_quote = true;
	assert_signed();
	assert_slot(leaf, SLOT("8"), evidence.data, evidence.len);
}

static int setup(void **state)
{
	issue_setup(state);
	key = EVP_EC_gen("P-256");
	root = read_cert(issue_cert(issue, ISSUE_ROOT_CA));
	return i2d_PUBKEY(key, &spki) == ISSUE_SPKI_SIZE ? 0 : -1;
}

static int teardown(void **state)
{
	drop_chain();
	free(pem);
	OPENSSL_free(spki);
	EVP_PKEY_free(key);
	X509_free(root);
	libdstack_attestation_free(attestation);
	return issue_teardown(state);
}

int main(void)
{
#define ONE(name) cmocka_unit_test_setup(name, make_request)
	const struct CMUnitTest tests[] = {
		ONE(certificate_of_the_kms_is_upstreams),
		ONE(kms_without_evidence_has_a_certificate_too),
		ONE(long_domain_is_no_common_name),
		ONE(domain_that_no_host_has_is_refused),
		ONE(key_of_another_curve_has_no_certificate),
		ONE(nothing_is_valid_for_longer_than_the_root),
		ONE(chain_leads_from_the_application_to_the_root),
		ONE(applications_ca_is_upstreams),
		ONE(organisation_and_purposes_are_as_asked_for),
		ONE(empty_names_are_left_out),
		ONE(times_are_as_asked_for_within_the_roots),
		ONE(subject_that_nobody_can_read_is_refused),
		ONE(alternative_name_that_no_host_has_is_refused),
		ONE(names_are_as_many_as_a_request_has),
		ONE(who_is_no_application_has_no_certificate),
		ONE(key_that_is_not_written_as_usual_is_refused),
		ONE(info_is_of_who_was_verified),
		ONE(evidence_is_in_it_if_asked_for),
		ONE(evidence_is_stripped),
		ONE(request_of_version_1_has_a_container_made),
		ONE(evidence_that_is_not_stripped_here_stays_as_it_came),
	};

	return cmocka_run_group_tests_name("issue_cert", tests, setup,
					   teardown);
}
