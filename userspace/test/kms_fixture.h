/* SPDX-License-Identifier: MIT */
/*
 * An application that asks KMSs, which are stand-ins
 *
 * Copyright The dstack for Linux authors
 */
#ifndef KMS_FIXTURE_H
#define KMS_FIXTURE_H

#include <errno.h>
#include <openssl/pem.h>
#include <signal.h>

#include "../kms/kms.h"
#include "ratls_fixture.h"
#include "stand_in_kms.h"

#define TOLD_MAX	16

/* The KMS, a copy of it, and another one. */
static struct stand_in_kms *first, *copy, *another;
static char told[TOLD_MAX][2048];
static int nr_told, attested;
static const char *urls[4];
static struct kms kms;

static inline void note(const char *line)
{
	assert_true(nr_told < TOLD_MAX);
	snprintf(told[nr_told++], sizeof(told[0]), "%s", line);
}

/* Evidence that is well-formed, which is all that a stand-in asks for. */
static inline int attest_app(void *arg, const uint8_t report_data[64],
			     uint8_t **attestation, size_t *len)
{
	const struct container_event events[] = {
		{ "app-id", APP, 20 }, { "compose-hash", COMPOSE, 32 },
		{ "instance-id", alice.instance, 20 },
		{ "system-ready", "", 0 },
	};
	struct container_parts parts = {
		.quote = "quote", .quote_len = 5, .events = events,
		.nr_events = 4, .config = "{}",
	};
	static struct container c;

	(void)arg;
	attested++;
	memcpy(parts.report_data, report_data, 64);
	memset(&c, 0, sizeof(c));
	container_scale(&c, &parts);
	*attestation = malloc(c.len);
	memcpy(*attestation, c.data, c.len);
	*len = c.len;
	return 0;
}

/* @who shows that @next succeeds @from. */
static inline void show_record(struct stand_in_kms *who,
			       const struct issue *from,
			       const struct issue *next,
			       struct stand_in_record *record)
{
	stand_in_succeed(from, 1, next, record);
	who->config.records = record;
	who->config.nr_records = 1;
}

/* Evidence of a KMS, which holds: for need_guests(). */
static inline int attest_kms(const uint8_t report_data[64], uint8_t **data,
			     size_t *len)
{
	static struct container c;

	memset(&c, 0, sizeof(c));
	make_evidence(&bob, report_data, &c);
	*data = malloc(c.len);
	memcpy(*data, c.data, c.len);
	*len = c.len;
	return 0;
}

static inline int kms_setup(void **state)
{
	struct stand_in_config config = { .seed = "one", };

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(kms_init(), 0);
	first = stand_in_start(&config);
	copy = stand_in_start(&config);
	config.seed[0] = 'x';
	config.gateway_app_id = "any";
	another = stand_in_start(&config);
	return 0;
}

static inline int kms_teardown(void **state)
{
	(void)state;
	stand_in_stop(first);
	stand_in_stop(copy);
	stand_in_stop(another);
	return 0;
}

/* As before each test: all good, the first is asked. */
static inline int kms_reset(void **state)
{
	(void)state;
	first->fault = STAND_IN_GOOD;
	copy->fault = STAND_IN_GOOD;
	another->fault = STAND_IN_GOOD;
	first->state.key_epoch = 0;
	copy->state.key_epoch = 0;
	first->requests = 0;
	copy->requests = 0;
	another->requests = 0;
	nr_told = 0;
	attested = 0;
	urls[0] = first->url;
	kms = (struct kms){
		.urls = urls, .nr = 1, .vm_config = "{}", .attest = attest_app,
		.tell = note, .timeout_s = 5, .total_s = 10,
	};
	return 0;
}

/* The last line has the text, and says which KMS it was. */
static inline void assert_told(const struct stand_in_kms *who,
			       const char *text)
{
	const char *line = nr_told ? told[nr_told - 1] : "";

	if (strstr(line, text) && strstr(line, who->url))
		return;
	print_error("'%s' is not about '%s'\n", line, text);
	fail();
}

#endif /* KMS_FIXTURE_H */
