// SPDX-License-Identifier: MIT
/*
 * Upstream's .appkeys.json, written
 *
 * Copyright The dstack for Linux authors
 *
 * All that is in it is hex digits, PEM and what its reader takes as text: of
 * escapes it needs those of line ends and quotes.
 */
#include "app_keys.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DIGITS_MAX	(2 * AGENT_PROVIDER_ID_MAX + 1)

struct writer {
	char *text;
	size_t len;
	bool full;
};

static void put(struct writer *to, const char *text, size_t len)
{
	if (to->full || to->len + len >= AGENT_APP_KEYS_FILE_MAX) {
		to->full = true;
		return;
	}
	memcpy(to->text + to->len, text, len);
	to->len += len;
}

static void put_string(struct writer *to, const char *text)
{
	const char *escape;

	put(to, "\"", 1);
	for (; *text; text++) {
		escape = *text == '\n' ? "\\n" : *text == '\r' ? "\\r" :
			*text == '"' ? "\\\"" : *text == '\\' ? "\\\\" : NULL;
		put(to, escape ? escape : text, escape ? 2 : 1);
	}
	put(to, "\"", 1);
}

/* A name, with what stands before it. */
static void put_name(struct writer *to, const char *name)
{
	put(to, name, strlen(name));
}

static void put_text(struct writer *to, const char *name, const char *text)
{
	put_name(to, name);
	put_string(to, text);
}

static void put_hex(struct writer *to, const char *name, const uint8_t *data,
		    size_t len)
{
	char digits[DIGITS_MAX];

	put_text(to, name, libdstack_to_hex(data, len, digits));
	explicit_bzero(digits, sizeof(digits));
}

/* Ours: upstream's readers see upstream's file as long as there is no other. */
static void put_epoch(struct writer *to, uint64_t epoch)
{
	char text[sizeof(",\"key_epoch\":") + 20];

	if (!epoch)
		return;
	snprintf(text, sizeof(text), ",\"key_epoch\":%" PRIu64, epoch);
	put_name(to, text);
}

static void put_provider(struct writer *to, const struct agent_app_keys *keys)
{
	static const char *const own[] = {
		[AGENT_PROVIDER_NONE] = ",\"key_provider\":{\"None\":{\"key\":",
		[AGENT_PROVIDER_LOCAL] =
			",\"key_provider\":{\"Local\":{\"key\":",
		[AGENT_PROVIDER_TPM] = ",\"key_provider\":{\"Tpm\":{\"key\":",
	};

	if (keys->provider == AGENT_PROVIDER_KMS) {
		put_text(to, ",\"key_provider\":{\"Kms\":{\"url\":",
			 keys->kms_url);
		put_hex(to, ",\"pubkey\":", keys->provider_id,
			keys->provider_id_len);
		if (keys->pinned_id_len)
			put_hex(to, ",\"pinned\":", keys->pinned_id,
				keys->pinned_id_len);
		put_text(to, ",\"tmp_ca_key\":", keys->temp_ca_key);
		put_text(to, ",\"tmp_ca_cert\":", keys->temp_ca_cert);
	} else {
		put_text(to, own[keys->provider], keys->ca_key);
	}
	if (keys->provider == AGENT_PROVIDER_LOCAL)
		put_hex(to, ",\"mr\":", keys->provider_id,
			keys->provider_id_len);
	if (keys->provider == AGENT_PROVIDER_TPM)
		put_hex(to, ",\"pubkey\":", keys->provider_id,
			keys->provider_id_len);
	put_name(to, "}}}\n");
}

int agent_app_keys_write(const struct agent_app_keys *keys, char **text,
			 size_t *len)
{
	struct writer to = { 0 };
	void *memory;
	int err = libdstack_secret_alloc(AGENT_APP_KEYS_FILE_MAX, &memory);

	if (err)
		return err;
	to.text = memory;
	put_hex(&to, "{\"disk_crypt_key\":", keys->disk_key, DSTACK_KEY_SIZE);
	put_hex(&to, ",\"env_crypt_key\":", keys->env_key,
		keys->has_env_key ? DSTACK_KEY_SIZE : 0);
	put_hex(&to, ",\"k256_key\":", keys->k256_key, DSTACK_KEY_SIZE);
	put_hex(&to, ",\"k256_signature\":", keys->k256_signature,
		keys->k256_signature_len);
	put_text(&to, ",\"gateway_app_id\":", keys->gateway_app_id);
	put_text(&to, ",\"ca_cert\":", keys->ca_cert);
	put_epoch(&to, keys->key_epoch);
	put_provider(&to, keys);
	if (to.full) {
		libdstack_secret_free(memory, AGENT_APP_KEYS_FILE_MAX);
		return -EFBIG;
	}
	*text = to.text;
	*len = to.len;
	return 0;
}
