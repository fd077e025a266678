// SPDX-License-Identifier: MIT
/*
 * Keys of applications, and the roots' word for them
 *
 * Copyright The dstack for Linux authors
 */
#include "room.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>

#define INSTANCE_ID_SIZE	20

/* What upstream calls a DH secret. */
static int derive_secret(const struct issue *issue, const struct part *context,
			 size_t nr, uint8_t out[DSTACK_KEY_SIZE])
{
	uint8_t scalar[DSTACK_KEY_SIZE];
	EVP_PKEY *key;
	int err = p256_derive(issue->roots->ca, context, nr, scalar);

	if (!err) {
		key = p256_key(scalar);
		err = key ? p256_secret(key, out) : -EIO;
		EVP_PKEY_free(key);
	}
	explicit_bzero(scalar, sizeof(scalar));
	return err;
}

static int derive_env(const struct issue *issue, const struct part *app,
		      uint8_t out[DSTACK_KEY_SIZE])
{
	const struct part context[] = { *app, issue_text("env-encrypt-key") };

	return derive_secret(issue, context, 2, out);
}

static int derive_disk(const struct issue *issue, const struct part *app,
		       const struct libdstack_id *instance_id,
		       uint8_t out[DSTACK_KEY_SIZE])
{
	const struct part context[] = {
		*app, { instance_id->data, instance_id->len },
		issue_text("app-disk-crypt-key"),
	};

	return derive_secret(issue, context, 3, out);
}

int issue_vouch(const uint8_t k256[DSTACK_KEY_SIZE], const struct part *parts,
		size_t nr, uint8_t link[AGENT_LINK_SIZE])
{
	uint8_t digest[HASH_SIZE];

	return hash_parts(HASH_KECCAK256, parts, nr, digest) ?:
		secp_sign_link(k256, digest, link);
}

/* The key, and the second link of its signatures' chains. */
static int make_k256(const struct issue *issue, const struct part *app,
		     struct issue_app_keys *keys)
{
	const struct part context[] = { *app, issue_text("app-key") };
	uint8_t public[AGENT_SECP256K1_SIZE];
	const struct part claim[] = {
		issue_text("dstack-kms-issued:"), *app,
		{ public, sizeof(public) },
	};
	int err = p256_derive(issue->roots->k256, context, 2, keys->k256) ?:
		secp_public(keys->k256, public);

	if (err)
		return err;
	return issue_vouch(issue->roots->k256, claim, 3, keys->k256_signature);
}

int issue_app_keys(const struct issue *issue,
		   const uint8_t app_id[DSTACK_APP_ID_SIZE],
		   const struct libdstack_id *instance_id,
		   struct issue_app_keys *keys)
{
	const struct part app = { app_id, DSTACK_APP_ID_SIZE };
	int err;

	if (instance_id->len && instance_id->len != INSTANCE_ID_SIZE)
		return -EINVAL;
	err = derive_disk(issue, &app, instance_id, keys->disk) ?:
		derive_env(issue, &app, keys->env) ?:
		make_k256(issue, &app, keys);
	if (err)
		issue_app_keys_wipe(keys);
	/* The callers' -EINVAL is for what they gave. */
	return err == -EINVAL ? -EIO : err;
}

void issue_app_keys_wipe(struct issue_app_keys *keys)
{
	explicit_bzero(keys, sizeof(*keys));
}

static int x25519_public(const uint8_t secret[DSTACK_KEY_SIZE],
			 uint8_t public[DSTACK_KEY_SIZE])
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL,
						     secret, DSTACK_KEY_SIZE);
	size_t len = DSTACK_KEY_SIZE;
	bool good;

	good = key && EVP_PKEY_get_raw_public_key(key, public, &len) == 1;
	EVP_PKEY_free(key);
	ERR_clear_error();
	return good ? 0 : -EIO;
}

int issue_env_key(const struct issue *issue,
		  const uint8_t app_id[DSTACK_APP_ID_SIZE],
		  uint64_t timestamp, struct issue_env_key *key)
{
	const struct part app = { app_id, DSTACK_APP_ID_SIZE };
	const uint8_t *k256 = issue->roots->k256;
	uint8_t secret[DSTACK_KEY_SIZE], time[ISSUE_BE64_SIZE];
	const struct part claim[] = {
		issue_text("dstack-env-encrypt-pubkey:"), app,
		{ key->public, sizeof(key->public) },
	};
	const struct part timed[] = {
		claim[0], app, { time, sizeof(time) }, claim[2],
	};
	int err;

	issue_put_be64(timestamp, time);
	err = derive_env(issue, &app, secret) ?:
		x25519_public(secret, key->public);
	explicit_bzero(secret, sizeof(secret));
	if (err)
		return err;
	err = issue_vouch(k256, claim, 3, key->signature);
	return err ? err : issue_vouch(k256, timed, 4, key->signature_v1);
}
