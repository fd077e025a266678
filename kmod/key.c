// SPDX-License-Identifier: GPL-2.0-only
/*
 * Keys of containers, in keyrings
 *
 * Copyright The dstack for Linux authors
 *
 * A key of type "dstack" holds no secret.  It says which key its owner was
 * granted, and the secret is derived each time that it is used: when the root
 * key is gone, so is all that came of it.  Whoever gets hold of such a key,
 * but is not of the container that it was granted to, has a name.
 *
 * Keys of the types "logon" and "fscrypt-provisioning" do hold the secret,
 * where the kernel finds it and nobody can read it.  All three are revoked when
 * the grant ends: the policy does not allow it any more, the container is gone
 * or has run what nobody approved, the key epoch is retired, the root keys are
 * wiped.
 */
#include <linux/cleanup.h>
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/key.h>
#include <linux/key-type.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <uapi/linux/fscrypt.h>
#include <uapi/linux/keyctl.h>

#include "event.h"
#include "identity.h"
#include "key.h"
#include "bounds.h"
#include "policy.h"
#include "root.h"

/**
 * struct dstack_grant - one key that was given away
 * @ref: held by the list, by a key of type "dstack", and by users
 * @node: of the list
 * @key: in the keyrings; a reference, until the grant leaves the list
 * @ask: what was asked for; holds a reference of the container
 */
struct dstack_grant {
	struct kref ref;
	struct list_head node;
	struct key *key;
	struct dstack_key_ask ask;
};

/* All grants, and their number.  Not taken to use one. */
static LIST_HEAD(grants);
static u32 count;
static DEFINE_MUTEX(lock);

static void release(struct kref *ref)
{
	struct dstack_grant *grant = container_of(ref, struct dstack_grant,
						  ref);

	dstack_identity_put(grant->ask.container);
	kfree(grant);
}

/**
 * dstack_key_put() - drop a reference
 * @grant: the grant; NULL or an error is none
 */
void dstack_key_put(struct dstack_grant *grant)
{
	if (!IS_ERR_OR_NULL(grant))
		kref_put(&grant->ref, release);
}

/*
 * Userspace can make add_key(2) bring bytes, or nothing: a pointer without a
 * length comes only of key_create() below.
 */
static int handle_instantiate(struct key *key,
			      struct key_preparsed_payload *prep)
{
	struct dstack_grant *grant = (struct dstack_grant *)prep->data;

	if (!grant || prep->datalen)
		return -EPERM;
	kref_get(&grant->ref);
	key->payload.data[0] = grant;
	return 0;
}

static void handle_destroy(struct key *key)
{
	struct dstack_grant *grant = key->payload.data[0];

	if (grant)
		dstack_key_put(grant);
}

static void handle_describe(const struct key *key, struct seq_file *m)
{
	seq_puts(m, key->description);
}

/* No read, no update: there is nothing to be had. */
static struct key_type handle_type = {
	.name = "dstack",
	.instantiate = handle_instantiate,
	.destroy = handle_destroy,
	.describe = handle_describe,
};

static bool owned_by_app(const struct dstack_key_name *name)
{
	struct dstack_policy_facts facts;

	dstack_policy_facts(&facts);
	return !memcmp(facts.app_id, name->app_id, sizeof(facts.app_id));
}

static bool permitted(const struct dstack_key_ask *ask)
{
	const struct dstack_container *container = ask->container;
	const struct dstack_key_name *name = &ask->name;

	return dstack_policy_state() != DSTACK_STATE_OFF &&
	       !READ_ONCE(container->gone) &&
	       !READ_ONCE(container->strayed) && owned_by_app(name) &&
	       dstack_policy_key_allows(container->section, name->kind,
					name->scope, ask->delivery,
					name->path, name->path_len);
}

/* Asked before a key is given, and again whenever that may have changed. */
static int allowed(const struct dstack_key_ask *ask)
{
	if (!permitted(ask))
		return -EACCES;
	return dstack_root_has(ask->name.app_id, ask->epoch);
}

