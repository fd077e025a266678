// SPDX-License-Identifier: MIT
/*
 * Keys of an application that is its own authority
 *
 * Copyright The dstack for Linux authors
 *
 * All of them come of one seed, by upstream's derivations and under upstream's
 * names.
 */
#include "boot.h"

#include <errno.h>
#include <libdstack_ratls.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../keys/p256.h"

#define SUBJECT		"App Root Cert"
#define NOT_BEFORE	157766400	/* 1975-01-01: clocks may be wrong */
#define VALID_S		(3650LL * 24 * 60 * 60)

static int derive(const uint8_t seed[DSTACK_KEY_SIZE], const char *name,
		  uint8_t key[DSTACK_KEY_SIZE])
{
	const struct part context = { name, strlen(name) };

	return p256_derive(seed, &context, 1, key);
}

static EVP_PKEY *derive_pair(const uint8_t seed[DSTACK_KEY_SIZE],
			     const char *name)
{
	uint8_t scalar[DSTACK_KEY_SIZE];
	EVP_PKEY *key = NULL;

	if (!derive(seed, name, scalar))
		key = p256_key(scalar);
	explicit_bzero(scalar, sizeof(scalar));
	return key;
}

/* Upstream's disks have a secret that is no key of a curve. */
static int make_disk_key(const uint8_t seed[DSTACK_KEY_SIZE],
			 uint8_t secret[DSTACK_KEY_SIZE])
{
	EVP_PKEY *key = derive_pair(seed, "app-disk-key");
	int err = key ? p256_secret(key, secret) : -EIO;

	EVP_PKEY_free(key);
	return err;
}

static int write_cert(EVP_PKEY *key, char out[AGENT_PEM_MAX])
{
	const struct libdstack_ratls_request request = {
		.key = key, .issuer_key = key, .subject = SUBJECT,
		.ca = true, .ca_level = 1, .not_before = NOT_BEFORE,
		.not_after = time(NULL) + VALID_S,
	};
	X509 *cert = libdstack_ratls_make(&request);
	BIO *text = BIO_new(BIO_s_mem());
	int len = 0;

	if (cert && text && PEM_write_bio_X509(text, cert) == 1 &&
	    BIO_pending(text) < AGENT_PEM_MAX)
		len = BIO_read(text, out, AGENT_PEM_MAX - 1);
	if (len > 0)
		out[len] = '\0';
	BIO_free(text);
	X509_free(cert);
	return len > 0 ? 0 : -EIO;
}

static int make_authority(const uint8_t seed[DSTACK_KEY_SIZE],
			  struct agent_app_keys *keys)
{
	EVP_PKEY *key = derive_pair(seed, "app-key");
	char *text = key ? p256_pem(key) : NULL;
	int err = text ? write_cert(key, keys->ca_cert) : -EIO;

	if (text) {
		snprintf(keys->ca_key, sizeof(keys->ca_key), "%s", text);
		explicit_bzero(text, strlen(text));
	}
	free(text);
	EVP_PKEY_free(key);
	return err;
}

int seed_keys(const uint8_t seed[DSTACK_KEY_SIZE], struct agent_app_keys *keys)
{
	int err = make_authority(seed, keys) ?:
		make_disk_key(seed, keys->disk_key) ?:
		derive(seed, "app-k256-key", keys->k256_key) ?:
		agent_key_public(AGENT_SECP256K1, keys->k256_key,
				 &keys->k256_public);

	return err ? boot_fail(err, "can't make keys of a seed") : 0;
}
