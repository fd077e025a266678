// SPDX-License-Identifier: GPL-2.0-only
/*
 * Root keys by the operator: each change is an event before it is in force
 *
 * Copyright The dstack for Linux authors
 */
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/mutex.h>

#include "custody.h"
#include "draft.h"
#include "event.h"
#include "measure.h"
#include "policy.h"
#include "root.h"

/* One change at a time.  Outside the measure lock. */
static DEFINE_MUTEX(lock);

/* Its last field, which says whose key that is, is the caller's. */
static void root_event(struct dstack_event *ev, const char *action,
		       const u8 *app_id, u64 epoch)
{
	dstack_event_begin(ev, DSTACK_EVENT_ROOT);
	dstack_event_str(ev, "action", action);
	dstack_event_hex(ev, "app", app_id, DSTACK_APP_ID_SIZE);
	dstack_event_u64(ev, "epoch", epoch);
}

struct loading {
	struct dstack_root *root;
	bool local;
	int err;
};

/* What wipes root keys does it under the measure lock, too. */
static bool no_load(void *arg)
{
	struct loading *what = arg;

	if (dstack_policy_state() == DSTACK_STATE_OFF)
		what->err = -EPERM;
	/* Evidence of this boot is worth nothing any more. */
	else if (dstack_measure_diverged())
		what->err = -ENOTRECOVERABLE;
	return what->err;
}

static void publish_load(void *arg)
{
	struct loading *what = arg;

	dstack_root_commit(what->root);
}

static void load_event(struct dstack_event *ev, const struct loading *what)
{
	const struct dstack_root *root = what->root;

	root_event(ev, "load", root->app_id, root->epoch);
	if (what->local)
		dstack_event_str(ev, "key", "local");
	else
		dstack_event_hex(ev, "key", root->id, DSTACK_KEY_ID_SIZE);
}

static int load(struct dstack_root *root, bool local)
{
	struct dstack_draft *draft __free(dstack_draft) = dstack_draft_get();
	struct loading what = { root, local };
	int err;

	if (!draft)
		return -ENOMEM;
	guard(mutex)(&lock);
	/* Before anything is reserved, which stays. */
	if (no_load(&what))
		return what.err;
	err = dstack_root_reserve(root);
	if (err)
		return err;
	load_event(&draft->ev, &what);
	err = dstack_measure_publish(&draft->ev, no_load, publish_load, &what,
				     NULL);
	return err ? err : what.err;
}

/**
 * dstack_custody_load() - let keys be derived from a root key
 * @app_id: the application
 * @epoch: the key epoch
 * @key: the root key; stays the caller's to wipe
 * @local: it is of this machine alone, and its event does not name it
 *
 * Return: 0; -EPERM in state OFF, in which nobody knows what runs;
 * -ENOTRECOVERABLE if the register diverged; as dstack_root_alloc(),
 * dstack_root_reserve() and dstack_measure().
 */
int dstack_custody_load(const u8 app_id[DSTACK_APP_ID_SIZE], u64 epoch,
			const u8 key[DSTACK_KEY_ROOT_SIZE], bool local)
{
	struct dstack_root *root = dstack_root_alloc(app_id, epoch, key);
	int err;

	if (IS_ERR(root))
		return PTR_ERR(root);
	err = load(root, local);
	if (err)
		dstack_root_free(root);
	return err;
}

struct retirement {
	const u8 *app_id;
	u64 epoch;
};

static void publish_retire(void *arg)
{
	const struct retirement *what = arg;

	dstack_root_retire(what->app_id, what->epoch);
}

/**
 * dstack_custody_retire() - forget key epochs for good
 * @app_id: the application
 * @epoch: the last one that goes; all before it go too
 *
 * Return: 0; as dstack_root_may_retire(); as dstack_measure().
 */
int dstack_custody_retire(const u8 app_id[DSTACK_APP_ID_SIZE], u64 epoch)
{
	struct dstack_draft *draft __free(dstack_draft) = dstack_draft_get();
	struct retirement what = { app_id, epoch };
	int err;

	if (!draft)
		return -ENOMEM;
	guard(mutex)(&lock);
	err = dstack_root_may_retire(app_id, epoch);
	if (err)
		return err;
	root_event(&draft->ev, "retire", app_id, epoch);
	dstack_event_str(&draft->ev, "key", "none");
	return dstack_measure_publish(&draft->ev, NULL, publish_retire, &what,
				      NULL);
}

/**
 * dstack_custody_wipe() - forget every root key until it is loaded again
 *
 * They are gone in any case, whether or not that can be recorded.
 *
 * Return: 0 or as dstack_measure().
 */
int dstack_custody_wipe(void)
{
	static const u8 all[DSTACK_APP_ID_SIZE];
	struct dstack_draft *draft __free(dstack_draft) = dstack_draft_get();

	guard(mutex)(&lock);
	dstack_root_wipe();
	if (!draft)
		return -ENOMEM;
	root_event(&draft->ev, "wipe", all, 0);
	dstack_event_str(&draft->ev, "key", "none");
	return dstack_measure(&draft->ev, NULL);
}
