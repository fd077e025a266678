// SPDX-License-Identifier: GPL-2.0-only
/*
 * Root keys: they come in once, and never go out
 *
 * Copyright The dstack for Linux authors
 *
 * Of a root key only what HKDF extracts of it is kept, and only here.  Key
 * epochs are side by side; one that was retired does not come back until the
 * machine boots again.
 *
 * Derivation takes no lock: the list is read under RCU.
 */
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/rculist.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bounds.h"
#include "mac.h"
#include "root.h"

/**
 * struct floor - which key epochs of an application are retired
 * @node: of the list
 * @app_id: the application
 * @epoch: the first one that is not
 */
struct floor {
	struct list_head node;
	u8 app_id[DSTACK_APP_ID_SIZE];
	u64 epoch;
};

/* Written under lock, read under RCU.  Floors stay until the module goes. */
static LIST_HEAD(roots);
static LIST_HEAD(floors);
static DEFINE_MUTEX(lock);
static u32 count;

/* Who has keys made of roots; see dstack_root_on_loss(). */
static dstack_root_loss_fn on_loss;

static bool same_app(const u8 *a, const u8 *b)
{
	return !memcmp(a, b, DSTACK_APP_ID_SIZE);
}

/**
 * dstack_root_free() - forget a root key
 * @root: not in the list, seen by nobody
 */
void dstack_root_free(struct dstack_root *root)
{
	int i;

	for (i = 0; i < __DSTACK_KDF_MAX; i++)
		dstack_mac_free(root->prk[i]);
	kfree(root);
}

/* HKDF-Extract: the salt is the key, the root the message. */
static struct dstack_mac *extract(enum dstack_kdf_salt salt, const u8 *key)
{
	const struct dstack_bytes *text = dstack_kdf_salt(salt);
	const struct dstack_bytes ikm = { key, DSTACK_KEY_ROOT_SIZE };
	struct dstack_mac *mac __free(dstack_mac) =
		dstack_mac_alloc(text->data, text->len);
	struct dstack_mac *prk;
	u8 bytes[DSTACK_KEY_TAG_SIZE];
	int err;

	if (IS_ERR(mac))
		return mac;
	err = dstack_mac(mac, &ikm, 1, bytes);
	prk = err ? ERR_PTR(err) : dstack_mac_alloc(bytes, sizeof(bytes));
	memzero_explicit(bytes, sizeof(bytes));
	return prk;
}

/**
 * dstack_root_alloc() - a root key that is not in force yet
 * @app_id: the application
 * @epoch: the key epoch
 * @key: the root key; stays the caller's to wipe
 *
 * Return: for dstack_root_commit() or dstack_root_free(); or -errno.
 */
struct dstack_root *dstack_root_alloc(const u8 app_id[DSTACK_APP_ID_SIZE],
				      u64 epoch,
				      const u8 key[DSTACK_KEY_ROOT_SIZE])
{
	struct dstack_root *root = kzalloc_obj(*root, GFP_KERNEL);
	int i, err = 0;

	if (!root)
		return ERR_PTR(-ENOMEM);
	memcpy(root->app_id, app_id, sizeof(root->app_id));
	root->epoch = epoch;
	for (i = 0; i < __DSTACK_KDF_MAX && !err; i++) {
		root->prk[i] = extract(i, key);
		err = PTR_ERR_OR_ZERO(root->prk[i]);
	}
	if (!err)
		err = dstack_kdf_id(root->prk[DSTACK_KDF_OWN], root->id);
	if (err) {
		dstack_root_free(root);
		return ERR_PTR(err);
	}
	return root;
}

/* Under RCU, or the lock. */
static struct dstack_root *find(const u8 *app_id, u64 epoch)
{
	struct dstack_root *root;

	list_for_each_entry_rcu(root, &roots, node, lockdep_is_held(&lock))
		if (root->epoch == epoch && same_app(root->app_id, app_id))
			return root;
	return NULL;
}

