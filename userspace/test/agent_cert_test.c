// SPDX-License-Identifier: MIT
/*
 * The guest agent's certificates: by the application's authority, and its KMS
 *
 * Copyright The dstack for Linux authors
 *
 * What asks the KMS is a process of its own; here it is this program again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <jansson.h>
#include <sys/stat.h>

#include "../agent/cert.h"
#include "../boot/sign_cert.h"
#include "../keys/p256.h"
#include "kms_fixture.h"

#define K256	"1a2b3c4d5e6f7a8b9c0d1e2f3a4b5c6d7e8f9a0b1c2d3e4f5a6b7c8d9e0f1a2b"
#define VMS	"9db79b3fefe69f2a7b7efbc908c854bf845a629023361f2c9cb3db09fb99010f"

static char *names[] = { "app.test", "10.0.0.1", "::1" };
static char app_dir[] = "/tmp/dstack-cert-XXXXXX";
static struct agent_epochs *epochs;
static struct agent agent;
static struct agent_cert cert;
static struct agent_chain_text made;
static struct rpc_error error;

static void drop_made(void)
{
	size_t i;

	for (i = 0; i < made.nr; i++)
		free(made.pem[i]);
	free(made.pem);
	made = (struct agent_chain_text){ .nr = 0 };
	memset(&error, 0, sizeof(error));
	error.status = 400;
}

static void write_file(const char *name, json_t *json)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", app_dir, name);
	umask(077);
	assert_int_equal(json_dump_file(json, path, 0), 0);
	json_decref(json);
}

/* What the boot leaves of an application whose keys are from that KMS. */
static void write_app(const struct stand_in_kms *who)
{
	const char *root_pem = issue_cert(who->roots.issue, ISSUE_ROOT_CA);
	char zeros[131];

	memset(zeros, '0', 130);
	zeros[130] = '\0';
	write_file(".appkeys.json",
		   json_pack("{s:s#,s:s,s:s,s:s,s:s,s:{s:{s:s,s:s,s:s,s:s}}}",
			     "disk_crypt_key", zeros, 64, "k256_key", K256,
			     "k256_signature", zeros, "gateway_app_id", "",
			     "ca_cert", root_pem, "key_provider", "Kms",
			     "url", who->url, "pubkey", "3059",
			     "tmp_ca_key", "", "tmp_ca_cert", ""));
	write_file(".sys-config.json",
		   json_pack("{s:[s],s:s}", "kms_urls", who->url, "vm_config",
			     "{}"));
}

/* The same of one that is its own authority. */
static void write_own(const struct stand_in_kms *who)
{
	const char *root_pem = issue_cert(who->roots.issue, ISSUE_ROOT_CA);
	char *pem = issue_key(who->roots.issue, ISSUE_ROOT_CA);
	char zeros[65];

	memset(zeros, '0', 64);
	zeros[64] = '\0';
	write_file(".appkeys.json",
		   json_pack("{s:s,s:s,s:s,s:s,s:s,s:{s:{s:s}}}",
			     "disk_crypt_key", zeros, "k256_key", K256,
			     "k256_signature", "", "gateway_app_id", "",
			     "ca_cert", root_pem, "key_provider", "None",
			     "key", pem));
	free(pem);
}

static int setup(void **state)
{
	kms_setup(state);
	assert_non_null(mkdtemp(app_dir));
	return 0;
}

static int teardown(void **state)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -r %s", app_dir);
	assert_int_equal(system(command), 0);
	return kms_teardown(state);
}

