// SPDX-License-Identifier: MIT
/*
 * Keys from a KMS
 *
 * Copyright The dstack for Linux authors
 *
 * It is asked once in a boot: what it gave is stored, and measured after that.
 */
#include "provider.h"

#include <errno.h>
#include <string.h>

#include "../attest/attest.h"
#include "../kms/kms.h"

/* Seconds, of one KMS and of all: less than the step has. */
#define ONE_S	30
#define ALL_S	240

static int attest(void *arg, const uint8_t report_data[64], uint8_t **out,
		  size_t *len)
{
	const struct boot *boot = arg;

	return attest_make(boot->opt->log, report_data,
			   boot->config->vm_config, true, LIBDSTACK_FORM_SCALE,
			   out, len);
}

static bool put_text(char *out, size_t room, const char *text)
{
	size_t len = strlen(text);

	if (len >= room)
		return false;
	memcpy(out, text, len + 1);
	return true;
}

static bool put_texts(struct agent_app_keys *keys,
		      const struct kms_app_keys *from)
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

/* Which root was asked for, so that a later start knows it for the same. */
static bool put_pinned(const struct boot *boot, struct agent_app_keys *keys,
		       const struct kms_app_keys *from)
{
	const struct app_compose *compose = boot->compose;

	if (!from->followed)
		return true;
	if (compose->key_provider_id_len > sizeof(keys->pinned_id))
		return false;
	keys->pinned_id_len = compose->key_provider_id_len;
	memcpy(keys->pinned_id, compose->key_provider_id, keys->pinned_id_len);
	boot_say("the root of KMS '%s' succeeds the one that key_provider_id names",
		 from->url);
	return true;
}

static int take(struct boot *boot, const struct kms_app_keys *from)
{
	struct agent_app_keys *keys = boot->keys;

	if (from->provider_id_len > sizeof(keys->provider_id) ||
	    !put_texts(keys, from) || !put_pinned(boot, keys, from))
		return boot_fail(-EMSGSIZE, "a certificate or a name that KMS '%s' gave is too long",
				 from->url);
	memcpy(keys->disk_key, from->disk_crypt_key, DSTACK_KEY_SIZE);
	memcpy(keys->env_key, from->env_crypt_key, DSTACK_KEY_SIZE);
	keys->has_env_key = true;
	memcpy(keys->k256_key, from->k256_key, DSTACK_KEY_SIZE);
	memcpy(keys->k256_signature, from->k256_signature,
	       from->k256_signature_len);
	keys->k256_signature_len = from->k256_signature_len;
	memcpy(keys->provider_id, from->provider_id, from->provider_id_len);
	keys->provider_id_len = from->provider_id_len;
	boot->has_os_image_hash = from->os_image_hash_len;
	memcpy(boot->os_image_hash, from->os_image_hash, APP_HASH_SIZE);
	boot_say("KMS '%s' gave the keys", from->url);
	return agent_key_public(AGENT_SECP256K1, keys->k256_key,
				&keys->k256_public);
}

static int get(struct boot *boot, struct kms_app_keys *from)
{
	char *const *urls = boot->config->kms_urls;
	struct kms kms = {
		.urls = (const char *const *)urls,
		.vm_config = boot->config->vm_config,
		.provider_id = boot->compose->key_provider_id,
		.provider_id_len = boot->compose->key_provider_id_len,
		.attest = attest, .arg = boot, .tell = boot_tell,
		.timeout_s = ONE_S * boot->opt->time_scale,
		.total_s = ALL_S * boot->opt->time_scale,
	};

	while (urls && urls[kms.nr])
		kms.nr++;
	if (!kms.provider_id_len)
		boot_say(BOOT_COMPOSE " has no key_provider_id: any KMS that the host names will do");
	return kms_get_app_keys(&kms, from);
}

int provider_ask_kms(struct boot *boot)
{
	void *from;
	int err;

	err = kms_init() ?: libdstack_secret_alloc(sizeof(struct kms_app_keys),
						   &from);
	if (err)
		return boot_fail(err, "no memory to ask a KMS with");
	err = get(boot, from);
	if (!err)
		err = take(boot, from);
	kms_app_keys_wipe(from);
	libdstack_secret_free(from, sizeof(struct kms_app_keys));
	return err;
}
