// SPDX-License-Identifier: MIT
/*
 * The stand-in's keys: derived as upstream's KMS derives them
 *
 * Copyright The dstack for Linux authors
 */
#include "stand_in_kms.h"

#include <openssl/pem.h>
#include <string.h>

#define YEAR	(365 * 86400LL)

static struct part text(const char *text)
{
	return (struct part){ text, strlen(text) };
}

static X509 *make_ca(EVP_PKEY *key, const char *name, uint32_t level,
		     const struct stand_in_roots *issuer,
		     const uint8_t *app_id)
{
	const struct libdstack_ratls_request request = {
		.key = key, .org_name = "Dstack", .subject = name,
		.ca = true, .ca_level = level,
		.not_before = time(NULL) - YEAR, .not_after = time(NULL) + YEAR,
		.usage = app_id ? "app:ca" : NULL,
		.app_id = { app_id, app_id ? DSTACK_APP_ID_SIZE : 0 },
		.issuer = issuer ? issuer->ca : NULL,
		.issuer_key = issuer ? issuer->ca_key : NULL,
	};
	X509 *cert = libdstack_ratls_make(&request);

	stand_in_need(cert);
	return cert;
}

static void derive(const uint8_t *ikm, struct part a, struct part b,
		   struct part c, uint8_t out[DSTACK_KEY_SIZE])
{
	const struct part parts[] = { a, b, c };

	stand_in_need(!p256_derive(ikm, parts, 3, out));
}

void stand_in_roots_init(struct stand_in_roots *roots, const uint8_t *seed)
{
	static const struct part none = { "", 0 };
	uint8_t temp[DSTACK_KEY_SIZE];

	derive(seed, text("root ca"), none, none, roots->ca_scalar);
	derive(seed, text("root k256"), none, none, roots->k256);
	derive(seed, text("temp ca"), none, none, temp);
	roots->ca_key = p256_key(roots->ca_scalar);
	roots->temp_key = p256_key(temp);
	stand_in_need(roots->ca_key && roots->temp_key);
	roots->ca = make_ca(roots->ca_key, "Dstack KMS CA", 1, NULL, NULL);
	roots->temp_ca = make_ca(roots->temp_key, "Dstack Client Temp CA", 0,
				 NULL, NULL);
}

void stand_in_roots_clear(struct stand_in_roots *roots)
{
	EVP_PKEY_free(roots->ca_key);
	EVP_PKEY_free(roots->temp_key);
	X509_free(roots->ca);
	X509_free(roots->temp_ca);
}

/* What upstream calls a DH secret. */
static void secret(const struct stand_in_roots *roots, struct part a,
		   struct part b, struct part c, uint8_t out[DSTACK_KEY_SIZE])
{
	uint8_t scalar[DSTACK_KEY_SIZE];
	EVP_PKEY *key;

	derive(roots->ca_scalar, a, b, c, scalar);
	key = p256_key(scalar);
	stand_in_need(key && !p256_secret(key, out));
	EVP_PKEY_free(key);
}

static void sign(const struct stand_in_roots *roots, const struct part *parts,
		 size_t nr, uint8_t signature[AGENT_LINK_SIZE])
{
	uint8_t digest[HASH_SIZE];

	stand_in_need(!hash_parts(HASH_KECCAK256, parts, nr, digest) &&
		      !secp_sign_link(roots->k256, digest, signature));
}

void stand_in_app_keys(const struct stand_in_roots *roots,
		       const struct stand_in_client *client,
		       struct stand_in_app_keys *keys)
{
	const struct part app = { client->app_id, DSTACK_APP_ID_SIZE };
	const struct part instance = {
		client->instance_id.data, client->instance_id.len
	};
	const struct part none = { "", 0 };
	uint8_t public[AGENT_SECP256K1_SIZE];
	const struct part claim[] = {
		text("dstack-kms-issued:"), app, { public, sizeof(public) },
	};

