/* SPDX-License-Identifier: MIT */
/*
 * Guests of the test platform that make evidence and certificates
 *
 * Copyright The dstack for Linux authors
 */
#ifndef RATLS_FIXTURE_H
#define RATLS_FIXTURE_H

#include <libdstack_quote.h>
#include <openssl/err.h>

#include "container_fixture.h"
#include "pki_fixture.h"
#include "ratls/ratls.h"

#define TD_CONFIG_ID	184
#define TD_RTMR3	472
#define TD_REPORT_DATA	520
#define APP		"application number 1"
#define COMPOSE		"compose hash of that application"

/* A guest: its key, and its instance. */
struct guest {
	EVP_PKEY *key;
	const char *instance;		/* 20 characters */
};

static struct guest alice = { NULL, "alice, the instance." };
static struct guest bob = { NULL, "bob, another of them" };

static struct libdstack_collateral *collateral;
static struct libdstack_trust trust;
static struct libdstack_failure refusal;
static char accepted[21];		/* the instance that was */
static const char *only_instance;	/* that the policy accepts */
static const char *guest_config = "{}";	/* in its evidence */
static const char *guest_app = APP;	/* 20 bytes, as well */

/* What an application would ask: a good platform, and who it is. */
static inline int accept_app(const struct libdstack_peer *peer, void *data,
			     struct libdstack_failure *failure)
{
	const struct libdstack_identity *id = &peer->identity;
	struct libdstack_quote_policy policy;
	int err;

	(void)data;
	libdstack_quote_policy_default(&policy);
	err = libdstack_quote_policy_check(&policy, &peer->verdict.quote, NULL,
					   NULL, failure);
	if (err)
		return err;
	if (id->app_id.len != 20 || memcmp(id->app_id.data, APP, 20))
		return -EACCES;
	if (only_instance && memcmp(id->instance_id.data, only_instance, 20))
		return -EACCES;
	memcpy(accepted, id->instance_id.data, 20);
	return 0;
}

static inline void note_refusal(const struct libdstack_failure *failure,
				void *data)
{
	(void)data;
	refusal = *failure;
}

static inline void need_guests(void)
{
	need_pki();
	if (!alice.key) {
		alice.key = EVP_EC_gen("P-256");
		bob.key = EVP_EC_gen("P-256");
		collateral = read_collateral("base");
	}
	only_instance = NULL;
	memset(accepted, 0, sizeof(accepted));
	memset(&refusal, 0, sizeof(refusal));
	memset(&verdict, 0, sizeof(verdict));
	trust = (struct libdstack_trust){
		.collateral = collateral, .root = root, .root_len = root_len,
		.flags = LIBDSTACK_RATLS_F_ANY_ISSUER, .accept = accept_app,
		.clock = time, .refused = note_refusal,
	};
}

static inline int guests_teardown(void **state)
{
	EVP_PKEY_free(alice.key);
	EVP_PKEY_free(bob.key);
	libdstack_collateral_free(collateral);
	return pki_teardown(state);
}

/* Its log, and the register that it makes. */
static inline size_t guest_events(const struct guest *guest,
				  struct container_event *events)
{
	const struct container_event list[] = {
		{ "app-id", guest_app, 20 }, { "compose-hash", COMPOSE, 32 },
		{ "instance-id", guest->instance, 20 },
		{ "system-ready", "", 0 },
	};

	memcpy(events, list, sizeof(list));
	return sizeof(list) / sizeof(list[0]);
}

static inline void set_register(const struct container_event *events,
				size_t nr)
{
	uint8_t *value = f.data + f.body + TD_RTMR3;
	uint8_t digest[DSTACK_REGISTER_SIZE];

	memset(value, 0, DSTACK_REGISTER_SIZE);
	for (; nr--; events++) {
		dstack_event_digest(events->name, strlen(events->name),
				    events->payload, events->len, digest);
		dstack_event_fold(value, digest);
	}
}

/* A quote for @report_data is in f, its container in @c. */
static inline void make_evidence(const struct guest *guest,
				 const uint8_t report_data[64],
				 struct container *c)
{
	struct container_event events[4];
	struct container_parts parts = {
		.events = events, .config = guest_config,
	};

