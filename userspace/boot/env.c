// SPDX-License-Identifier: MIT
/*
 * The encrypted environment, decrypted
 *
 * Copyright The dstack for Linux authors
 *
 * A public key of X25519, a nonce, and what AES-256-GCM makes of the text under
 * the shared secret.  Anybody can make one: it is secret, and not authentic.
 */
#include "boot.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define PUBLIC_SIZE	32
#define NONCE_SIZE	12
#define TAG_SIZE	16
#define OVERHEAD	(PUBLIC_SIZE + NONCE_SIZE + TAG_SIZE)

/* False, too, for a public key that makes the secret nobody's. */
static bool agree(const uint8_t key[DSTACK_KEY_SIZE], const uint8_t *public,
		  uint8_t secret[DSTACK_KEY_SIZE])
{
	EVP_PKEY *own = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, key,
						     DSTACK_KEY_SIZE);
	EVP_PKEY *peer = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL,
						     public, PUBLIC_SIZE);
	EVP_PKEY_CTX *ctx = own ? EVP_PKEY_CTX_new(own, NULL) : NULL;
	size_t len = DSTACK_KEY_SIZE;
	bool good = ctx && peer && EVP_PKEY_derive_init(ctx) > 0 &&
		EVP_PKEY_derive_set_peer(ctx, peer) > 0 &&
		EVP_PKEY_derive(ctx, secret, &len) > 0 &&
		len == DSTACK_KEY_SIZE;

	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(peer);
	EVP_PKEY_free(own);
	return good;
}

static bool open_sealed(const uint8_t secret[DSTACK_KEY_SIZE],
			const uint8_t *nonce, const uint8_t *text, int len,
			uint8_t *plain)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t tag[TAG_SIZE];
	int got = 0, rest = 0;
	bool good;

	memcpy(tag, text + len, TAG_SIZE);
	good = ctx &&
		EVP_DecryptInit_ex2(ctx, EVP_aes_256_gcm(), secret, nonce,
				    NULL) &&
		EVP_DecryptUpdate(ctx, plain, &got, text, len) && got == len &&
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE,
				    tag) > 0 &&
		EVP_DecryptFinal_ex(ctx, plain + got, &rest) > 0 && !rest;
	EVP_CIPHER_CTX_free(ctx);
	return good;
}

int env_decrypt(const uint8_t key[DSTACK_KEY_SIZE], const void *blob,
		size_t len, void *plain, size_t *plain_len)
{
	const uint8_t *data = blob;
	uint8_t secret[DSTACK_KEY_SIZE];
	bool good;

	if (len < OVERHEAD || len > APP_ENCRYPTED_ENV_MAX)
		return -EBADMSG;
	*plain_len = len - OVERHEAD;
	good = agree(key, data, secret) &&
		open_sealed(secret, data + PUBLIC_SIZE,
			    data + PUBLIC_SIZE + NONCE_SIZE, *plain_len, plain);
	explicit_bzero(secret, sizeof(secret));
	if (good)
		return 0;
	explicit_bzero(plain, *plain_len);
	return -EBADMSG;
}

static int decrypt(struct boot *boot, struct env_text *text)
{
	const struct boot_file *file = &boot->encrypted_env;
	size_t len;
	void *plain;
	int err = libdstack_secret_alloc(APP_ENCRYPTED_ENV_MAX + 1, &plain);

	if (err)
		return err;
	err = env_decrypt(boot->keys->env_key, file->data, file->len, plain,
			  &len);
	if (err)
		boot_fail(err, BOOT_ENCRYPTED_ENV ": can't be decrypted with the application's key: encrypt it to the public key that the KMS has for application and root of today");
	else
		err = env_read(plain, len, boot->compose->allowed_envs, text);
	libdstack_secret_free(plain, APP_ENCRYPTED_ENV_MAX + 1);
	return err;
}

static int write_both(struct boot *boot, const struct env_text *text)
{
	return directory_write(boot, BOOT_ENV, text->shell, text->shell_len) ?:
		directory_write(boot, BOOT_ENV_JSON, text->json,
				text->json_len);
}

int env_store(struct boot *boot)
{
	struct env_text text = { 0 };
	char empty[] = "{}";
	int err;

	if (boot->encrypted_env.data && boot->keys->has_env_key) {
		err = decrypt(boot, &text);
		if (err)
			return err;
		boot_say("%zu variables, and %zu that the application's allowed_envs do not name are left out",
			 text.count, text.skipped);
		err = write_both(boot, &text);
		env_text_free(&text);
		return err;
	}
	if (boot->encrypted_env.data)
		boot_say(BOOT_ENCRYPTED_ENV " is left alone: this key_provider has no key for it");
	text.json = empty;
	text.json_len = strlen(empty);
	return write_both(boot, &text);
}
