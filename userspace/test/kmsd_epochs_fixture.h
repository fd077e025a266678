/* SPDX-License-Identifier: MIT */
/*
 * A KMS of several key epochs, and one that has the same roots
 *
 * Copyright The dstack for Linux authors
 */
#ifndef KMSD_EPOCHS_FIXTURE_H
#define KMSD_EPOCHS_FIXTURE_H

#include "kmsd_fixture.h"

static struct node one, other;
static struct state_seal seal;

/* Evidence of an application in a certificate, as it asks for keys. */
static inline void make_client(void)
{
	struct libdstack_ratls_request wanted = {
		.key = alice.key, .subject = "RA-TLS TEMP Cert",
		.client = true, .not_before = time(NULL) - 60,
		.not_after = time(NULL) + 3600,
	};
	uint8_t report_data[DSTACK_REPORT_DATA_SIZE], *data;
	size_t len;

	assert_int_equal(libdstack_ratls_report_data(alice.key, report_data),
			 0);
	assert_int_equal(attest_make(NULL, report_data, CONFIG_OF_TESTS, true,
				     LIBDSTACK_FORM_SCALE, &data, &len), 0);
	wanted.evidence = (struct libdstack_span){ data, len };
	client = libdstack_ratls_make(&wanted);
	free(data);
	assert_non_null(client);
}

static inline void begin(void)
{
	kmsd_begin();
	make_client();
	node_open(&one, "one");
	seal = seal_of_tests;
	one.kmsd.state_options.seal = &seal;
	assert_int_equal(kmsd_make_roots(&one.kmsd, "127.0.0.1"), 0);
}

/* The other one has the same roots, by taking them over. */
static inline void begin_both_as(const char *domain)
{
	char json[256];

	begin();
	node_serve(&one);
	node_open(&other, "other");
	snprintf(json, sizeof(json),
		 "{\"source_url\":\"%s\",\"domain\":\"%s\"}", one.url,
		 domain);
	ask_and_drop(&other, kmsd_admin_routes, "/prpc/Onboard.Onboard", json);
	assert_int_equal(status, 200);
}

static inline void begin_both(void)
{
	begin_both_as("other.example");
}

static inline int end(void **state)
{
	(void)state;
	if (!one.kmsd.options)
		return 0;
	if (one.http)
		node_stop(&one);
	node_close(&one);
	if (other.kmsd.options)
		node_close(&other);
	X509_free(client);
	client = NULL;
	state_end();
	return 0;
}

static inline void admin(struct node *node, const char *method,
			 const char *json)
{
	char path[64];

	snprintf(path, sizeof(path), "/prpc/Admin.%s", method);
	ask_and_drop(node, kmsd_admin_routes, path, json);
}

static inline void start(struct node *node)
{
	admin(node, "StartEpoch", "null");
	assert_int_equal(status, 200);
}

static inline void retire(struct node *node, int number)
{
	char json[64];

	snprintf(json, sizeof(json), "{\"key_epoch\":%d}", number);
	admin(node, "RetireEpoch", json);
}

static inline void fetch(struct node *node, const char *url)
{
	char json[128];

	snprintf(json, sizeof(json), "{\"source_url\":\"%s\"}", url);
	admin(node, "FetchEpochs", json);
}

/* -1: it does not say which. */
static inline yyjson_doc *keys_of(struct node *node, int number)
{
	char json[64] = "{\"api_version\":1}";

	if (number >= 0)
		snprintf(json, sizeof(json),
			 "{\"api_version\":1,\"key_epoch\":%d}", number);
	return ask_node(node, kmsd_routes, "/prpc/KMS.GetAppKey", json);
}

static inline void no_keys_of(struct node *node, int number, const char *why)
{
	yyjson_doc_free(keys_of(node, number));
	assert_refused(why);
}

/* What the contract says, at that block and time. */
static inline void at(uint64_t block, uint64_t current,
		      uint64_t previous_ends, uint64_t first_live)
{
	contract.block = block;
	contract.kms_keys = (struct chain_epochs){
		.known = true, .current = current,
		.previous_ends = previous_ends, .first_live = first_live,
	};
}

#endif /* KMSD_EPOCHS_FIXTURE_H */
