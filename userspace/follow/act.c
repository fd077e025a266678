// SPDX-License-Identifier: MIT
/*
 * What is done in the module
 *
 * Copyright The dstack for Linux authors
 *
 * Each of these can be ended anywhere and done again: what was done is seen in
 * the module, and nowhere else.
 */
#include "follow.h"

#include <errno.h>
#include <string.h>

#define STORED	".followed-policy.json"

static bool is_active(const struct follow *follow,
		      const struct follow_document *document)
{
	return document->text &&
		!memcmp(document->digest, follow->module.document,
			DSTACK_DIGEST_SIZE);
}

static bool is_ours(const struct follow *follow)
{
	return is_active(follow, &follow->active) ||
		is_active(follow, &follow->left);
}

/* Is this the active policy, or what is left of it?  Then it is kept. */
static int try_document(struct follow *follow,
			struct follow_document *document)
{
	struct follow_document left = { .text = NULL };
	int err = follow_document_withdraw(document, &left);

	if (!err && (is_active(follow, document) || is_active(follow, &left))) {
		follow_document_free(&follow->active);
		follow_document_free(&follow->left);
		follow->active = *document;
		follow->left = left;
		return 0;
	}
	follow_document_free(&left);
	follow_document_free(document);
	return err;
}

/* Those that it can be: of the last that was loaded here, and of its boot. */
static int find_active(struct follow *follow)
{
	struct follow_document document = { .text = NULL };
	char *text = NULL;
	size_t len;
	int err;

	err = app_file_read(follow->app, STORED, LIBDSTACK_POLICY_FILE_MAX,
			    &text, &len, follow_tell);
	if (!err)
		err = follow_document_take(text, &document) ?:
			try_document(follow, &document);
	else if (err == -ENOENT)
		err = 0;
	if (err || is_ours(follow) || !follow->compose->policy)
		return err;
	return follow_document_complete(follow->compose->policy,
					follow->app_id, &document) ?:
		try_document(follow, &document);
}

/* Somebody else loaded it. */
static void give_up(struct follow *follow)
{
	memcpy(follow->sought, follow->module.document, DSTACK_DIGEST_SIZE);
	follow_document_free(&follow->active);
	follow_document_free(&follow->left);
}

int act_look(struct follow *follow)
{
	struct libdstack_status status;
	int err = libdstack_status(follow->control, &status);

	if (err)
		return err;
	follow->module.epoch = status.policy_epoch;
	memcpy(follow->module.document, status.policy_document,
	       DSTACK_DIGEST_SIZE);
	if (status.policy_epoch && !is_ours(follow) &&
	    memcmp(follow->sought, follow->module.document,
		   DSTACK_DIGEST_SIZE)) {
		err = find_active(follow);
		if (!err && !is_ours(follow))
			give_up(follow);
	}
	follow->module.withdrawn = is_active(follow, &follow->left);
	return err ?: epochs_look(follow);
}

static int ensure(struct follow *follow, const struct follow_document *document)
{
	struct libdstack_policy *policy;
	uint8_t app_id[APP_ID_SIZE];
	int err = libdstack_policy_parse(document->text,
					 strlen(document->text), &policy);

	if (err)
		return err;
	err = libdstack_ensure_policy(follow->control, policy, app_id);
	libdstack_policy_free(policy);
	return err;
}

/* What is left of no policy, or of one that we do not know: no host either. */
static int leave_nothing(struct follow *follow)
{
	uint64_t epoch = follow->module.epoch ? follow->module.epoch : 1;
	struct libdstack_policy *policy;
	char *text = NULL;
	size_t len;
	int err = libdstack_policy_new(follow->app_id, epoch, &policy);

	if (err)
		return err;
	err = libdstack_policy_canonical(policy, &text, &len);
	libdstack_policy_free(policy);
	return err ? err : follow_document_take(text, &follow->left);
}

/* With its roots all that was made of them goes, in keyrings as well. */
static int wipe_keys(struct follow *follow)
{
	const struct follow_epochs *epochs = &follow->epochs;
	int err = epochs_look(follow);

	if (err || !(epochs->has_root || epochs->next_root ||
		     epochs->older_root || epochs->other_root))
		return err;
	return libdstack_wipe_roots(follow->control) ?: epochs_look(follow);
}

/* Keys go in any case: a policy that can't be taken away has none to give. */
int act_withdraw(struct follow *follow)
{
	int err = 0, keys;

	if (!follow->module.withdrawn) {
		err = follow->left.text ? 0 : leave_nothing(follow);
		err = err ?: ensure(follow, &follow->left);
		follow->withdrawals += !err;
	}
	keys = wipe_keys(follow);
	return err ? err : keys;
}

/*
 * It is stored before it is loaded, so that it is known at the next start.
 * Keys are there before it: once it is in force nobody misses them any more.
 */
int act_load(struct follow *follow, const struct kms_app_state *state)
{
	struct follow_document document;
	bool withdrawn = follow->module.withdrawn;
	int err = follow_document_find(follow->host, state, follow->app_id,
				       &document);

	if (err)
		return err;
	err = record_replace(follow->app, STORED, document.text);
	if (!err && withdrawn)
		err = epochs_restore(follow);
	err = err ?: ensure(follow, &document);
	follow_document_free(&document);
	if (!err)
		follow->loads++;
	return err ? err : act_look(follow);
}