static struct floor *find_floor(const u8 *app_id)
{
	struct floor *floor;

	list_for_each_entry_rcu(floor, &floors, node, lockdep_is_held(&lock))
		if (same_app(floor->app_id, app_id))
			return floor;
	return NULL;
}

static bool retired(const u8 *app_id, u64 epoch)
{
	struct floor *floor = find_floor(app_id);

	return floor && epoch < READ_ONCE(floor->epoch);
}

/* So that nothing is to be allocated when an epoch is retired. */
static int ensure_floor(const u8 *app_id)
{
	struct floor *floor;

	if (find_floor(app_id))
		return 0;
	floor = kzalloc_obj(*floor, GFP_KERNEL);
	if (!floor)
		return -ENOMEM;
	memcpy(floor->app_id, app_id, sizeof(floor->app_id));
	list_add_tail_rcu(&floor->node, &floors);
	return 0;
}

static u32 count_floors(void)
{
	struct floor *floor;
	u32 nr = 0;

	list_for_each_entry(floor, &floors, node)
		nr++;
	return nr;
}

/**
 * dstack_root_reserve() - everything of a load that can fail
 * @root: from dstack_root_alloc()
 *
 * Callers serialise changes.
 *
 * Return: 0, for dstack_root_commit(); -EEXIST if the application has this key
 * epoch, -ESTALE if it was retired, -ENOSPC past DSTACK_ROOTS_MAX, -ENOMEM.
 */
int dstack_root_reserve(const struct dstack_root *root)
{
	guard(mutex)(&lock);
	if (find(root->app_id, root->epoch))
		return -EEXIST;
	if (retired(root->app_id, root->epoch))
		return -ESTALE;
	if (count >= DSTACK_ROOTS_MAX || count_floors() >= DSTACK_ROOTS_MAX)
		return -ENOSPC;
	return ensure_floor(root->app_id);
}

/**
 * dstack_root_commit() - from now on keys come of it; cannot fail
 * @root: reserved; taken over
 */
void dstack_root_commit(struct dstack_root *root)
{
	guard(mutex)(&lock);
	list_add_tail_rcu(&root->node, &roots);
	count++;
}

/* Who derives right now still has them; nobody has when this returns. */
static void forget(bool (*goes)(const struct dstack_root *root,
				const void *arg), const void *arg)
{
	struct dstack_root *gone[DSTACK_ROOTS_MAX];
	struct dstack_root *root, *next;
	u32 nr = 0;

	lockdep_assert_held(&lock);
	list_for_each_entry_safe(root, next, &roots, node)
		if (goes(root, arg)) {
			list_del_rcu(&root->node);
			gone[nr++] = root;
		}
	if (!nr)
		return;
	count -= nr;
	synchronize_rcu();
	while (nr)
		dstack_root_free(gone[--nr]);
}

struct span {
	const u8 *app_id;
	u64 epoch;
};

static bool in_span(const struct dstack_root *root, const void *arg)
{
	const struct span *span = arg;

	return same_app(root->app_id, span->app_id) &&
	       root->epoch <= span->epoch;
}

static bool any(const struct dstack_root *root, const void *arg)
{
	return true;
}

/**
 * dstack_root_may_retire() - is there anything to retire
 * @app_id: the application
 * @epoch: the last key epoch that is to go
 *
 * Return: 0; -ENOENT for an application that never had a root key, -EINVAL for
 * the highest number there is, -ESTALE if this was retired before.
 */
int dstack_root_may_retire(const u8 app_id[DSTACK_APP_ID_SIZE], u64 epoch)
{
	guard(mutex)(&lock);
	if (!find_floor(app_id))
		return -ENOENT;
	if (epoch == U64_MAX)
		return -EINVAL;
	return retired(app_id, epoch) ? -ESTALE : 0;
}

static void tell_loss(void)
{
	dstack_root_loss_fn fn = READ_ONCE(on_loss);

	if (fn)
		fn();
}

