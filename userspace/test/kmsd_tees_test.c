// SPDX-License-Identifier: MIT
/*
 * A KMS gives keys to SEV-SNP guests and Nitro enclaves, if it was told to
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kmsd_tees_fixture.h"

#define NOT_VERIFIED	"attestation verification failed: "
#define OTHER_IMAGE \
	"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static const struct {
	const char *name, *object;
	void (*evidence)(void);
} others[] = {
	{ "dstack-amd-sev-snp", "sev_snp", snp_evidence },
	{ "dstack-nitro-enclave", "nitro", enclave_evidence },
};

#define OTHERS	(sizeof(others) / sizeof(others[0]))

/*
 * Which are on
 */

static void what_is_not_on_is_refused_and_told_what_turns_it_on(void **state)
{
	char why[256];
	size_t i;

	(void)state;
	for (i = 0; i < OTHERS; i++) {
		configure("{}");
		others[i].evidence();
		show();
		snprintf(why, sizeof(why), NOT_VERIFIED
			 "evidence of %s is not accepted here: it takes \\\"%s\\\" in the KMS's configuration",
			 others[i].name, others[i].object);
		assert_no_keys(why);
		turn_on();
		assert_given();
		assert_string_equal(contract.app.tee_variant, others[i].name);
	}
}

static void one_that_is_on_turns_on_no_other(void **state)
{
	(void)state;
	configure("{\"nitro\":{\"root\":\"%s\"}}", nitro_root);
	snp_evidence();
	show();
	assert_no_keys("it takes \\\"sev_snp\\\"");
	enclave_evidence();
	show();
	assert_given();
	configure("{\"sev_snp\":{\"min_tcb\":" LEVELS ",\"root\":\"%s\"}}",
		  snp_root);
	assert_no_keys("it takes \\\"nitro\\\"");
}

static const char *const keys[] = {
	"disk_crypt_key", "env_crypt_key", "k256_key", "k256_signature"
};

#define KEYS	(sizeof(keys) / sizeof(keys[0]))

static void same_application_has_the_same_keys_on_each_tee(void **state)
{
	yyjson_doc *of_td, *doc;
	size_t i, j;

	(void)state;
	turn_on();
	td_evidence();
	show();
	node.options.any_image = true;
	of_td = get_app_key();
	assert_int_equal(status, 200);
	node.options.any_image = false;
	for (i = 0; i < OTHERS; i++) {
		others[i].evidence();
		show();
		doc = get_app_key();
		assert_int_equal(status, 200);
		for (j = 0; j < KEYS; j++) {
			assert_true(*text_of(of_td, keys[j]));
			assert_string_equal(text_of(doc, keys[j]),
					    text_of(of_td, keys[j]));
		}
		yyjson_doc_free(doc);
	}
	yyjson_doc_free(of_td);
}

/*
 * SEV-SNP
 */

static void snp_guest_of_another_measurement_is_denied(void **state)
{
	static const char why[] =
		"Boot denied: its launch measurement is none that "
		"\\\"sev_snp.images\\\" has of its OS image";

	(void)state;
	turn_on();
	snp_begin();
	snp.report[SNP_AT_LAUNCH] ^= 1;
	snp_seal();
	show();
	assert_no_keys(why);
	/* The measurement of one image is not that of another. */
	snp_begin();
	snp_seal_with("{\"os_image_hash\":\"" OTHER_IMAGE "\"}");
	show();
	assert_no_keys(why);
	/* Nor is it one to call it nothing. */
	snp_begin();
	snp_seal_with("{}");
	show();
	assert_no_keys("0 bytes of OS image hash");
	snp_evidence();
	show();
	assert_given();
}

static void snp_guest_without_known_images_is_denied(void **state)
{
	(void)state;
	configure("{\"sev_snp\":{\"min_tcb\":" LEVELS ",\"root\":\"%s\"}}",
		  snp_root);
	snp_evidence();
	show();
	assert_no_keys("Boot denied: its launch measurement");
	node.options.any_image = true;
	assert_given();
}

static void snp_guest_that_is_debugged_or_moved_is_refused(void **state)
{
	(void)state;
	turn_on();
	snp_begin();
	snp.report[SNP_AT_POLICY] |= 8;
	snp_seal();
	show();
	assert_no_keys(NOT_VERIFIED "policy: the guest can be debugged");
	snp_begin();
	snp.report[SNP_AT_POLICY] |= 4;
	snp_seal();
	show();
	assert_no_keys(NOT_VERIFIED "policy: a migration agent can move");
}