static bool delivery_ok(u32 delivery, u32 kind)
{
	switch (delivery) {
	case DSTACK_DELIVER_HANDLE:
		return kind & (DSTACK_KEY_HMAC | DSTACK_KEY_AEAD);
	case DSTACK_DELIVER_LOGON:
	case DSTACK_DELIVER_FSCRYPT:
		return kind == DSTACK_KEY_BYTES;
	case DSTACK_DELIVER_BYTES:
	case DSTACK_DELIVER_AGENT:
		return true;
	}
	return false;
}

/* The host has the application of the policy. */
static void whose(struct dstack_key_ask *ask)
{
	struct dstack_policy_facts facts;

	if (ask->container != dstack_identity_host()) {
		memcpy(ask->name.app_id, ask->container->app_id,
		       sizeof(ask->name.app_id));
		return;
	}
	dstack_policy_facts(&facts);
	memcpy(ask->name.app_id, facts.app_id, sizeof(ask->name.app_id));
}

/**
 * dstack_key_allow() - may this key be had
 * @ask: what is asked for; its owner and newest epoch are filled in
 *
 * Return: 0; -EINVAL if there is no such key, -ENODATA in scope CONTAINER if
 * the caller's has no image; -EACCES in state OFF, if the policy is not for
 * the caller's application or does not allow it, or if the container ran what
 * the policy did not approve; -ENOKEY without a root key, -EKEYREVOKED if its
 * key epoch is retired.
 */
int dstack_key_allow(struct dstack_key_ask *ask)
{
	struct dstack_key_name *name = &ask->name;

	if (!dstack_kdf_name_ok(name) || !delivery_ok(ask->delivery,
						      name->kind))
		return -EINVAL;
	whose(ask);
	if (name->scope == DSTACK_SCOPE_CONTAINER) {
		memcpy(name->image, ask->container->image,
		       sizeof(name->image));
		if (!memchr_inv(name->image, 0, sizeof(name->image)))
			return -ENODATA;
	}
	/* Who may not ask is not told what is there. */
	if (!permitted(ask))
		return -EACCES;
	if (ask->fixed)
		return dstack_root_has(name->app_id, ask->epoch);
	return dstack_root_newest(name->app_id, &ask->epoch);
}

/**
 * dstack_key_bytes() - the key itself
 * @ask: allowed
 * @out: the key; the caller wipes it
 *
 * Return: 0 or as dstack_root_derive().
 */
int dstack_key_bytes(const struct dstack_key_ask *ask,
		     u8 out[DSTACK_KEY_SIZE_MAX])
{
	return dstack_root_derive(&ask->name, ask->epoch, NULL, out);
}

/* A key that only we refer to is in no keyring any more. */
static bool unused(const struct dstack_grant *grant)
{
	return refcount_read(&grant->key->usage) == 1;
}

static void drop(struct dstack_grant *grant)
{
	lockdep_assert_held(&lock);
	list_del(&grant->node);
	count--;
	atomic_dec(&grant->ask.container->keys);
	key_put(grant->key);
	dstack_key_put(grant);
}

static void drop_unused(void)
{
	struct dstack_grant *grant, *next;

	list_for_each_entry_safe(grant, next, &grants, node)
		if (unused(grant))
			drop(grant);
}

static bool full(const struct dstack_container *container)
{
	return count >= DSTACK_GRANTS_MAX ||
	       atomic_read(&container->keys) >= DSTACK_GRANTS_EACH;
}

/* What may have ended while the key was being made ends it. */
static int enlist(struct dstack_grant *grant)
{
	struct dstack_container *container = grant->ask.container;
	int err;

	guard(mutex)(&lock);
	if (full(container))
		drop_unused();
	err = full(container) ? -EDQUOT : allowed(&grant->ask);
	if (err)
		return err;
	kref_get(&grant->ref);
	list_add_tail(&grant->node, &grants);
	count++;
	atomic_inc(&container->keys);
	return 0;
}

/* Its possessor may see, find and pass on the handle; nobody may change it. */
#define HANDLE_PERM (KEY_POS_VIEW | KEY_POS_SEARCH | KEY_POS_LINK)
#define SECRET_PERM (KEY_POS_VIEW | KEY_POS_SEARCH)