/* A certificate with everything in it, by the authority that a seed gives. */
static int reset(void **state)
{
	uint8_t report_data[64];

	kms_reset(state);
	drop_made();
	write_own(another);
	assert_int_equal(agent_epochs_open(app_dir, 0, note, &epochs), 0);
	agent = (struct agent){
		.epochs = epochs, .boot = "/proc/self/exe", .app_dir = app_dir,
		.vm_config = "",
	};
	cert = (struct agent_cert){
		.key = EVP_EC_gen("P-256"), .subject = "app.test",
		.names = names, .nr_names = 3, .evidence = true,
		.server = true, .not_before = 157766400,
		.not_after = time(NULL) + 86400,
	};
	cert.spki_len = i2d_PUBKEY(cert.key, &cert.spki);
	assert_int_equal(libdstack_ratls_report_data(cert.key, report_data),
			 0);
	return attest_app(NULL, report_data, &cert.container,
			  &cert.container_len);
}

static int forget(void **state)
{
	(void)state;
	agent_epochs_close(epochs);
	drop_made();
	EVP_PKEY_free(cert.key);
	OPENSSL_free(cert.spki);
	free(cert.container);
	free(cert.info);
	return 0;
}

static X509 *read_one(size_t i)
{
	BIO *in = BIO_new_mem_buf(made.pem[i], -1);
	X509 *one = PEM_read_bio_X509(in, NULL, NULL, NULL);

	assert_non_null(one);
	BIO_free(in);
	return one;
}

/* The first of the chain, which OpenSSL verifies up to @ca. */
static X509 *verified(X509 *ca, int purpose)
{
	STACK_OF(X509) *others = sk_X509_new_null();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_STORE *store = X509_STORE_new();
	X509 *leaf = read_one(0);
	size_t i;

	for (i = 1; i < made.nr; i++)
		sk_X509_push(others, read_one(i));
	X509_STORE_add_cert(store, ca);
	X509_STORE_CTX_init(ctx, store, leaf, others);
	X509_STORE_CTX_set_purpose(ctx, purpose);
	assert_int_equal(X509_verify_cert(ctx), 1);
	assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(leaf), cert.key), 1);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	sk_X509_pop_free(others, X509_free);
	return leaf;
}

static void sign_own(struct libdstack_ratls *ratls, int purpose)
{
	struct libdstack_failure failure;
	X509 *leaf;

	drop_made();
	assert_int_equal(agent_cert_sign_own(&agent, &cert, &made, &error), 0);
	assert_int_equal(made.nr, 2);
	assert_string_equal(made.pem[1],
			    issue_cert(another->roots.issue, ISSUE_ROOT_CA));
	leaf = verified(another->roots.ca, purpose);
	assert_int_equal(libdstack_ratls_parse(leaf, ratls, &failure), 0);
	assert_string_equal(ratls->usage, "app:custom");
	X509_free(leaf);
}

static void own_authority_signs_what_is_asked_for(void **state)
{
	struct libdstack_ratls ratls;

	(void)state;
	sign_own(&ratls, X509_PURPOSE_SSL_SERVER);
	assert_non_null(ratls.attestation);
	assert_false(ratls.have_info);
	libdstack_ratls_clear(&ratls);
	cert.server = false;
	cert.client = true;
	cert.evidence = false;
	sign_own(&ratls, X509_PURPOSE_SSL_CLIENT);
	assert_null(ratls.attestation);
	libdstack_ratls_clear(&ratls);
}

static void info_that_is_written_is_read(void **state)
{
	struct libdstack_identity identity = {
		.app_id = { 20, APP }, .compose_hash = { 32, COMPOSE },
		.os_image_hash = { 32, COMPOSE }, .nr_init_scripts = 1,
		.init_scripts = { { 32, COMPOSE } },
		.key_provider_info = "{\"name\":\"kms\",\"id\":\"30\"}",
	};
	struct libdstack_ratls ratls;

	(void)state;
	memset(identity.mr_system, 7, sizeof(identity.mr_system));
	assert_int_equal(libdstack_ratls_info(&identity, &cert.info,
					      &cert.info_len), 0);
	assert_int_equal(cert.info[0], 0x99);
	sign_own(&ratls, X509_PURPOSE_SSL_SERVER);
	assert_true(ratls.have_info);
	assert_memory_equal(&ratls.info, &identity, sizeof(identity));
	libdstack_ratls_clear(&ratls);
}

