// SPDX-License-Identifier: GPL-2.0-only
/*
 * The part of /dev/dstack that is about keys
 *
 * Copyright The dstack for Linux authors
 *
 * Callers are containers, the host one of its own.  What is copied from a
 * caller is copied once, before anything is done with it; secrets in it are
 * wiped before the memory is anybody else's.
 */
#include <crypto/utils.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "blob.h"
#include "device_key.h"
#include "draft.h"
#include "event.h"
#include "identity.h"
#include "key.h"
#include "measure.h"
#include "quota.h"
#include "seal.h"
#include "words.h"

/* A buffer with a secret in it. */
struct secret {
	void *data;
	size_t size;
};

static int secret_alloc(struct secret *secret, size_t size)
{
	secret->data = kvmalloc(size, GFP_KERNEL_ACCOUNT);
	secret->size = size;
	return secret->data ? 0 : -ENOMEM;
}

static void secret_free(struct secret *secret)
{
	kvfree_sensitive(secret->data, secret->size);
}

static int copy_name(struct dstack_key_name *name,
		     const struct dstack_get_key *get)
{
	name->kind = get->kind;
	name->scope = get->scope;
	name->v1 = get->flags & DSTACK_KEY_F_V1;
	name->key_len = get->key_len;
	name->path_len = get->path_len;
	name->purpose_len = get->purpose_len;
	if (!dstack_kdf_name_ok(name))
		return -EINVAL;
	if (copy_from_user(name->path, u64_to_user_ptr(get->path),
			   get->path_len) ||
	    copy_from_user(name->purpose, u64_to_user_ptr(get->purpose),
			   get->purpose_len))
		return -EFAULT;
	return 0;
}

/* Bytes that are out cannot be called back: the log says to whom they went. */
static int record(const struct dstack_key_ask *ask)
{
	struct dstack_draft *draft __free(dstack_draft) = dstack_draft_get();
	struct dstack_quota *quota = ask->container->quota;
	const struct dstack_key_name *name = &ask->name;
	struct dstack_event *ev;

	if (!draft)
		return -ENOMEM;
	if (!dstack_quota_take(quota, DSTACK_QUOTA_USER)) {
		dstack_measure_refused(quota, DSTACK_QUOTA_USER);
		return -EDQUOT;
	}
	ev = &draft->ev;
	dstack_event_begin(ev, DSTACK_EVENT_KEY);
	ev->quota = quota;
	dstack_event_str(ev, "id", ask->container->id);
	dstack_event_text(ev, "path", name->path, name->path_len);
	dstack_event_text(ev, "purpose", name->purpose, name->purpose_len);
	dstack_event_str(ev, "kind", dstack_key_kind_name(name->kind));
	dstack_event_str(ev, "scope", dstack_key_scope_name(name->scope));
	dstack_event_u64(ev, "epoch", ask->epoch);
	dstack_event_str(ev, "delivery",
			 dstack_key_delivery_name(ask->delivery));
	return dstack_measure(ev, NULL);
}

static int give_bytes(const struct dstack_key_ask *ask, u64 to)
{
	u8 key[DSTACK_KEY_SIZE_MAX];
	int err;

	err = dstack_key_bytes(ask, key);
	if (!err)
		err = record(ask);
	if (!err && copy_to_user(u64_to_user_ptr(to), key, ask->name.key_len))
		err = -EFAULT;
	memzero_explicit(key, sizeof(key));
	return err;
}

static bool as_bytes(const struct dstack_get_key *get)
{
	return get->delivery == DSTACK_DELIVER_BYTES ||
	       get->delivery == DSTACK_DELIVER_AGENT;
}

static int refuse_get_key(const struct dstack_get_key *get, bool agent)
{
	bool bytes = as_bytes(get);

	if (get->flags & ~__DSTACK_KEY_F_ALL)
		return -EOPNOTSUPP;
	if (get->delivery == DSTACK_DELIVER_AGENT && !agent)
		return -EPERM;
	if (get->epoch && !(get->flags & DSTACK_KEY_F_EPOCH))
		return -EINVAL;
	/* What would not be looked at is not there. */
	if (bytes ? get->keyring || get->name[0] : get->bytes)
		return -EINVAL;
	if (strnlen((const char *)get->name, sizeof(get->name)) ==
	    sizeof(get->name))
		return -EINVAL;
	return 0;
}

/**
 * dstack_device_get_key() - DSTACK_GET_KEY
 * @container: the caller's
 * @agent: it is asked by who acts for the container
 * @get: the call
 *
 * Return: 0; -EOPNOTSUPP for unknown flags; -EPERM for what only an agent gets;
 * -EINVAL for what does not fit together; -EFAULT; -EDQUOT, or as
 * dstack_measure(), if the event cannot be recorded; as dstack_key_allow(),
 * dstack_key_bytes() and dstack_key_link().
 */
int dstack_device_get_key(struct dstack_container *container, bool agent,
			  struct dstack_get_key *get)
{
	struct dstack_key_ask *ask __free(kfree) = NULL;
	int err;

	err = refuse_get_key(get, agent);
	if (err)
		return err;
	ask = kzalloc_obj(*ask, GFP_KERNEL_ACCOUNT);
	if (!ask)
		return -ENOMEM;
	ask->container = container;
	ask->delivery = get->delivery;
	ask->fixed = get->flags & DSTACK_KEY_F_EPOCH;
	ask->epoch = get->epoch;
	err = copy_name(&ask->name, get) ?: dstack_key_allow(ask);
	if (err)
		return err;
	if (as_bytes(get))
		err = give_bytes(ask, get->bytes);
	else
		err = dstack_key_link(ask, get->keyring,
				      (const char *)get->name,
				      &get->out_serial);
	get->epoch = ask->epoch;
	return err;
}