/**
 * dstack_root_retire() - forget a key epoch and all before it, for good
 * @app_id: the application
 * @epoch: the last one that goes
 *
 * Context: sleeps.
 */
void dstack_root_retire(const u8 app_id[DSTACK_APP_ID_SIZE], u64 epoch)
{
	const struct span span = { app_id, epoch };
	struct floor *floor;

	mutex_lock(&lock);
	floor = find_floor(app_id);
	if (floor)
		WRITE_ONCE(floor->epoch, max(floor->epoch, epoch + 1));
	forget(in_span, &span);
	mutex_unlock(&lock);
	tell_loss();
}

/**
 * dstack_root_wipe() - forget every root key
 *
 * Context: sleeps.
 */
void dstack_root_wipe(void)
{
	mutex_lock(&lock);
	forget(any, NULL);
	mutex_unlock(&lock);
	tell_loss();
}

/**
 * dstack_root_on_loss() - have a function called when root keys are gone
 * @fn: sleeps; NULL for none any more
 */
void dstack_root_on_loss(dstack_root_loss_fn fn)
{
	WRITE_ONCE(on_loss, fn);
}

/**
 * dstack_root_exit() - forget all
 */
void dstack_root_exit(void)
{
	struct floor *floor, *next;

	dstack_root_wipe();
	list_for_each_entry_safe(floor, next, &floors, node)
		kfree(floor);
}

/* What to say where there is none. */
static int absent(const u8 *app_id, u64 epoch)
{
	return retired(app_id, epoch) ? -EKEYREVOKED : -ENOKEY;
}

/**
 * dstack_root_newest() - the highest key epoch that an application has
 * @app_id: the application
 * @epoch: it
 *
 * Return: 0, or -ENOKEY if it has none.
 */
int dstack_root_newest(const u8 app_id[DSTACK_APP_ID_SIZE], u64 *epoch)
{
	const struct dstack_root *root;
	int err = -ENOKEY;

	guard(rcu)();
	list_for_each_entry_rcu(root, &roots, node) {
		if (!same_app(root->app_id, app_id) ||
		    (!err && root->epoch < *epoch))
			continue;
		*epoch = root->epoch;
		err = 0;
	}
	return err;
}

/**
 * dstack_root_has() - has an application this key epoch
 * @app_id: the application
 * @epoch: the key epoch
 *
 * Return: 0; -EKEYREVOKED if it was retired, -ENOKEY if it is not there.
 */
int dstack_root_has(const u8 app_id[DSTACK_APP_ID_SIZE], u64 epoch)
{
	guard(rcu)();
	return find(app_id, epoch) ? 0 : absent(app_id, epoch);
}

/**
 * dstack_root_derive() - a key of a root key
 * @name: which; dstack_kdf_name_ok()
 * @epoch: of which key epoch
 * @blob: salt of a sealed blob, or NULL
 * @out: the key; the caller wipes it
 *
 * Return: 0; as dstack_root_has(); as dstack_kdf_expand().
 */
int dstack_root_derive(const struct dstack_key_name *name, u64 epoch,
		       const u8 *blob, u8 out[DSTACK_KEY_SIZE_MAX])
{
	const struct dstack_root *root;

	guard(rcu)();
	root = find(name->app_id, epoch);
	if (!root)
		return absent(name->app_id, epoch);
	return dstack_kdf_expand(root->prk[dstack_kdf_salt_of(name)], name,
				 epoch, blob, out);
}

/**
 * dstack_root_nth() - walk the root keys
 * @n: which, from 0
 * @facts: what may be told of it
 *
 * Return: false past the last.
 */
bool dstack_root_nth(u32 n, struct dstack_root_facts *facts)
{
	const struct dstack_root *root;

	guard(rcu)();
	list_for_each_entry_rcu(root, &roots, node) {
		if (n--)
			continue;
		memcpy(facts->app_id, root->app_id, sizeof(facts->app_id));
		facts->epoch = root->epoch;
		memcpy(facts->id, root->id, sizeof(facts->id));
		return true;
	}
	return false;
}
