/* SPDX-License-Identifier: MIT */
/*
 * One application on three TEEs, and a KMS whose configuration is the test's
 *
 * Copyright The dstack for Linux authors
 */
#ifndef KMSD_TEES_FIXTURE_H
#define KMSD_TEES_FIXTURE_H

/* Certificates of AMD's and AWS's kind are as old as the others here. */
#define PKI_NOW	((long)time(NULL))

#include <time.h>

#include "nitro_fixture.h"
#include "snp_fixture.h"

#include "kmsd_fixture.h"

#define MR_CONFIG_TAG	"dstack-mr-config-v3:"
#define SNP_AT_POLICY	0x0a		/* its third byte */
#define SNP_AT_DATA	0x50
#define SNP_AT_LAUNCH	0x90
#define SNP_AT_HOST	0xc0
#define SNP_AT_COMMITTED 0x1e0
#define LAUNCH_HEX \
	"d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2"
#define IMAGE_OF_TESTS \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define LEVELS		"{\"Milan\":{\"bootloader\":1,\"tee\":2,\"snp\":3," \
			"\"microcode\":200}}"

static struct node node;
static struct snp_fixture snp;
static struct nitro_fixture nitro;
static struct container evidence;
static char mr_config[1024];
static char snp_root[160], nitro_root[160];	/* files */

/*
 * Evidence, for who asks with alice's key
 */

/* Stack evidence behind the quote of a SCALE container. */
static inline void put_stack(struct container *c,
			     const struct container_event *events, size_t nr,
			     const uint8_t report_data[64], const char *config)
{
	size_t i;

	container_length(c, nr);
	for (i = 0; i < nr; i++) {
		container_text(c, events[i].name);
		container_bytes(c, events[i].payload, events[i].len);
	}
	container_put(c, report_data, 64);
	container_text(c, config);
}

static inline void begin_container(struct container *c, uint8_t kind)
{
	c->len = 0;
	container_number(c, 0, 1);
	container_number(c, kind, 1);
}

static inline void key_report_data(uint8_t report_data[64])
{
	assert_int_equal(libdstack_ratls_report_data(alice.key, report_data),
			 0);
}

/* What the launch of that application was given. */
static inline void make_mr_config(void)
{
	char app[41], compose[65], instance[41];

	snprintf(mr_config, sizeof(mr_config),
		 "{\"version\":3,\"app_id\":\"%s\",\"compose_hash\":\"%s\",\"instance_id\":\"%s\",\"key_provider\":\"kms\",\"key_provider_id\":\"\"}",
		 libdstack_to_hex(APP, 20, app),
		 libdstack_to_hex(COMPOSE, 32, compose),
		 libdstack_to_hex(alice.instance, 20, instance));
}

static inline void hash_mr_config(uint8_t hash[32])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	assert_true(EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 &&
		    EVP_DigestUpdate(ctx, MR_CONFIG_TAG,
				     sizeof(MR_CONFIG_TAG)) == 1 &&
		    EVP_DigestUpdate(ctx, mr_config, strlen(mr_config)) == 1 &&
		    EVP_DigestFinal_ex(ctx, hash, NULL) == 1);
	EVP_MD_CTX_free(ctx);
}

/* A good one; then snp.report is to be changed, and sealed. */
static inline void snp_begin(void)
{
	snp_fixture_make(&snp);
	make_mr_config();
	hash_mr_config(snp.report + SNP_AT_HOST);
	key_report_data(snp.report + SNP_AT_DATA);
}

static inline void snp_seal_with(const char *config)
{
	uint8_t report_data[64];

	key_report_data(report_data);
	snp_fixture_sign(&snp);
	begin_container(&evidence, 3);
	container_bytes(&evidence, snp.report, sizeof(snp.report));
	container_length(&evidence, 2);
	container_bytes(&evidence, snp.certs[0].data, snp.certs[0].len);
	container_bytes(&evidence, snp.certs[1].data, snp.certs[1].len);
	container_text(&evidence, mr_config);
	put_stack(&evidence, NULL, 0, report_data, config);
}

static inline void snp_seal(void)
{
	snp_seal_with(CONFIG_OF_TESTS);
}

static inline void snp_evidence(void)
{
	snp_begin();
	snp_seal();
}

