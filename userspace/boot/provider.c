// SPDX-License-Identifier: MIT
/*
 * Who gives the application its keys
 *
 * Copyright The dstack for Linux authors
 */
#include "boot.h"

#include <errno.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "provider.h"

static const struct {
	enum agent_provider kind;
	const char *name;		/* in the event, as upstream has it */
} providers[] = {
	[APP_PROVIDER_NONE] = { AGENT_PROVIDER_NONE, "none" },
	[APP_PROVIDER_LOCAL] = { AGENT_PROVIDER_LOCAL, "local-sgx" },
	[APP_PROVIDER_KMS] = { AGENT_PROVIDER_KMS, "kms" },
	[APP_PROVIDER_TPM] = { AGENT_PROVIDER_TPM, "tpm" },
};

/* Keys of this boot: nobody else has them, and nobody ever again. */
static int make_random(struct boot *boot)
{
	void *seed;
	int err = libdstack_secret_alloc(DSTACK_KEY_SIZE, &seed);

	if (err)
		return err;
	err = RAND_priv_bytes(seed, DSTACK_KEY_SIZE) == 1 ?
		seed_keys(seed, boot->keys) : boot_fail(-EIO, "no random numbers");
	libdstack_secret_free(seed, DSTACK_KEY_SIZE);
	return err;
}

static int ask(struct boot *boot)
{
	switch (boot->compose->key_provider) {
	case APP_PROVIDER_NONE:
		return make_random(boot);
	case APP_PROVIDER_KMS:
		return provider_ask_kms(boot);
	case APP_PROVIDER_TPM:
		return provider_ask_tpm(boot);
	case APP_PROVIDER_LOCAL:
		return provider_ask_local(boot);
	}
	return -EINVAL;
}

/* What an earlier start stored is what it measured. */
static int find_keys(struct boot *boot)
{
	char *path;
	int err;

	if (asprintf(&path, "%s/" BOOT_KEYS, boot->opt->dir) < 0)
		return -ENOMEM;
	err = agent_app_keys_read(path, boot_tell, &boot->keys);
	free(path);
	if (err)
		return err;
	boot->keys_found = true;
	if (boot->keys->provider ==
	    providers[boot->compose->key_provider].kind)
		return 0;
	return boot_fail(-EBUSY, "the keys in '%s' are of another provider than the application wants: reboot to boot another one",
			 boot->opt->dir);
}

static bool has_keys(struct boot *boot)
{
	char *text;
	size_t len;
	int err = directory_read(boot, BOOT_KEYS, AGENT_APP_KEYS_FILE_MAX,
				 &text, &len);

	if (err)
		return err != -ENOENT;
	explicit_bzero(text, len);
	free(text);
	return true;
}

int provider_get_keys(struct boot *boot)
{
	void *keys;
	int err;

	if (has_keys(boot))
		return find_keys(boot);
	err = libdstack_secret_alloc(sizeof(*boot->keys), &keys);
	if (err)
		return err;
	boot->keys = keys;
	boot->keys->provider = providers[boot->compose->key_provider].kind;
	return ask(boot);
}

/*
 * What was measured is the root that gave the keys of the boot.  Those that an
 * earlier start left may be of a later epoch, to which the machine moved on.
 */
static bool has_moved_on(const struct boot *boot)
{
	return boot->keys_found && boot->keys->key_epoch;
}

static int check_id(const struct boot *boot)
{
	const struct app_compose *compose = boot->compose;

	if (!compose->key_provider_id_len ||
	    agent_app_keys_are_of(boot->keys, compose->key_provider_id,
				  compose->key_provider_id_len))
		return 0;
	return boot_fail(-EKEYREJECTED, "the keys are of another provider than the application's key_provider_id names: is what the host's .sys-config.json names the right one?");
}

static int check_config_id(struct boot *boot)
{
	const char *gpu = boot->compose->requirements.gpu_policy;
	uint8_t value[BOOT_CONFIG_ID_SIZE], gpu_hash[APP_HASH_SIZE];
	int err = config_id_read(boot, value);
	const struct config_id local = {
		.compose_hash = boot->compose->hash,
		.app_id = boot->app_id,
		.instance_id = boot->instance_id,
		.instance_id_len = boot->instance_id_len,
		.gpu_policy_hash = gpu_hash,
		.provider = boot->compose->key_provider,
		.provider_id = boot->keys->provider_id,
		.provider_id_len = boot->keys->provider_id_len,
		.pinned_id = boot->keys->pinned_id,
		.pinned_id_len = boot->keys->pinned_id_len,
		.init_scripts = boot->compose->init_scripts,
		.document = boot->config->mr_config,
	};

	SHA256((const uint8_t *)gpu, strlen(gpu), gpu_hash);
	return err ? err : config_id_check(value, &local);
}

static int measure_os_image(struct boot *boot)
{
	if (boot->keys->provider != AGENT_PROVIDER_KMS)
		return 0;
	return boot->keys_found ? measure_skip(boot, "os-image-hash") :
		measure(boot, "os-image-hash", boot->os_image_hash,
			boot->has_os_image_hash ? APP_HASH_SIZE : 0);
}

/* All of it or nothing; what is there already is what it would be. */
static int store_keys(struct boot *boot)
{
	char *text;
	size_t len;
	int err;

	if (boot->keys_found)
		return 0;
	err = agent_app_keys_write(boot->keys, &text, &len);
	if (err)
		return err;
	err = directory_write(boot, BOOT_KEYS, text, len);
	libdstack_secret_free(text, AGENT_APP_KEYS_FILE_MAX);
	boot->keys_found = !err;
	return err;
}

/* Who made a key of the register as it was would make another one then. */
static int store_first(struct boot *boot)
{
	return boot->keys->provider == AGENT_PROVIDER_LOCAL ?
		store_keys(boot) : 0;
}

int provider_measure(struct boot *boot)
{
	const struct agent_app_keys *keys = boot->keys;
	char id[2 * AGENT_PROVIDER_ID_MAX + 1], *text;
	int err = check_id(boot) ?: check_config_id(boot) ?:
		store_first(boot) ?: measure_os_image(boot), len;

	if (err)
		return err;
	if (has_moved_on(boot))
		return measure_skip(boot, "key-provider");
	libdstack_to_hex(keys->provider_id, keys->provider_id_len, id);
	len = asprintf(&text, "{\"name\":\"%s\",\"id\":\"%s\"}",
		       providers[boot->compose->key_provider].name, id);
	if (len < 0)
		return -ENOMEM;
	err = measure(boot, "key-provider", text, len);
	free(text);
	return err;
}

/* First for who comes after us, so that the module never has other keys. */
int provider_store(struct boot *boot)
{
	return store_keys(boot) ?:
		libdstack_ensure_root(boot->control, boot->app_id,
				      boot->keys->key_epoch,
				      boot->keys->k256_key,
				      agent_app_keys_flags(boot->keys)) ?:
		provider_follow(boot);
}

int provider_follow(struct boot *boot)
{
	return boot->compose->key_provider == APP_PROVIDER_TPM ?
		provider_follow_tpm(boot) : 0;
}
