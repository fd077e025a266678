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

/* Which root was asked for, so that a later start knows it for the same. */
static int put_pinned(const struct boot *boot, struct agent_app_keys *keys,
		      const struct kms_app_keys *from)
{
	const struct app_compose *compose = boot->compose;

	if (!from->followed)
		return 0;
	if (compose->key_provider_id_len > sizeof(keys->pinned_id))
		return -EMSGSIZE;
	keys->pinned_id_len = compose->key_provider_id_len;
	memcpy(keys->pinned_id, compose->key_provider_id, keys->pinned_id_len);
	boot_say("the root of KMS '%s' succeeds the one that key_provider_id names",
		 from->url);
	return 0;
}

static int take(struct boot *boot, const struct kms_app_keys *from)
{
	int err = kms_app_keys_keep(from, boot->keys) ?:
		put_pinned(boot, boot->keys, from);

	if (err == -EMSGSIZE)
		return boot_fail(err, "a certificate or a name that KMS '%s' gave is too long",
				 from->url);
	if (err)
		return err;
	boot->has_os_image_hash = from->os_image_hash_len;
	memcpy(boot->os_image_hash, from->os_image_hash, APP_HASH_SIZE);
	boot_say("KMS '%s' gave the keys, which are of key epoch %llu",
		 from->url, (unsigned long long)from->key_epoch);
	return 0;
}

static int get(struct boot *boot, uint64_t epoch, struct kms_app_keys *from)
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
	return kms_get_app_keys(&kms, epoch, from);
}

int provider_ask_kms(struct boot *boot)
{
	void *from;
	int err;

	err = kms_init() ?: libdstack_secret_alloc(sizeof(struct kms_app_keys),
						   &from);
	if (err)
		return boot_fail(err, "no memory to ask a KMS with");
	err = get(boot, KMS_EPOCH_OLDEST, from);
	if (!err)
		err = take(boot, from);
	kms_app_keys_wipe(from);
	libdstack_secret_free(from, sizeof(struct kms_app_keys));
	return err;
}

/* What an earlier start found, or who follows the KMS. */
static int find_next(struct boot *boot, struct agent_app_keys **keys)
{
	struct agent_app_keys *all[AGENT_APP_KEYS_ALL];
	int err = agent_app_keys_read_all(boot->opt->dir, boot_tell, all);

	if (err)
		return err;
	*keys = all[1];
	all[1] = NULL;
	agent_app_keys_free_all(all);
	return *keys ? 0 : -ENODATA;
}

static int store_next(struct boot *boot, const struct kms_app_keys *from)
{
	struct agent_app_keys *keys;
	void *memory;
	size_t len;
	char *text;
	int err = libdstack_secret_alloc(sizeof(*keys), &memory);

	if (err)
		return err;
	keys = memory;
	agent_app_keys_succeed(keys, boot->keys);
	err = kms_app_keys_keep(from, keys) ?:
		agent_app_keys_write(keys, &text, &len);
	agent_app_keys_free(keys);
	if (err)
		return boot_fail(err, "keys of key epoch %llu can't be kept",
				 (unsigned long long)from->key_epoch);
	err = directory_write(boot, AGENT_APP_KEYS_NEXT, text, len);
	libdstack_secret_free(text, AGENT_APP_KEYS_FILE_MAX);
	return err;
}

/* Which live is said with the keys of one that does. */
static int get_next(struct boot *boot, struct kms_app_keys *from)
{
	uint64_t newest;
	int err = get(boot, KMS_EPOCH_OLDEST, from);

	if (err)
		return err;
	newest = from->nr_key_epochs ?
		from->key_epochs[from->nr_key_epochs - 1] : 0;
	kms_app_keys_wipe(from);
	if (newest <= boot->keys->key_epoch)
		return -ENODATA;
	return get(boot, newest, from) ?: store_next(boot, from);
}

int provider_next(struct boot *boot, struct agent_app_keys **keys)
{
	void *from;
	int err;

	if (boot->keys->provider != AGENT_PROVIDER_KMS)
		return -ENODATA;
	err = find_next(boot, keys);
	if (err != -ENODATA)
		return err;
	err = kms_init() ?: libdstack_secret_alloc(sizeof(struct kms_app_keys),
						   &from);
	if (err)
		return boot_fail(err, "no memory to ask a KMS with");
	err = get_next(boot, from);
	kms_app_keys_wipe(from);
	libdstack_secret_free(from, sizeof(struct kms_app_keys));
	return err ?: find_next(boot, keys);
}
