// SPDX-License-Identifier: MIT
/*
 * The seal: by the kernel module, under a key that it does not tell
 *
 * Copyright The dstack for Linux authors
 *
 * To keys the host is a container as any other, of the application that the
 * policy is for; it has no image.  So the key is the application's, of a path
 * that the policy gives to its section "host" and to no other.
 */
#include "seal.h"

#include <errno.h>
#include <libdstack.h>
#include <linux/keyctl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH	"dstack-kms/state"
#define NAME	"dstack-kms-state"

struct module {
	int fd;
	int32_t key;
};

static int seal(void *arg, const void *data, size_t len, void *blob,
		size_t *blob_len)
{
	const struct module *module = arg;

	*blob_len = len + DSTACK_SEAL_OVERHEAD;
	return libdstack_seal(module->fd, module->key, 0, data, len, blob);
}

static int unseal(void *arg, const void *blob, size_t blob_len, void *data,
		  size_t *len)
{
	const struct module *module = arg;
	enum dstack_seal_check check;

	return libdstack_unseal(module->fd, module->key, blob, blob_len, data,
				len, &check);
}

int state_seal_module_open(struct state_seal *out)
{
	struct libdstack_key key = {
		.kind = DSTACK_KEY_AEAD, .scope = DSTACK_SCOPE_APP,
		.delivery = DSTACK_DELIVER_HANDLE,
		.path = PATH, .path_len = strlen(PATH),
		.keyring = KEY_SPEC_PROCESS_KEYRING, .name = NAME,
	};
	struct module *module = malloc(sizeof(*module));
	int err;

	if (!module)
		return -ENOMEM;
	module->fd = libdstack_device_open();
	err = module->fd < 0 ? module->fd :
		libdstack_get_key(module->fd, &key, NULL, &module->key);
	if (err) {
		if (module->fd >= 0)
			close(module->fd);
		free(module);
		return err;
	}
	*out = (struct state_seal){
		.id = STATE_SEAL_MODULE, .overhead = DSTACK_SEAL_OVERHEAD,
		.seal = seal, .unseal = unseal, .arg = module,
	};
	return 0;
}

void state_seal_module_close(struct state_seal *out)
{
	struct module *module = out->arg;

	/* The handle goes with the process, and holds no secret. */
	if (module) {
		close(module->fd);
		free(module);
	}
	memset(out, 0, sizeof(*out));
}