/* struct fscrypt_provisioning_key_payload with a key in it. */
struct provisioning {
	u32 type;
	u32 __reserved;
	u8 key[DSTACK_KEY_SIZE_MAX];
};

static_assert(offsetof(struct provisioning, key) ==
	      offsetof(struct fscrypt_provisioning_key_payload, raw));

static key_ref_t create(const struct dstack_grant *grant, key_ref_t keyring,
			const char *description)
{
	const struct dstack_key_ask *ask = &grant->ask;
	struct provisioning secret = {
		.type = FSCRYPT_KEY_SPEC_TYPE_IDENTIFIER
	};
	key_ref_t ref;
	int err;

	if (ask->delivery == DSTACK_DELIVER_HANDLE)
		return key_create(keyring, handle_type.name, description,
				  grant, 0, HANDLE_PERM, KEY_ALLOC_IN_QUOTA);
	err = dstack_key_bytes(ask, secret.key);
	if (err)
		ref = ERR_PTR(err);
	else if (ask->delivery == DSTACK_DELIVER_LOGON)
		ref = key_create(keyring, "logon", description, secret.key,
				 ask->name.key_len, SECRET_PERM,
				 KEY_ALLOC_IN_QUOTA);
	else
		ref = key_create(keyring, "fscrypt-provisioning", description,
				 &secret, offsetof(struct provisioning, key) +
				 ask->name.key_len, SECRET_PERM,
				 KEY_ALLOC_IN_QUOTA);
	memzero_explicit(&secret, sizeof(secret));
	return ref;
}

static struct dstack_grant *new_grant(const struct dstack_key_ask *ask)
{
	struct dstack_grant *grant = kzalloc_obj(*grant, GFP_KERNEL_ACCOUNT);

	if (!grant)
		return ERR_PTR(-ENOMEM);
	kref_init(&grant->ref);
	grant->ask = *ask;
	kref_get(&ask->container->ref);
	return grant;
}

/**
 * dstack_key_link() - give the key to a keyring of the caller
 * @ask: allowed; not for DSTACK_DELIVER_BYTES and DSTACK_DELIVER_AGENT
 * @keyring: KEY_SPEC_THREAD_KEYRING, _PROCESS_ or _SESSION_
 * @name: what it is called there after DSTACK_KEY_NAME_PREFIX
 * @serial: its number
 *
 * Return: 0; -EINVAL for another keyring or a malformed name; -EEXIST if the
 * keyring has a key of that name; -EDQUOT if the container, the user or all
 * have too many keys; -ENODEV if the kernel has no such type; -ENOMEM; as
 * dstack_key_allow() if what allowed it has ended; as dstack_root_derive().
 */
int dstack_key_link(const struct dstack_key_ask *ask, s32 keyring,
		    const char *name, s32 *serial)
{
	char description[sizeof(DSTACK_KEY_NAME_PREFIX) + DSTACK_KEY_NAME_SIZE];
	struct dstack_grant *grant __free(dstack_grant) = NULL;
	key_ref_t ring, ref;
	int err;

	if (keyring > KEY_SPEC_THREAD_KEYRING ||
	    keyring < KEY_SPEC_SESSION_KEYRING || !dstack_event_name_ok(name))
		return -EINVAL;
	snprintf(description, sizeof(description), DSTACK_KEY_NAME_PREFIX "%s",
		 name);
	grant = new_grant(ask);
	if (IS_ERR(grant))
		return PTR_ERR(grant);
	ring = lookup_user_key(keyring, KEY_LOOKUP_CREATE, KEY_NEED_WRITE);
	if (IS_ERR(ring))
		return PTR_ERR(ring);
	ref = create(grant, ring, description);
	if (IS_ERR(ref)) {
		key_ref_put(ring);
		return PTR_ERR(ref);
	}
	grant->key = key_ref_to_ptr(ref);
	*serial = grant->key->serial;
	err = enlist(grant);
	if (err) {
		key_revoke(grant->key);
		key_unlink(key_ref_to_ptr(ring), grant->key);
		key_put(grant->key);
	}
	key_ref_put(ring);
	return err;
}

