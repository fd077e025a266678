/* SPDX-License-Identifier: MIT */
/*
 * A file of application's keys, with an authority made for it
 *
 * Copyright The dstack for Linux authors
 */
#ifndef APP_KEYS_FIXTURE_H
#define APP_KEYS_FIXTURE_H

#include <jansson.h>
#include <openssl/pem.h>
#include <string.h>

#include "../keys/app_keys.h"
#include "pki.h"

#define DISK_KEY	"d15cd15cd15cd15cd15cd15cd15cd15cd15cd15cd15cd15cd15cd15cd15cd15c"
#define ENV_KEY		"e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4"
#define K256_KEY	"1a2b3c4d5e6f7a8b9c0d1e2f3a4b5c6d7e8f9a0b1c2d3e4f5a6b7c8d9e0f1a2b"
#define LINK_DIGITS	(2 * AGENT_LINK_SIZE)

/* Of the application's authority, and of another. */
static char cert_pem[2048], key_pem[2048], other_pem[2048];

static inline void take_text(BIO *bio, char *out, size_t size)
{
	int len = BIO_read(bio, out, size - 1);

	assert_true(len > 0);
	out[len] = '\0';
	BIO_free(bio);
}

static inline void write_key(EVP_PKEY *key, char *out, size_t size)
{
	BIO *bio = BIO_new(BIO_s_mem());

	assert_true(PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL,
						  NULL) == 1);
	take_text(bio, out, size);
}

static inline void make_authority(void)
{
	EVP_PKEY *key = pki_ec_key("P-256"), *other = pki_ec_key("P-256");
	const struct pki_spec spec = { .name = "App", .key = key, .ca = true };
	X509 *cert = pki_cert(&spec);
	BIO *bio = BIO_new(BIO_s_mem());

	assert_true(PEM_write_bio_X509(bio, cert) == 1);
	take_text(bio, cert_pem, sizeof(cert_pem));
	write_key(key, key_pem, sizeof(key_pem));
	write_key(other, other_pem, sizeof(other_pem));
	X509_free(cert);
	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
}

static inline json_t *provider(const char *kind)
{
	if (!strcmp(kind, "None"))
		return json_pack("{s{ss}}", kind, "key", key_pem);
	if (!strcmp(kind, "Kms"))
		return json_pack("{s{ssssssss}}", kind,
				 "url", "https://kms.example:12001",
				 "pubkey", "3059", "tmp_ca_key", key_pem,
				 "tmp_ca_cert", cert_pem);
	return json_pack("{s{ssss}}", kind, "key", key_pem,
			 !strcmp(kind, "Tpm") ? "pubkey" : "mr", "abcdef");
}

/* The fields of a file as it should be. */
static inline json_t *document(const char *kind)
{
	char signature[LINK_DIGITS + 1];

	memset(signature, '7', LINK_DIGITS);
	signature[LINK_DIGITS] = '\0';
	return json_pack("{ssssssssssssso}", "disk_crypt_key", DISK_KEY,
			 "env_crypt_key", ENV_KEY, "k256_key", K256_KEY,
			 "k256_signature", signature, "gateway_app_id", "any",
			 "ca_cert", cert_pem, "key_provider", provider(kind));
}

static inline char *text_of(const char *kind)
{
	json_t *json = document(kind);
	char *text = json_dumps(json, JSON_COMPACT);

	assert_non_null(text);
	json_decref(json);
	return text;
}

#endif /* APP_KEYS_FIXTURE_H */