static int compute_hmac(const struct dstack_grant *grant,
			struct dstack_hmac *hmac, const void *data)
{
	u8 tag[DSTACK_KEY_TAG_SIZE];
	int err;

	err = dstack_seal_hmac(grant, data, hmac->data_len, tag);
	if (err)
		return err;
	if (!(hmac->flags & DSTACK_HMAC_F_VERIFY))
		memcpy(hmac->tag, tag, sizeof(hmac->tag));
	else if (crypto_memneq(hmac->tag, tag, sizeof(tag)))
		err = -EBADMSG;
	memzero_explicit(tag, sizeof(tag));
	return err;
}

/**
 * dstack_device_hmac() - DSTACK_HMAC
 * @container: the caller's
 * @hmac: the call
 *
 * Return: 0; -EOPNOTSUPP for unknown flags; -EINVAL for too much data; -EFAULT;
 * -EBADMSG if the tag is another; as dstack_key_use() and dstack_seal_hmac().
 */
int dstack_device_hmac(struct dstack_container *container,
		       struct dstack_hmac *hmac)
{
	struct dstack_grant *grant __free(dstack_grant) = NULL;
	struct secret data;
	int err;

	if (hmac->flags & ~__DSTACK_HMAC_F_ALL)
		return -EOPNOTSUPP;
	if (hmac->data_len > DSTACK_KEY_DATA_MAX)
		return -EINVAL;
	grant = dstack_key_use(hmac->key, DSTACK_KEY_HMAC, container);
	if (IS_ERR(grant))
		return PTR_ERR(grant);
	err = secret_alloc(&data, hmac->data_len);
	if (err)
		return err;
	if (copy_from_user(data.data, u64_to_user_ptr(hmac->data),
			   hmac->data_len))
		err = -EFAULT;
	else
		err = compute_hmac(grant, hmac, data.data);
	secret_free(&data);
	return err;
}

static int seal_copy(const struct dstack_grant *grant, struct dstack_seal *seal,
		     const struct secret *blob)
{
	int err;

	if (copy_from_user(blob->data + sizeof(struct dstack_blob),
			   u64_to_user_ptr(seal->data), seal->data_len))
		return -EFAULT;
	err = dstack_seal(grant, seal->flags & DSTACK_SEAL_F_POLICY,
			  blob->data, seal->data_len);
	if (err)
		return err;
	if (copy_to_user(u64_to_user_ptr(seal->blob), blob->data, blob->size))
		return -EFAULT;
	return 0;
}

/**
 * dstack_device_seal() - DSTACK_SEAL
 * @container: the caller's
 * @seal: the call
 *
 * Return: 0; -EOPNOTSUPP for unknown flags; -EINVAL for too much data; -ENOSPC
 * if the buffer is too small; -EFAULT; as dstack_key_use() and dstack_seal().
 */
int dstack_device_seal(struct dstack_container *container,
		       struct dstack_seal *seal)
{
	struct dstack_grant *grant __free(dstack_grant) = NULL;
	u32 cap = seal->blob_len;
	struct secret blob;
	int err;

	if (seal->flags & ~__DSTACK_SEAL_F_ALL || seal->__reserved)
		return -EOPNOTSUPP;
	if (seal->data_len > DSTACK_KEY_DATA_MAX)
		return -EINVAL;
	grant = dstack_key_use(seal->key, DSTACK_KEY_AEAD, container);
	if (IS_ERR(grant))
		return PTR_ERR(grant);
	seal->blob_len = seal->data_len + DSTACK_SEAL_OVERHEAD;
	if (cap < seal->blob_len)
		return -ENOSPC;
	err = secret_alloc(&blob, seal->blob_len);
	if (err)
		return err;
	err = seal_copy(grant, seal, &blob);
	secret_free(&blob);
	return err;
}

static int unseal_copy(const struct dstack_grant *grant,
		       struct dstack_unseal *unseal, const struct secret *blob)
{
	u32 cap = unseal->data_len;
	size_t len;
	int err;

	if (copy_from_user(blob->data, u64_to_user_ptr(unseal->blob),
			   blob->size))
		return -EFAULT;
	err = dstack_unseal(grant, blob->data, blob->size, &len,
			    &unseal->out_check);
	if (err)
		return err;
	unseal->data_len = len;
	if (cap < len)
		return -ENOSPC;
	if (copy_to_user(u64_to_user_ptr(unseal->data),
			 blob->data + sizeof(struct dstack_blob), len))
		return -EFAULT;
	return 0;
}

/**
 * dstack_device_unseal() - DSTACK_UNSEAL
 * @container: the caller's
 * @unseal: the call
 *
 * Return: 0; -EOPNOTSUPP for unknown flags; -EINVAL for what no blob is as
 * large as; -ENOSPC if the buffer is too small; -EFAULT; as dstack_key_use()
 * and dstack_unseal().
 */
int dstack_device_unseal(struct dstack_container *container,
			 struct dstack_unseal *unseal)
{
	struct dstack_grant *grant __free(dstack_grant) = NULL;
	struct secret blob;
	int err;

	unseal->out_check = DSTACK_SEAL_OK;
	if (unseal->flags)
		return -EOPNOTSUPP;
	if (unseal->blob_len > DSTACK_KEY_DATA_MAX + DSTACK_SEAL_OVERHEAD)
		return -EINVAL;
	grant = dstack_key_use(unseal->key, DSTACK_KEY_AEAD, container);
	if (IS_ERR(grant))
		return PTR_ERR(grant);
	err = secret_alloc(&blob, unseal->blob_len);
	if (err)
		return err;
	err = unseal_copy(grant, unseal, &blob);
	secret_free(&blob);
	return err;
}
