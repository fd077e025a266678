/* SPDX-License-Identifier: MIT */
/*
 * A KMS without sockets, with known roots, and an application that asks it
 *
 * Copyright The dstack for Linux authors
 */
#ifndef KMSD_WIRE_FIXTURE_H
#define KMSD_WIRE_FIXTURE_H

#include "../kmsd/kmsd.h"
#include "ratls_fixture.h"

/* Its names are those of parameters above. */
#include "kms_state_fixture.h"

/* Of upstream's own tests: kdf.rs, and crypto.rs of its KMS. */
#define CA_SCALAR \
	"f57527cea4ab7ffb49af99b158cdc0e3ec06398f528349ea236b7d2afe19cec1"
#define K256_SCALAR \
	"0707070707070707070707070707070707070707070707070707070707070707"
#define IMAGE_HEX \
	"e6f5cfec20c02e7b97baa213d0f718020b55e040172d90ccbcb946d56c8b09db"
#define VM_CONFIG	"{\"os_image_hash\":\"" IMAGE_HEX "\"}"

static struct issue_roots known_roots;
static struct issue *known;		/* of the same, by another way */
static struct kmsd_options kms_options;
static struct kmsd kms;
static char audit_path[160];
static X509 *client;			/* whom the connection is with */
static struct rpc_reply reply;

static inline int accept_anybody(const struct libdstack_peer *peer, void *data,
				 struct libdstack_failure *failure)
{
	(void)peer;
	(void)data;
	(void)failure;
	return 0;
}

static inline void make_state(void)
{
	static const char *const none[__ISSUE_CA_MAX];
	static struct key_epoch epoch;
	const char *reason;

	epoch_need(libdstack_from_hex(CA_SCALAR, 64, known_roots.ca, 32));
	epoch_need(libdstack_from_hex(K256_SCALAR, 64, known_roots.k256, 32));
	memset(known_roots.temp_ca, 9, 32);
	epoch_need(!issue_open(&known_roots, none, time(NULL), &known,
			       &reason));
	memset(&epoch, 0, sizeof(epoch));
	epoch.created = (uint64_t)time(NULL);
	memcpy(epoch.ca, known_roots.ca, 32);
	memcpy(epoch.k256, known_roots.k256, 32);
	memcpy(epoch.temp_ca, known_roots.temp_ca, 32);
	memcpy(epoch.k256_public, issue_public(known)->k256, 33);
	strcpy(epoch.ca_cert, issue_cert(known, ISSUE_ROOT_CA));
	strcpy(epoch.temp_ca_cert, issue_cert(known, ISSUE_TEMP_CA));
	state_begin();
	epoch_need(!state_create(&options, DOMAIN, &epoch, 1, &kms.state));
	epoch_need(!epochs_open(kms.state, time(NULL), &kms.epochs));
}

/* Everything is allowed; of images none is known. */
static inline void make_options(void)
{
	static char any[] = "any";
	struct app_json json = { .file = "", .object = "", .tell = note };
	yyjson_doc *doc;

	epoch_need(!app_json_open(&json, "{}", 2, &doc) &&
		   !images_read(&json, "images", &kms_options.images));
	yyjson_doc_free(doc);
	kms_options.auth.type = AUTH_TYPE_DEV;
	kms_options.auth.gateway_app_id = any;
	kms_options.any_image = true;
	kms.options = &kms_options;
}

static inline void make_auth(void)
{
	struct auth_options auth = {
		.config = &kms_options.auth, .version = KMSD_VERSION,
		.tell = note,
	};

	epoch_need(!auth_open(&auth, &kms.auth));
}

/* Skips the test where there is no platform for evidence. */
static inline void need_kms(void)
{
	need_guests();
	if (kms.state)
		return;
	make_state();
	make_options();
	kms.trust = trust;
	kms.trust.accept = accept_anybody;
	snprintf(audit_path, sizeof(audit_path), "%s/audit", work);
	epoch_need(!limits_open(&kms_options, &kms.limits) &&
		   !leases_open(0, &kms.leases) &&
		   !audit_open(audit_path, note, &kms.audit));
	make_auth();
	guest_config = VM_CONFIG;
	client = make_cert(&alice);
}

static inline int wire_teardown(void **state)
{
	if (!kms.state)
		return 0;
	rpc_reply_free(&reply);
	X509_free(client);
	images_free(kms_options.images);
	auth_close(kms.auth);
	audit_close(kms.audit);
	limits_close(kms.limits);
	leases_close(kms.leases);
	epochs_close(kms.epochs);
	state_close(kms.state);
	state_end();
	issue_close(known);
	return guests_teardown(state);
}

/* The answer is in reply. */
static inline void ask(const char *method, const char *target,
		       const char *type, const void *body, size_t len,
		       X509 *cert)
{
	char path[256], *query;
	struct http_request from = {
		.remote = true, .caller.id = "(192.0.2.1)", .cert = cert,
	};
	struct rpc_request request = {
		.method = method, .path = path, .content_type = type,
		.body = body, .len = len,
	};

	snprintf(path, sizeof(path), "%s", target);
	query = strchr(path, '?');
	if (query)
		*query++ = '\0';
	request.query = query ? query : "";
	rpc_reply_free(&reply);
	rpc_serve(kmsd_routes, &kms, &from, &request, &reply);
}

/*
 * protobuf by hand: numbers of fields are those of upstream's table
 */

struct wire {
	uint8_t data[16384];
	size_t len;
};

static inline void wire_number(struct wire *wire, uint64_t value)
{
	do {
		wire->data[wire->len++] = (value & 0x7f) |
			(value > 0x7f ? 0x80 : 0);
		value >>= 7;
	} while (value);
}

static inline void wire_bytes(struct wire *wire, unsigned int field,
			      const void *data, size_t len)
{
	if (!len)
		return;
	wire_number(wire, field << 3 | 2);
	wire_number(wire, len);
	memcpy(wire->data + wire->len, data, len);
	wire->len += len;
}

static inline void wire_text(struct wire *wire, unsigned int field,
			     const char *text)
{
	wire_bytes(wire, field, text, strlen(text));
}

static inline void wire_value(struct wire *wire, unsigned int field,
			      uint64_t value)
{
	if (!value)
		return;
	wire_number(wire, field << 3);
	wire_number(wire, value);
}

#endif /* KMSD_WIRE_FIXTURE_H */
