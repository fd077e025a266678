// SPDX-License-Identifier: MIT
/*
 * What of the application is measured, each once
 *
 * Copyright The dstack for Linux authors
 *
 * The kernel's log is the state of the boot: an event that is there is not made
 * again, and one that is there with something else in it can't be undone.
 */
#include "events.h"

#include <errno.h>
#include <openssl/sha.h>
#include <string.h>

static int find(struct boot *boot, const char *name, const void *data,
		size_t len, bool any)
{
	struct boot_events events;
	int found = boot_events_read(boot, &events);

	if (found)
		return found;
	found = boot_events_find(&events, boot->measured, name, data, len, any);
	boot_events_free(&events);
	return found;
}

int measure(struct boot *boot, const char *name, const void *data, size_t len)
{
	int found = find(boot, name, data, len, false), err;

	if (found < 0)
		return found;
	if (!found) {
		err = libdstack_add_event(boot->control, name, len ? data : "",
					  len);
		if (err)
			return err;
	}
	boot->measured++;
	boot_say("%s: %s", name, found ? "was measured before" : "measured");
	return 0;
}

int measure_skip(struct boot *boot, const char *name)
{
	int found = find(boot, name, NULL, 0, true);

	if (found < 0)
		return found;
	if (!found)
		return boot_fail(-ENODATA, "the keys in '%s' are there, but '%s' was not measured: remove them, and start again",
				 boot->opt->dir, name);
	boot->measured++;
	return 0;
}

static int measure_hash(struct boot *boot, const char *name, const char *text)
{
	uint8_t hash[APP_HASH_SIZE];

	SHA256((const uint8_t *)text, strlen(text), hash);
	return measure(boot, name, hash, sizeof(hash));
}

static int measure_scripts(struct boot *boot)
{
	char **script;
	int err = 0;

	for (script = boot->compose->init_scripts; !err && *script; script++)
		err = measure_hash(boot, "init-script-hash", *script);
	return err;
}

int measure_application(struct boot *boot)
{
	return share_store_instance(boot) ?:
		measure(boot, "system-preparing", NULL, 0) ?:
		measure(boot, "app-id", boot->app_id, APP_ID_SIZE) ?:
		measure(boot, "compose-hash", boot->compose->hash,
			APP_HASH_SIZE) ?:
		measure_scripts(boot) ?:
		measure_hash(boot, "gpu-policy-hash",
			     boot->compose->requirements.gpu_policy) ?:
		measure(boot, "instance-id", boot->instance_id,
			boot->instance_id_len) ?:
		measure(boot, "boot-mr-done", NULL, 0);
}
