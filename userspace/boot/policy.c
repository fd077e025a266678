// SPDX-License-Identifier: MIT
/*
 * The application's policy, and the state that it asks for
 *
 * Copyright The dstack for Linux authors
 *
 * A policy is part of what the compose hash is of, and the application's id
 * may come of that hash: so it can leave out the id, and is then of the
 * application that it is in.
 */
#include "boot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "words.h"

/* The document with the id in it, for free(); or NULL. */
static char *complete(const struct boot *boot)
{
	const char *text = boot->compose->policy;
	yyjson_doc *doc = yyjson_read(text, strlen(text), 0);
	yyjson_mut_doc *copy = doc ? yyjson_doc_mut_copy(doc, NULL) : NULL;
	yyjson_mut_val *root = yyjson_mut_doc_get_root(copy);
	char id[2 * APP_ID_SIZE + 1], *out = NULL;

	libdstack_to_hex(boot->app_id, APP_ID_SIZE, id);
	if (root && (yyjson_mut_obj_get(root, "app_id") ||
		     yyjson_mut_obj_add_str(copy, root, "app_id", id)))
		out = yyjson_mut_write(copy, 0, NULL);
	yyjson_mut_doc_free(copy);
	yyjson_doc_free(doc);
	return out;
}

static int check_app(const struct boot *boot,
		     const struct libdstack_policy *policy)
{
	char id[2 * APP_ID_SIZE + 1];

	if (!memcmp(libdstack_policy_app_id(policy), boot->app_id, APP_ID_SIZE))
		return 0;
	return boot_fail(-EKEYREJECTED, "dstack.policy.app_id: this application is %s: correct it, or leave it out",
			 libdstack_to_hex(boot->app_id, APP_ID_SIZE, id));
}

/* The contract put another one into force since an earlier start. */
static bool is_passed(const struct boot *boot,
		      const struct libdstack_policy *policy)
{
	struct libdstack_status status;

	if (libdstack_status(boot->control, &status) ||
	    status.policy_epoch <= libdstack_policy_epoch(policy) ||
	    memcmp(status.policy_app_id, boot->app_id, APP_ID_SIZE))
		return false;
	boot_say("that of epoch %llu is active, which is newer: kept",
		 (unsigned long long)status.policy_epoch);
	return true;
}

int policy_load(struct boot *boot)
{
	struct libdstack_policy *policy;
	uint8_t app_id[APP_ID_SIZE];
	char *text;
	int err;

	if (!boot->compose->policy) {
		boot_say("the application has none: nothing is denied by one");
		return 0;
	}
	text = complete(boot);
	if (!text)
		return -ENOMEM;
	err = libdstack_policy_parse(text, strlen(text), &policy);
	free(text);
	if (err)
		return boot_fail(err, BOOT_COMPOSE ": dstack.policy is not one");
	err = check_app(boot, policy);
	if (!err && !is_passed(boot, policy))
		err = libdstack_ensure_policy(boot->control, policy, app_id);
	libdstack_policy_free(policy);
	return err;
}

/*
 * One after the other, as the module wants it; and never back: somebody may
 * have locked the machine since an earlier start.
 */
int policy_set_state(struct boot *boot)
{
	struct libdstack_status status;
	uint32_t state = boot->compose->state;
	int err;

	if (state == APP_STATE_UNSAID)
		return 0;
	err = libdstack_status(boot->control, &status);
	while (!err && status.state < state)
		err = libdstack_set_state(boot->control, ++status.state);
	if (!err)
		boot_say("state %s", dstack_state_name(status.state));
	return err;
}