static void snp_platform_below_the_levels_is_refused(void **state)
{
	(void)state;
	configure("{\"sev_snp\":{\"root\":\"%s\",\"min_tcb\":{\"Milan\":"
		  "{\"bootloader\":1,\"tee\":2,\"snp\":3,"
		  "\"microcode\":201}}}}", snp_root);
	snp_evidence();
	show();
	assert_no_keys("the platform's levels are too low");
	turn_on();
	assert_given();
	snp_begin();
	snp.report[SNP_AT_COMMITTED + 6]--;
	snp_seal();
	show();
	assert_no_keys("the platform may go back to levels that are too low");
	configure("{\"sev_snp\":{\"root\":\"%s\",\"min_tcb\":{\"Genoa\":"
		  "{\"bootloader\":0,\"tee\":0,\"snp\":0,"
		  "\"microcode\":0}}}}", snp_root);
	snp_evidence();
	show();
	assert_no_keys("\\\"sev_snp.min_tcb\\\" has no levels for such a CPU");
}

static void snp_report_that_is_not_amds_is_refused(void **state)
{
	(void)state;
	/* Genuine is what the pinned roots say, unless one is named. */
	configure("{\"sev_snp\":{\"min_tcb\":" LEVELS "}}");
	snp_evidence();
	show();
	assert_no_keys(NOT_VERIFIED "trusted root: ");
	turn_on();
	assert_given();
	evidence.data[300] ^= 1;
	show();
	assert_no_keys(NOT_VERIFIED "report signature: ");
}

static void snp_report_for_another_key_is_refused(void **state)
{
	(void)state;
	turn_on();
	snp_begin();
	snp.report[SNP_AT_DATA] ^= 1;
	snp_seal();
	show();
	assert_no_keys(NOT_VERIFIED "report data: ");
}

static void snp_guest_of_another_document_is_refused(void **state)
{
	(void)state;
	turn_on();
	snp_begin();
	snp.report[SNP_AT_HOST] ^= 1;
	snp_seal();
	show();
	assert_no_keys("HOST_DATA is not the hash of the mr_config");
}

/*
 * Nitro
 */

static void enclave_is_what_its_contract_allows(void **state)
{
	uint8_t compose[32];

	(void)state;
	turn_on();
	enclave_evidence();
	show();
	assert_given();
	assert_memory_equal(contract.app.app_id, APP, 20);
	assert_memory_equal(contract.app.compose_hash,
			    contract.app.os_image_hash, 32);
	memcpy(compose, contract.app.compose_hash, 32);
	contract.only_compose = compose;
	assert_given();
	/* Another image that says that it is this application. */
	nitro.image = 7;
	enclave_evidence();
	show();
	assert_no_keys("Boot denied: Compose hash not allowed");
}

static void enclave_that_is_debugged_is_refused(void **state)
{
	(void)state;
	turn_on();
	nitro.debug = true;
	enclave_evidence();
	show();
	assert_no_keys("a debug enclave: nothing was measured");
}

static void enclave_of_another_root_is_refused(void **state)
{
	(void)state;
	configure("{\"nitro\":{}}");
	enclave_evidence();
	show();
	assert_no_keys(NOT_VERIFIED "trusted root: ");
}

static void enclave_for_another_key_is_refused(void **state)
{
	static const uint8_t other[64] = { 1 };

	(void)state;
	turn_on();
	nitro.user_data = other;
	nitro.user_data_len = sizeof(other);
	enclave_evidence();
	show();
	assert_no_keys(NOT_VERIFIED "report data: ");
}

static void enclave_that_says_it_is_two_or_nobody_is_refused(void **state)
{
	static const struct container_event twice[] = {
		{ "app-id", APP, 20 }, { "app-id", "application number 2", 20 },
	};
	static const struct container_event half[] = { { "app-id", APP, 10 } };

	(void)state;
	turn_on();
	enclave_with(twice, 2);
	show();
	assert_no_keys("event 'app-id' is there twice");
	enclave_with(half, 1);
	show();
	assert_no_keys("event 'app-id' is not of 20 bytes");
	enclave_with(NULL, 0);
	show();
	assert_no_keys("the evidence has 0 bytes of app id");
}

/*
 * All that acts by evidence
 */

static void contract_that_denies_says_why_on_each_tee(void **state)
{
	size_t i;

	(void)state;
	turn_on();
	contract.app_denied = true;
	for (i = 0; i < OTHERS; i++) {
		others[i].evidence();
		show();
		assert_no_keys("Boot denied: Aggregated MR not allowed");
	}
}

static void what_is_given_and_denied_is_recorded_with_its_tee(void **state)
{
	char *text, want[128];
	size_t i, len;

	(void)state;
	turn_on();
	for (i = 0; i < OTHERS; i++) {
		others[i].evidence();
		show();
		assert_given();
		assert_int_equal(dstack_file_read(node.audit, 65536, &text,
						  &len), 0);
		snprintf(want, sizeof(want), "\"tee\":\"%s\"", others[i].name);
		assert_non_null(strstr(text, want));
		free(text);
	}
}