/* As nitro says; of @nr events. */
static inline void enclave_with(const struct container_event *events, size_t nr)
{
	static uint8_t report_data[64];

	key_report_data(report_data);
	if (!nitro.user_data) {
		nitro.user_data = report_data;
		nitro.user_data_len = sizeof(report_data);
	}
	nitro_fixture_make(&nitro);
	begin_container(&evidence, 2);
	container_bytes(&evidence, nitro.document.data, nitro.document.len);
	put_stack(&evidence, events, nr, report_data, "{}");
}

static inline void enclave_evidence(void)
{
	struct container_event events[4];
	size_t nr = guest_events(&alice, events);

	enclave_with(events, nr);
}

static inline void td_evidence(void)
{
	uint8_t report_data[64];

	key_report_data(report_data);
	make_evidence(&alice, report_data, &evidence);
}

/* Who asks shows it from here on. */
static inline void show(void)
{
	struct libdstack_ratls_request wanted = {
		.key = alice.key, .subject = "RA-TLS TEMP Cert",
		.client = true, .not_before = time(NULL) - 60,
		.not_after = time(NULL) + 3600,
		.evidence = { evidence.data, evidence.len },
	};

	X509_free(client);
	client = libdstack_ratls_make(&wanted);
	assert_non_null(client);
}

/*
 * The KMS
 */

static inline void write_cert(char path[160], const char *name, X509 *cert)
{
	FILE *out;

	snprintf(path, 160, "%s/%s", work, name);
	out = fopen(path, "we");
	epoch_need(out && PEM_write_X509(out, cert) == 1 && !fclose(out));
}

/* As the file of a KMS says it. */
static inline int read_tees(const char *text, struct tees **tees)
{
	struct app_json json = { .file = "test", .object = "", .tell = note };
	yyjson_doc *doc = NULL;
	int err;

	said[0] = '\0';
	assert_int_equal(app_json_open(&json, text, strlen(text), &doc), 0);
	err = tees_read(&json, tees);
	yyjson_doc_free(doc);
	return err;
}

static inline void configure(const char *fmt, ...)
	__attribute__((format(printf, 1, 2)));

static inline void configure(const char *fmt, ...)
{
	char text[4096];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	tees_free(node.options.tees);
	node.options.tees = NULL;
	assert_int_equal(read_tees(text, &node.options.tees), 0);
	tees_trust(node.options.tees, &node.kmsd.trust);
}

/* Both are on, with the roots and the image of the test. */
static inline void turn_on(void)
{
	configure("{\"sev_snp\":{\"root\":\"%s\",\"min_tcb\":" LEVELS
		  ",\"images\":[{\"os_image_hash\":\"" IMAGE_OF_TESTS
		  "\",\"measurement\":\"" LAUNCH_HEX "\"}]},"
		  "\"nitro\":{\"root\":\"%s\"}}", snp_root, nitro_root);
}

static inline int begin(void **state)
{
	(void)state;
	kmsd_begin();
	snp_fixture_make(&snp);
	nitro.user_data = NULL;
	nitro.module_id = NULL;
	nitro.image = 0;
	nitro.debug = false;
	nitro_fixture_make(&nitro);
	guest_config = CONFIG_OF_TESTS;
	node_open(&node, "one");
	libdstack_quote_policy_default(&node.options.policy);
	node.kmsd.trust.accept = kmsd_accept;
	node.kmsd.trust.data = &node.kmsd;
	node.options.any_image = false;
	write_cert(snp_root, "ark.pem", snp.ark);
	write_cert(nitro_root, "aws.pem", nitro.root);
	assert_int_equal(kmsd_make_roots(&node.kmsd, "127.0.0.1"), 0);
	return 0;
}

static inline int end(void **state)
{
	(void)state;
	if (!node.kmsd.options)
		return 0;
	tees_free(node.options.tees);
	node_close(&node);
	X509_free(client);
	client = NULL;
	state_end();
	return 0;
}

static inline yyjson_doc *get_app_key(void)
{
	return ask_node(&node, kmsd_routes, "/prpc/GetAppKey",
			"{\"api_version\":1}");
}

static inline void assert_given(void)
{
	yyjson_doc_free(get_app_key());
	if (status != 200)
		print_error("%s\n", answered);
	assert_int_equal(status, 200);
}

static inline void assert_no_keys(const char *why)
{
	yyjson_doc_free(get_app_key());
	assert_refused(why);
}

#endif /* KMSD_TEES_FIXTURE_H */