static void names_and_times_are_those_asked_for(void **state)
{
	struct libdstack_ratls ratls;
	X509 *leaf;
	struct tm tm;

	(void)state;
	cert.not_before = 1700000000;
	cert.not_after = 253402300799;
	sign_own(&ratls, X509_PURPOSE_SSL_SERVER);
	libdstack_ratls_clear(&ratls);
	leaf = read_one(0);
	assert_int_equal(X509_check_host(leaf, "app.test", 0, 0, NULL), 1);
	assert_int_equal(X509_check_ip_asc(leaf, "10.0.0.1", 0), 1);
	assert_int_equal(X509_check_ip_asc(leaf, "::1", 0), 1);
	ASN1_TIME_to_tm(X509_get0_notBefore(leaf), &tm);
	assert_int_equal(timegm(&tm), 1700000000);
	ASN1_TIME_to_tm(X509_get0_notAfter(leaf), &tm);
	assert_int_equal(timegm(&tm), 253402300799);
	X509_free(leaf);
	cert.subject = "";
	sign_own(&ratls, X509_PURPOSE_SSL_SERVER);
	libdstack_ratls_clear(&ratls);
}

/* Nothing of it is asked of the policy, or of anybody. */
static void assert_malformed(const char *text)
{
	struct agent_cert asked = cert;
	struct http_caller caller = { .id = "c" };

	asked.spki = NULL;
	asked.container = NULL;
	error.text[0] = '\0';
	assert_true(agent_cert_issue(&agent, &caller, &asked, &made,
				     &error) < 0);
	if (!strstr(error.text, text)) {
		print_error("'%s' has no '%s'\n", error.text, text);
		fail();
	}
}

static void what_can_not_be_in_a_certificate_is_named(void **state)
{
	char *many[AGENT_CERT_NAMES_MAX + 1], *odd[] = { NULL };
	char longer[300];
	size_t i;

	(void)state;
	cert.have_not_before = true;
	cert.have_not_after = true;
	cert.not_before = cert.not_after;
	assert_malformed("not_before must be before");
	cert.not_after = 253402300800;
	assert_malformed("not_after");
	cert.have_not_after = false;
	cert.not_before = 253402300799;
	assert_malformed("not_before must be before");
	cert.not_before = 0;
	memset(longer, 'a', sizeof(longer));
	longer[65] = '\0';
	cert.subject = longer;
	assert_malformed("64 characters");
	cert.subject = "ok";
	longer[65] = 'a';
	longer[254] = '\0';
	cert.names = odd;
	cert.nr_names = 1;
	odd[0] = longer;
	assert_malformed("alt_names");
	odd[0] = "a b";
	assert_malformed("alt_names");
	odd[0] = "\xc3\xa4";
	assert_malformed("alt_names");
	odd[0] = "";
	assert_malformed("alt_names");
	for (i = 0; i < AGENT_CERT_NAMES_MAX + 1; i++)
		many[i] = "a";
	cert.names = many;
	cert.nr_names = AGENT_CERT_NAMES_MAX + 1;
	assert_malformed("more than 64 names");
	cert.nr_names = 1;
	agent.epochs = NULL;
	assert_malformed("not told which application");
}

/*
 * By the KMS
 */

static int sign_kms(void)
{
	drop_made();
	return agent_cert_sign_kms(&agent, &cert, &made, &error);
}

static void kms_signs_what_is_asked_for(void **state)
{
	struct libdstack_failure failure;
	struct libdstack_ratls ratls;
	X509 *leaf;

	(void)state;
	write_app(first);
	cert.have_not_after = true;
	assert_int_equal(sign_kms(), 0);
	assert_int_equal(made.nr, 3);
	leaf = verified(first->roots.ca, X509_PURPOSE_SSL_SERVER);
	assert_int_equal(libdstack_ratls_parse(leaf, &ratls, &failure), 0);
	assert_string_equal(ratls.usage, "app:custom");
	assert_memory_equal(ratls.app_id.data, APP, 20);
	assert_non_null(ratls.attestation);
	assert_int_equal(X509_check_ip_asc(leaf, "10.0.0.1", 0), 1);
	libdstack_ratls_clear(&ratls);
	X509_free(leaf);
}