static void state_of_an_application_is_told_on_each_tee(void **state)
{
	yyjson_val *allowed;
	yyjson_doc *doc;
	size_t i;

	(void)state;
	turn_on();
	for (i = 0; i < OTHERS; i++) {
		others[i].evidence();
		show();
		doc = ask_node(&node, kmsd_routes, "/prpc/GetAppState", "{}");
		assert_int_equal(status, 200);
		allowed = yyjson_obj_get(yyjson_doc_get_root(doc), "allowed");
		assert_true(yyjson_get_bool(allowed));
		assert_memory_equal(contract.app.app_id, APP, 20);
		yyjson_doc_free(doc);
	}
}

/* A request for a certificate with the evidence that is there. */
static char *make_csr(void)
{
	struct libdstack_csr csr = {
		.version = 2, .server = true, .ext_app_info = true,
		.ext_quote = true,
		.subject = { (const uint8_t *)"app.example", 11 },
		.attestation = { evidence.data, evidence.len },
	};
	uint8_t *spki = NULL, *data, *signature;
	size_t len, signature_len;
	char *hex, *json = NULL, of_signature[256];

	csr.pubkey.len = i2d_PUBKEY(alice.key, &spki);
	csr.pubkey.data = spki;
	assert_int_equal(libdstack_csr_encode(&csr, &data, &len), 0);
	assert_int_equal(libdstack_csr_sign(alice.key, data, len, &signature,
					    &signature_len), 0);
	hex = malloc(2 * len + 1);
	assert_true(asprintf(&json, "{\"api_version\":2,\"csr\":\"%s\",\"signature\":\"%s\"}",
			     libdstack_to_hex(data, len, hex),
			     libdstack_to_hex(signature, signature_len,
					      of_signature)) > 0);
	free(hex);
	free(data);
	free(signature);
	OPENSSL_free(spki);
	return json;
}

static void assert_certified(void)
{
	char *json = make_csr();
	yyjson_doc *doc = ask_node(&node, kmsd_routes, "/prpc/SignCert", json);
	yyjson_val *chain_of;

	if (status != 200)
		print_error("%s\n", answered);
	assert_int_equal(status, 200);
	chain_of = yyjson_obj_get(yyjson_doc_get_root(doc),
				  "certificate_chain");
	assert_int_equal(yyjson_arr_size(chain_of), 3);
	yyjson_doc_free(doc);
	free(json);
}

static void certificates_are_given_on_each_tee(void **state)
{
	char *json;
	size_t i;

	(void)state;
	for (i = 0; i < OTHERS; i++) {
		configure("{}");
		others[i].evidence();
		json = make_csr();
		ask_and_drop(&node, kmsd_routes, "/prpc/SignCert", json);
		assert_refused("in the KMS's configuration");
		free(json);
		turn_on();
		assert_certified();
	}
}

static void lease_of_an_enclave_is_by_its_instance_of_ec2(void **state)
{
	(void)state;
	turn_on();
	leases_close(node.kmsd.leases);
	node.options.lease_s = 600;
	assert_int_equal(leases_open(600, &node.kmsd.leases), 0);
	nitro.module_id = "i-0a-enc1";
	enclave_evidence();
	show();
	assert_given();
	nitro.module_id = "i-0a-enc2";
	enclave_evidence();
	show();
	assert_given();
	nitro.module_id = "i-0b-enc1";
	enclave_evidence();
	show();
	assert_no_keys("this instance has its keys on another machine");
	nitro.module_id = "i";
	enclave_evidence();
	show();
	assert_no_keys("does not tell its machine from others");
	/* Without a lease nothing depends on it. */
	node.options.lease_s = 0;
	assert_given();
}

static void roots_and_shares_are_for_tds_alone(void **state)
{
	size_t i;

	(void)state;
	turn_on();
	for (i = 0; i < OTHERS; i++) {
		others[i].evidence();
		show();
		ask_and_drop(&node, kmsd_routes, "/prpc/GetKmsKey", "{}");
		assert_refused("Boot denied: roots and shares are for KMSs, which run in TDs");
	}
	node.options.any_image = true;
	td_evidence();
	show();
	ask_and_drop(&node, kmsd_routes, "/prpc/GetKmsKey", "{}");
	assert_int_equal(status, 200);
}

/*
 * Configuration
 */

#define ONE_IMAGE	"{\"sev_snp\":{\"min_tcb\":" LEVELS ",\"images\":[" \
			"{\"os_image_hash\":\"" IMAGE_OF_TESTS "\""

