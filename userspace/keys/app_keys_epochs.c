// SPDX-License-Identifier: MIT
/*
 * An application's keys of the key epochs that live: two files
 *
 * Copyright The dstack for Linux authors
 */
#include "app_keys.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int read_file(const char *dir, const char *name,
		     libdstack_message_fn tell, struct agent_app_keys **keys)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >=
	    (int)sizeof(path)) {
		tell("the name of the application's directory is too long");
		return -ENAMETOOLONG;
	}
	/* That there is no next epoch is nothing to tell. */
	if (!strcmp(name, AGENT_APP_KEYS_NEXT) && access(path, F_OK) &&
	    errno == ENOENT)
		return 0;
	return agent_app_keys_read(path, tell, keys);
}

/* The next ones first: they become the others, and never the other way. */
int agent_app_keys_read_all(const char *dir, libdstack_message_fn tell,
			    struct agent_app_keys *keys[AGENT_APP_KEYS_ALL])
{
	int err;

	keys[0] = NULL;
	keys[1] = NULL;
	err = read_file(dir, AGENT_APP_KEYS_NEXT, tell, &keys[1]);
	/* They became the others before they were read. */
	if (err == -ENOENT)
		err = 0;
	err = err ?: read_file(dir, AGENT_APP_KEYS_FILE, tell, &keys[0]);
	if (!err && keys[1] && keys[1]->key_epoch <= keys[0]->key_epoch) {
		agent_app_keys_free(keys[1]);
		keys[1] = NULL;
	}
	if (err)
		agent_app_keys_free_all(keys);
	return err;
}

void agent_app_keys_succeed(struct agent_app_keys *keys,
			    const struct agent_app_keys *before)
{
	bool same = !before->pinned_id_len;

	keys->pinned_id_len = same ? before->provider_id_len :
		before->pinned_id_len;
	memcpy(keys->pinned_id, same ? before->provider_id : before->pinned_id,
	       keys->pinned_id_len);
}

void agent_app_keys_free_all(struct agent_app_keys *keys[AGENT_APP_KEYS_ALL])
{
	agent_app_keys_free(keys[0]);
	agent_app_keys_free(keys[1]);
	keys[0] = NULL;
	keys[1] = NULL;
}
