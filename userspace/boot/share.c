// SPDX-License-Identifier: MIT
/*
 * The files that the host shares with this machine
 *
 * Copyright The dstack for Linux authors
 *
 * Each is read once, into memory: what was checked and measured is what is
 * used, whatever the host makes of it a moment later.
 */
#include "boot.h"

#include <errno.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

static int read_file(struct boot *boot, const char *name, size_t max,
		     struct boot_file *file)
{
	int err = app_file_read(boot->host, name, max, &file->data, &file->len,
				boot_tell);

	return err == -ENOENT ? 0 : err;
}

static int read_compose(struct boot *boot)
{
	struct boot_file file = { 0 };
	int err = read_file(boot, BOOT_COMPOSE, APP_COMPOSE_MAX, &file);

	if (!err && !file.data)
		err = boot_fail(-ENOENT, "there is no " BOOT_COMPOSE " in '%s': has the host shared one, and is it mounted there?",
				boot->opt->host);
	if (!err)
		err = app_compose_parse(file.data, file.len, &boot->compose,
					boot_tell);
	free(file.data);
	return err;
}

/* What the document has by its hash only is as good as if it stood there. */
static int read_policy(struct boot *boot)
{
	struct app_compose *compose = boot->compose;
	struct boot_file file = { 0 };
	uint8_t hash[APP_HASH_SIZE];
	int err;

	if (!compose->has_policy_hash)
		return 0;
	err = read_file(boot, BOOT_POLICY, LIBDSTACK_POLICY_FILE_MAX, &file);
	if (err)
		return err;
	if (!file.data)
		return boot_fail(-ENOENT, "there is no policy.json in '%s', and app-compose.json names its hash",
				 boot->opt->host);
	SHA256((const uint8_t *)file.data, file.len, hash);
	if (memcmp(hash, compose->policy_hash, sizeof(hash)) != 0 ||
	    strlen(file.data) != file.len) {
		free(file.data);
		return boot_fail(-EKEYREJECTED, "policy.json: not the one whose SHA-256 is in app-compose.json (dstack.policy.sha256)");
	}
	compose->policy = file.data;
	return 0;
}

/* A machine can do without what only KMSs and gateways need. */
static int read_config(struct boot *boot)
{
	struct boot_file *file = &boot->sys_config;
	int err = read_file(boot, BOOT_SYS_CONFIG, APP_SYS_CONFIG_MAX, file);

	if (err)
		return err;
	if (!file->data) {
		boot_say("the host gave no " BOOT_SYS_CONFIG ": there are no addresses");
		file->data = strdup("{}");
		file->len = 2;
	}
	if (!file->data)
		return -ENOMEM;
	return app_sys_config_parse(file->data, file->len, &boot->config,
				    boot_tell);
}

static int read_instance(const char *text, size_t len,
			 struct app_instance *instance)
{
	memset(instance, 0, sizeof(*instance));
	return text ? app_instance_parse(text, len, instance, boot_tell) : 0;
}

static bool same_app(const struct app_instance *a, const struct app_instance *b)
{
	return a->has_app_id == b->has_app_id &&
		!memcmp(a->app_id, b->app_id, APP_ID_SIZE);
}

/*
 * The seed of an earlier start is the one that was measured.  Without a key
 * provider every boot is another instance, whatever the host says.
 */
static int choose_seed(struct boot *boot)
{
	struct app_instance *instance = &boot->instance, before;
	size_t len;
	char *text;
	int err = directory_read(boot, BOOT_INSTANCE, APP_INSTANCE_MAX, &text,
				 &len);

	boot->instance_given = instance->has_seed;
	if (err && err != -ENOENT)
		return err;
	err = read_instance(text, len, &before);
	free(text);
	if (err)
		return err;
	if (before.has_seed && same_app(&before, instance)) {
		*instance = before;
		return 0;
	}
	if (instance->has_seed &&
	    boot->compose->key_provider != APP_PROVIDER_NONE)
		return 0;
	instance->has_seed = true;
	return RAND_bytes(instance->seed, APP_SEED_SIZE) == 1 ? 0 :
		boot_fail(-EIO, "no random numbers");
}

static int identify(struct boot *boot)
{
	struct boot_file file = { 0 };
	int err = read_file(boot, BOOT_INSTANCE, APP_INSTANCE_MAX, &file);

	err = err ?: read_instance(file.data, file.len, &boot->instance);
	free(file.data);
	err = err ?: choose_seed(boot);
	if (err)
		return err;
	app_id_of(boot->compose, &boot->instance, boot->app_id);
	if (boot->compose->no_instance_id)
		return 0;
	boot->instance_id_len = APP_ID_SIZE;
	return app_instance_id_of(&boot->instance, boot->app_id,
				  boot->instance_id) ? 0 : -ENOMEM;
}

int share_read(struct boot *boot)
{
	char hash[2 * APP_HASH_SIZE + 1], id[2 * APP_ID_SIZE + 1];
	int err;

	err = read_compose(boot) ?: read_policy(boot) ?: read_config(boot) ?:
		read_file(boot, BOOT_ENCRYPTED_ENV, APP_ENCRYPTED_ENV_MAX,
			  &boot->encrypted_env) ?:
		read_file(boot, BOOT_USER_CONFIG, APP_USER_CONFIG_MAX,
			  &boot->user_config) ?:
		identify(boot);
	if (err)
		return err;
	boot_say("application %s, compose hash %s",
		 libdstack_to_hex(boot->app_id, APP_ID_SIZE, id),
		 libdstack_to_hex(boot->compose->hash, APP_HASH_SIZE, hash));
	return 0;
}

int share_store_instance(struct boot *boot)
{
	char *text = app_instance_text(&boot->instance, boot->instance_id_len ?
				       boot->instance_id : NULL);
	int err;

	if (!text)
		return -ENOMEM;
	err = directory_write(boot, BOOT_INSTANCE, text, strlen(text));
	free(text);
	return err;
}

int share_store(struct boot *boot)
{
	int err = directory_write(boot, BOOT_COMPOSE, boot->compose->text,
				  boot->compose->len) ?:
		directory_write(boot, BOOT_SYS_CONFIG, boot->sys_config.data,
				boot->sys_config.len);

	if (!err && boot->user_config.data)
		err = directory_write(boot, BOOT_USER_CONFIG,
				      boot->user_config.data,
				      boot->user_config.len);
	return err;
}
