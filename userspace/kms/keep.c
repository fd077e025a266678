// SPDX-License-Identifier: MIT
/*
 * Keys that a KMS gave, as they are kept
 *
 * Copyright The dstack for Linux authors
 */
#include "kms.h"

#include <errno.h>
#include <string.h>

static bool put_text(char *out, size_t room, const char *text)
{
	size_t len = strlen(text);

	if (len >= room)
		return false;
	memcpy(out, text, len + 1);
	return true;
}

static bool put_texts(const struct kms_app_keys *from,
		      struct agent_app_keys *keys)
{
	return put_text(keys->gateway_app_id, sizeof(keys->gateway_app_id),
			from->gateway_app_id) &&
		put_text(keys->ca_cert, sizeof(keys->ca_cert),
			 from->ca_cert) &&
		put_text(keys->kms_url, sizeof(keys->kms_url), from->url) &&
		put_text(keys->temp_ca_cert, sizeof(keys->temp_ca_cert),
			 from->tmp_ca_cert) &&
		put_text(keys->temp_ca_key, sizeof(keys->temp_ca_key),
			 from->tmp_ca_key);
}

int kms_app_keys_keep(const struct kms_app_keys *from,
		      struct agent_app_keys *keys)
{
	if (from->provider_id_len > sizeof(keys->provider_id) ||
	    !put_texts(from, keys))
		return -EMSGSIZE;
	keys->provider = AGENT_PROVIDER_KMS;
	keys->key_epoch = from->key_epoch;
	memcpy(keys->disk_key, from->disk_crypt_key, DSTACK_KEY_SIZE);
	memcpy(keys->env_key, from->env_crypt_key, DSTACK_KEY_SIZE);
	keys->has_env_key = true;
	memcpy(keys->k256_key, from->k256_key, DSTACK_KEY_SIZE);
	memcpy(keys->k256_signature, from->k256_signature,
	       from->k256_signature_len);
	keys->k256_signature_len = from->k256_signature_len;
	memcpy(keys->provider_id, from->provider_id, from->provider_id_len);
	keys->provider_id_len = from->provider_id_len;
	return agent_key_public(AGENT_SECP256K1, keys->k256_key,
				&keys->k256_public);
}