	parts.nr_events = guest_events(guest, events);
	make(4, 0);
	memset(f.data + f.body + TD_CONFIG_ID, 0, 3 * 48);
	memcpy(f.data + f.body + TD_REPORT_DATA, report_data, 64);
	set_register(events, parts.nr_events);
	sign_quote(attest);
	parts.quote = f.data;
	parts.quote_len = f.len;
	memcpy(parts.report_data, report_data, 64);
	container_scale(c, &parts);
}

/* The event log in JSON, as guests of old gave it; for free(). */
static inline char *make_log(const struct guest *guest)
{
	struct container_event events[4];
	size_t i, nr = guest_events(guest, events);
	char *log = calloc(1, 8192), *p = log, hex[128];

	for (i = 0; i < nr; i++)
		p += sprintf(p,
			     "%c{\"imr\":3,\"event_type\":134217729,\"digest\":\"\",\"event\":\"%s\",\"event_payload\":\"%s\"}",
			     i ? ',' : '[', events[i].name,
			     libdstack_to_hex(events[i].payload, events[i].len,
					      hex));
	strcpy(p, "]");
	return log;
}

/* What @guest would ask to be in its certificate, for its key. */
static inline void fill_request(const struct guest *guest,
				struct container *c,
				struct libdstack_ratls_request *r)
{
	static const char * const names[] = { "guest.test", "127.0.0.1", NULL };
	uint8_t report_data[64];

	assert_int_equal(libdstack_ratls_report_data(guest->key, report_data),
			 0);
	make_evidence(guest, report_data, c);
	*r = (struct libdstack_ratls_request){
		.key = guest->key, .subject = "guest.test", .alt_names = names,
		.not_before = time(NULL) - 60, .not_after = time(NULL) + 600,
		.evidence = { c->data, c->len },
	};
}

static inline X509 *make_cert(const struct guest *guest)
{
	static struct container c;
	struct libdstack_ratls_request r;
	X509 *cert;

	fill_request(guest, &c, &r);
	cert = libdstack_ratls_make(&r);
	assert_non_null(cert);
	return cert;
}

/*
 * Two ends in one process: whatever one writes, the other can read
 */

struct pair {
	SSL_CTX *client_ctx, *server_ctx;
	SSL *client, *server;
};

static inline void pair_contexts(struct pair *p)
{
	p->client_ctx = SSL_CTX_new(TLS_client_method());
	p->server_ctx = SSL_CTX_new(TLS_server_method());
}

static inline void pair_cert(SSL_CTX *ctx, const struct guest *guest)
{
	X509 *cert = make_cert(guest);

	assert_int_equal(SSL_CTX_use_certificate(ctx, cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(ctx, guest->key), 1);
	X509_free(cert);
}

static inline void pair_connect(struct pair *p, const char *name)
{
	BIO *a, *b;

	p->client = SSL_new(p->client_ctx);
	p->server = SSL_new(p->server_ctx);
	assert_int_equal(BIO_new_bio_pair(&a, 1 << 17, &b, 1 << 17), 1);
	SSL_set_bio(p->client, a, a);
	SSL_set_bio(p->server, b, b);
	SSL_set_connect_state(p->client);
	SSL_set_accept_state(p->server);
	if (name)
		SSL_set_tlsext_host_name(p->client, name);
}

/* True if both ends are done. */
static inline bool pair_handshake(struct pair *p)
{
	int i, client = 0, server = 0;

	for (i = 0; i < 8 && (client != 1 || server != 1); i++) {
		client = SSL_do_handshake(p->client);
		server = SSL_do_handshake(p->server);
	}
	ERR_clear_error();
	return client == 1 && server == 1;
}

static inline void pair_close(struct pair *p)
{
	SSL_free(p->client);
	SSL_free(p->server);
	SSL_CTX_free(p->client_ctx);
	SSL_CTX_free(p->server_ctx);
	memset(p, 0, sizeof(*p));
}

#endif /* RATLS_FIXTURE_H */