	secret(roots, app, instance, text("app-disk-crypt-key"), keys->disk);
	secret(roots, app, text("env-encrypt-key"), none, keys->env);
	derive(roots->k256, app, text("app-key"), none, keys->k256);
	stand_in_need(!secp_public(keys->k256, public));
	sign(roots, claim, 3, keys->k256_signature);
}

void stand_in_env_key(const struct stand_in_roots *roots,
		      const uint8_t *app_id, uint64_t timestamp,
		      uint8_t public_key[DSTACK_KEY_SIZE],
		      uint8_t signature[AGENT_LINK_SIZE])
{
	const struct part app = { app_id, DSTACK_APP_ID_SIZE };
	const struct part none = { "", 0 };
	uint8_t scalar[DSTACK_KEY_SIZE], be[8];
	size_t len = DSTACK_KEY_SIZE;
	struct part claim[] = {
		text("dstack-env-encrypt-pubkey:"), app,
		{ be, timestamp ? sizeof(be) : 0 }, { public_key, len },
	};
	EVP_PKEY *key;
	int i;

	secret(roots, app, text("env-encrypt-key"), none, scalar);
	key = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, scalar,
					   sizeof(scalar));
	stand_in_need(key && EVP_PKEY_get_raw_public_key(key, public_key,
							 &len) == 1);
	EVP_PKEY_free(key);
	for (i = 0; i < 8; i++)
		be[i] = timestamp >> (56 - 8 * i);
	sign(roots, claim, 4, signature);
}

X509 *stand_in_app_ca(const struct stand_in_roots *roots,
		      const uint8_t *app_id, EVP_PKEY **key)
{
	const struct part app = { app_id, DSTACK_APP_ID_SIZE };
	const struct part none = { "", 0 };
	uint8_t scalar[DSTACK_KEY_SIZE];

	derive(roots->ca_scalar, app, text("app-ca"), none, scalar);
	*key = p256_key(scalar);
	stand_in_need(*key);
	return make_ca(*key, "Dstack App CA", 0, roots, app_id);
}

char *stand_in_pem(X509 *cert)
{
	BIO *out = BIO_new(BIO_s_mem());
	char *data, *pem;
	long len;

	stand_in_need(out && PEM_write_bio_X509(out, cert) == 1);
	len = BIO_get_mem_data(out, &data);
	pem = strndup(data, len);
	BIO_free(out);
	return pem;
}

/* The first of that name, before the boot was complete. */
static const struct libdstack_event *
find(const struct libdstack_attestation *att, const char *name)
{
	const struct libdstack_event *event = att->runtime.events;
	size_t i;

	for (i = 0; i < att->runtime.count; i++, event++) {
		if (!strcmp(event->name, name))
			return event;
		if (!strcmp(event->name, "system-ready"))
			break;
	}
	return NULL;
}

static void take_id(const struct libdstack_attestation *att, const char *name,
		    struct libdstack_id *id)
{
	const struct libdstack_event *event = find(att, name);

	id->len = 0;
	if (!event || event->payload_len > sizeof(id->data))
		return;
	id->len = event->payload_len;
	if (id->len)
		memcpy(id->data, event->payload, id->len);
}

bool stand_in_client_read(const struct libdstack_attestation *att,
			  const void *spki, size_t len,
			  struct stand_in_client *client, const char **why)
{
	uint8_t want[DSTACK_REPORT_DATA_SIZE];
	struct libdstack_id app_id;

	*why = "No attestation provided";
	if (!att)
		return false;
	*why = "its evidence is for another key";
	stand_in_need(!libdstack_report_data(LIBDSTACK_TAG_RATLS_CERT, NULL,
					     spki, len, want));
	if (!att->have_report_data ||
	    memcmp(att->report_data, want, sizeof(want)) != 0)
		return false;
	*why = "its log names no application";
	take_id(att, "app-id", &app_id);
	if (app_id.len != DSTACK_APP_ID_SIZE)
		return false;
	memcpy(client->app_id, app_id.data, DSTACK_APP_ID_SIZE);
	take_id(att, "instance-id", &client->instance_id);
	take_id(att, "compose-hash", &client->compose_hash);
	return true;
}
