// SPDX-License-Identifier: MIT
/*
 * The policy that the daemon was told to load
 *
 * Copyright The dstack for Linux authors
 */
#include "dstackd.h"

static int load(struct libdstack_control *control, const char *path,
		const struct libdstack_policy *policy, uint64_t active)
{
	unsigned long long epoch = libdstack_policy_epoch(policy);
	uint8_t app_id[DSTACK_APP_ID_SIZE];
	int err;

	/* The operator loaded it since; a restart must not stumble over it. */
	if (active > epoch) {
		msg_at(LOG_NOTICE,
		       "a policy of epoch %llu is active, newer than '%s': kept",
		       (unsigned long long)active, path);
		return 0;
	}
	err = libdstack_ensure_policy(control, policy, app_id);
	if (!err && active < epoch)
		msg_at(LOG_INFO, "policy '%s' of epoch %llu is active", path,
		       epoch);
	return err;
}

int policy_ensure(struct libdstack_control *control, const char *path)
{
	struct libdstack_policy *policy;
	struct libdstack_status status;
	int err;

	err = libdstack_status(control, &status);
	if (err)
		return err;
	err = libdstack_policy_read(path, &policy);
	if (!err) {
		err = load(control, path, policy, status.policy_epoch);
		libdstack_policy_free(policy);
	}
	if (err && status.policy_epoch)
		msg("policy '%s' is not loaded: that of epoch %llu stays active",
		    path, (unsigned long long)status.policy_epoch);
	return err;
}