static void refusal_of_the_kms_is_told(void **state)
{
	(void)state;
	write_app(first);
	first->fault = STAND_IN_DENIES;
	assert_int_equal(sign_kms(), -ECHILD);
	assert_true(strstr(error.text, "Boot denied: Compose hash"));
	assert_true(strstr(error.text, first->url));
	first->fault = STAND_IN_OTHER_KEY;
	assert_int_equal(sign_kms(), -ECHILD);
	assert_true(strstr(error.text, "for another key"));
	assert_int_equal(made.nr, 0);
}

static void silent_kms_keeps_nobody_waiting(void **state)
{
	time_t begin = time(NULL);

	(void)state;
	write_app(first);
	first->fault = STAND_IN_SILENT;
	assert_true(sign_kms() < 0);
	assert_true(strstr(error.text, "in time"));
	assert_in_range(time(NULL) - begin, 5, 9);
}

static void without_what_the_boot_left_nothing_is_signed(void **state)
{
	(void)state;
	agent.app_dir = "/nonexistent";
	assert_int_equal(sign_kms(), -ECHILD);
	assert_true(strstr(error.text, ".appkeys.json"));
	agent.app_dir = NULL;
	assert_int_equal(sign_kms(), -ENODATA);
	agent.app_dir = app_dir;
	agent.boot = "/nonexistent";
	assert_int_equal(sign_kms(), -ENOENT);
	assert_true(strstr(error.text, "/nonexistent' can't be run"));
	/* And what signs is not what says nothing and is content. */
	agent.boot = "/bin/true";
	assert_int_equal(sign_kms(), -EBADMSG);
	assert_true(strstr(error.text, "no chain of certificates"));
}

/*
 * Derived keys
 */

static void derived_key_is_that_of_upstream(void **state)
{
	const struct part path = { "vms", 3 };
	uint8_t scalar[32];
	char hex[65], *pem;
	EVP_PKEY *key, *back;
	BIO *in;

	(void)state;
	assert_true(libdstack_from_hex(K256, 64, scalar, 32));
	assert_int_equal(p256_derive(scalar, &path, 1, scalar), 0);
	assert_string_equal(libdstack_to_hex(scalar, 32, hex), VMS);
	key = p256_key(scalar);
	pem = p256_pem(key);
	in = BIO_new_mem_buf(pem, -1);
	back = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
	assert_int_equal(EVP_PKEY_eq(key, back), 1);
	assert_int_equal(strncmp(pem, "-----BEGIN PRIVATE KEY-----", 27), 0);
	BIO_free(in);
	EVP_PKEY_free(key);
	EVP_PKEY_free(back);
	free(pem);
}

int main(int argc, char **argv)
{
#define ONE(name) cmocka_unit_test_setup_teardown(name, reset, forget)
	const struct CMUnitTest tests[] = {
		ONE(own_authority_signs_what_is_asked_for),
		ONE(info_that_is_written_is_read),
		ONE(names_and_times_are_those_asked_for),
		ONE(what_can_not_be_in_a_certificate_is_named),
		ONE(kms_signs_what_is_asked_for),
		ONE(refusal_of_the_kms_is_told),
		ONE(silent_kms_keeps_nobody_waiting),
		ONE(without_what_the_boot_left_nothing_is_signed),
		ONE(derived_key_is_that_of_upstream),
	};

	if (argc > 1 && !strcmp(argv[1], "sign-cert"))
		return sign_cert_main(argc - 1, argv + 1);
	return cmocka_run_group_tests_name("agent_cert", tests, setup,
					   teardown);
}