/**
 * dstack_key_use() - look up a key of type "dstack" that the caller possesses
 * @serial: its number
 * @kind: the enum dstack_key_kind that is wanted
 * @caller: the caller's container; the host is one of its own
 *
 * Return: the grant, for dstack_key_put(); -EINVAL for no such number, a key
 * of another type or kind; -ENOKEY if there is no such key; -EACCES if the
 * caller does not possess it, or it is another container's; -EKEYREVOKED if
 * what allowed it has ended.
 */
struct dstack_grant *dstack_key_use(s32 serial, u32 kind,
				    struct dstack_container *caller)
{
	struct dstack_grant *grant;
	struct key *key;
	key_ref_t ref;
	int err = 0;

	if (serial <= 0)
		return ERR_PTR(-EINVAL);
	ref = lookup_user_key(serial, 0, KEY_NEED_SEARCH);
	if (IS_ERR(ref))
		return ERR_CAST(ref);
	key = key_ref_to_ptr(ref);
	if (key->type != &handle_type) {
		key_put(key);
		return ERR_PTR(-EINVAL);
	}
	/* Instantiated once, and then it stays: no lock is needed to read. */
	grant = key->payload.data[0];
	if (grant->ask.container != caller)
		err = -EACCES;
	else if (grant->ask.name.kind != kind)
		err = -EINVAL;
	else if (allowed(&grant->ask))
		err = -EKEYREVOKED;
	else
		kref_get(&grant->ref);
	key_put(key);
	return err ? ERR_PTR(err) : grant;
}

/**
 * dstack_key_name() - which key was granted
 * @grant: the grant
 *
 * Return: its name.
 */
const struct dstack_key_name *dstack_key_name(const struct dstack_grant *grant)
{
	return &grant->ask.name;
}

/**
 * dstack_key_epoch() - the key epoch that was granted
 * @grant: the grant
 *
 * Return: what is new is made with it.
 */
u64 dstack_key_epoch(const struct dstack_grant *grant)
{
	return grant->ask.epoch;
}

/**
 * dstack_key_secret() - derive what was granted
 * @grant: the grant
 * @epoch: the key epoch
 * @blob: salt of a sealed blob, or NULL
 * @out: the key; the caller wipes it
 *
 * Return: 0; -EKEYREVOKED if another key epoch was asked for; as
 * dstack_root_derive().
 */
int dstack_key_secret(const struct dstack_grant *grant, u64 epoch,
		      const u8 *blob, u8 out[DSTACK_KEY_SIZE_MAX])
{
	const struct dstack_key_ask *ask = &grant->ask;

	if (ask->fixed && ask->epoch != epoch)
		return -EKEYREVOKED;
	return dstack_root_derive(&ask->name, epoch, blob, out);
}

/**
 * dstack_key_review() - revoke the keys that are allowed no more
 *
 * Context: sleeps.
 */
void dstack_key_review(void)
{
	struct dstack_grant *grant, *next;

	guard(mutex)(&lock);
	list_for_each_entry_safe(grant, next, &grants, node) {
		if (unused(grant)) {
			drop(grant);
		} else if (allowed(&grant->ask)) {
			key_revoke(grant->key);
			drop(grant);
		}
	}
}

/**
 * dstack_key_count() - how many keys are in keyrings
 *
 * Return: the number, with some that may have been unlinked.
 */
u32 dstack_key_count(void)
{
	return READ_ONCE(count);
}

/**
 * dstack_key_init() - have a type of keys
 *
 * Return: 0 or -EEXIST.
 */
int __init dstack_key_init(void)
{
	int err = register_key_type(&handle_type);

	if (!err)
		dstack_root_on_loss(dstack_key_review);
	return err;
}

/**
 * dstack_key_exit() - revoke every key
 *
 * The state is OFF, in which none is allowed.
 */
void dstack_key_exit(void)
{
	dstack_key_review();
	dstack_root_on_loss(NULL);
	unregister_key_type(&handle_type);
}