static const struct {
	const char *text, *why;
} wrong[] = {
	{ "{\"sev_snp\":{}}", "min_tcb: want the lowest levels" },
	{ "{\"sev_snp\":{\"min_tcb\":{}}}", "min_tcb: want the lowest levels" },
	{ "{\"sev_snp\":true}", "sev_snp: want an object" },
	{ "{\"sev_snp\":{\"min_tcb\":" LEVELS ",\"debug\":true}}",
	  "sev_snp.debug: not known" },
	{ "{\"sev_snp\":{\"min_tcb\":{\"Rome\":{}}}}",
	  "sev_snp.min_tcb.Rome: not known" },
	{ "{\"sev_snp\":{\"min_tcb\":{\"Milan\":{\"bootloader\":1,\"tee\":2,\"snp\":3}}}}",
	  "microcode: has to be there" },
	{ "{\"sev_snp\":{\"min_tcb\":{\"Milan\":{\"bootloader\":256,\"tee\":2,\"snp\":3,\"microcode\":1}}}}",
	  "bootloader: want a number from 0 to 255" },
	{ "{\"sev_snp\":{\"min_tcb\":{\"Milan\":{\"bootloader\":1,\"tee\":2,\"snp\":3,\"microcode\":1,\"fmc\":1}}}}",
	  "fmc: not known" },
	{ "{\"sev_snp\":{\"min_tcb\":{\"Turin\":{\"bootloader\":1,\"tee\":2,\"snp\":3,\"microcode\":1}}}}",
	  "fmc: has to be there" },
	{ "{\"sev_snp\":{\"min_tcb\":" LEVELS ",\"images\":{}}}",
	  "sev_snp.images: want a list" },
	{ "{\"sev_snp\":{\"min_tcb\":" LEVELS ",\"images\":[7]}}",
	  "sev_snp.images: want a list of objects" },
	{ ONE_IMAGE "}]}}",
	  "measurement: has to be there" },
	{ ONE_IMAGE ",\"measurement\":\"aa\"}]}}",
	  "measurement: want 96 hex digits" },
	{ "{\"sev_snp\":{\"min_tcb\":" LEVELS ",\"certs\":\"/dev/null\"}}",
	  "" },
	{ "{\"nitro\":true}", "nitro: want an object" },
	{ "{\"nitro\":{\"images\":[]}}", "nitro.images: not known" },
	{ "{\"nitro\":{\"root\":\"/nowhere/root.pem\"}}", "" },
};

static void configuration_that_is_wrong_is_refused_by_name(void **state)
{
	struct tees *tees = NULL;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_true(read_tees(wrong[i].text, &tees) < 0);
		assert_null(tees);
		if (!strstr(said, wrong[i].why))
			print_error("'%s' is not '%s'\n", said, wrong[i].why);
		assert_non_null(strstr(said, wrong[i].why));
	}
}

static void root_that_is_no_certificate_is_refused(void **state)
{
	struct tees *tees = NULL;
	char text[512];

	(void)state;
	snprintf(text, sizeof(text), "{\"nitro\":{\"root\":\"%s\"}}",
		 node.audit);
	assert_true(read_tees(text, &tees) < 0);
	assert_non_null(strstr(said, "no certificate is in that file"));
}

static int teardown(void **state)
{
	snp_fixture_free(&snp);
	nitro_fixture_free(&nitro);
	return guests_teardown(state);
}

#define claim(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		claim(what_is_not_on_is_refused_and_told_what_turns_it_on),
		claim(one_that_is_on_turns_on_no_other),
		claim(same_application_has_the_same_keys_on_each_tee),
		claim(snp_guest_of_another_measurement_is_denied),
		claim(snp_guest_without_known_images_is_denied),
		claim(snp_guest_that_is_debugged_or_moved_is_refused),
		claim(snp_platform_below_the_levels_is_refused),
		claim(snp_report_that_is_not_amds_is_refused),
		claim(snp_report_for_another_key_is_refused),
		claim(snp_guest_of_another_document_is_refused),
		claim(enclave_is_what_its_contract_allows),
		claim(enclave_that_is_debugged_is_refused),
		claim(enclave_of_another_root_is_refused),
		claim(enclave_for_another_key_is_refused),
		claim(enclave_that_says_it_is_two_or_nobody_is_refused),
		claim(contract_that_denies_says_why_on_each_tee),
		claim(what_is_given_and_denied_is_recorded_with_its_tee),
		claim(state_of_an_application_is_told_on_each_tee),
		claim(certificates_are_given_on_each_tee),
		claim(lease_of_an_enclave_is_by_its_instance_of_ec2),
		claim(roots_and_shares_are_for_tds_alone),
		claim(configuration_that_is_wrong_is_refused_by_name),
		claim(root_that_is_no_certificate_is_refused),
	};

	return cmocka_run_group_tests_name("kmsd_tees", tests, kmsd_setup,
					   teardown);
}
