// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a key of type "dstack" does: blobs, and HMAC
 *
 * Copyright The dstack for Linux authors
 */
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/random.h>
#include <linux/string.h>

#include "blob.h"
#include "gcm.h"
#include "key.h"
#include "mac.h"
#include "policy.h"
#include "root.h"
#include "seal.h"

static_assert(DSTACK_BLOB_TAG_SIZE == DSTACK_GCM_TAG_SIZE);

static int bind_policy(struct dstack_blob *blob)
{
	struct dstack_policy_facts facts;

	dstack_policy_facts(&facts);
	if (!facts.epoch)
		return -ENODATA;
	blob->flags = cpu_to_le16(DSTACK_BLOB_F_POLICY);
	memcpy(blob->policy, facts.table_digest, sizeof(blob->policy));
	return 0;
}

static int begin(const struct dstack_grant *grant, bool policy,
		 struct dstack_blob *blob, size_t len)
{
	int err;

	err = dstack_blob_begin(blob, dstack_key_name(grant),
				dstack_key_epoch(grant), len);
	if (!err && policy)
		err = bind_policy(blob);
	get_random_bytes(blob->salt, sizeof(blob->salt));
	return err;
}

/**
 * dstack_seal() - make a blob in place
 * @grant: the key, of kind AEAD
 * @policy: it opens under the active policy only
 * @blob: DSTACK_SEAL_OVERHEAD bytes more than the data, which lies behind room
 *	for the header
 * @len: bytes of the data
 *
 * Return: 0; -ENODATA without a policy to bind to; as dstack_key_secret();
 * -ENOPKG if the kernel has no AES-GCM; -ENOMEM.
 */
int dstack_seal(const struct dstack_grant *grant, bool policy, void *blob,
		size_t len)
{
	const struct dstack_bytes ad = { blob, sizeof(struct dstack_blob) };
	struct dstack_blob *header = blob;
	u8 key[DSTACK_KEY_SIZE_MAX];
	int err;

	err = begin(grant, policy, header, len);
	if (err)
		return err;
	err = dstack_key_secret(grant, le64_to_cpu(header->epoch),
				header->salt, key);
	if (!err)
		err = dstack_gcm_seal(key, &ad, header + 1, len);
	memzero_explicit(key, sizeof(key));
	return err;
}

/* Of a blob that was sealed by its owner, what may be wrong still. */
static int open_blob(const struct dstack_grant *grant, struct dstack_blob *blob,
		     size_t len, u32 *check)
{
	const struct dstack_bytes ad = { blob, sizeof(*blob) };
	u8 key[DSTACK_KEY_SIZE_MAX];
	int err;

	*check = DSTACK_SEAL_EPOCH;
	err = dstack_key_secret(grant, le64_to_cpu(blob->epoch), blob->salt,
				key);
	if (!err) {
		err = dstack_gcm_open(key, &ad, blob + 1, len);
		*check = err == -EBADMSG ? DSTACK_SEAL_TAG : DSTACK_SEAL_OK;
	}
	memzero_explicit(key, sizeof(key));
	return err;
}

/**
 * dstack_unseal() - open a blob in place
 * @grant: the key, of kind AEAD
 * @blob: the blob; its data is then behind the header
 * @len: bytes of the blob
 * @data_len: bytes of its data
 * @check: enum dstack_seal_check, what failed
 *
 * Return: 0; -EBADMSG if it is no blob, or was changed; -EKEYREJECTED if it is
 * another's, or of another policy; -EKEYREVOKED if its key epoch is retired,
 * or the key is of another; -ENOKEY if that is not loaded; -ENOPKG if the
 * kernel has no AES-GCM; -ENOMEM.
 */
int dstack_unseal(const struct dstack_grant *grant, void *blob, size_t len,
		  size_t *data_len, u32 *check)
{
	struct dstack_policy_facts facts;

	*check = DSTACK_SEAL_FORMAT;
	if (dstack_blob_check(blob, len, data_len))
		return -EBADMSG;
	dstack_policy_facts(&facts);
	*check = dstack_blob_belongs(blob, dstack_key_name(grant),
				     facts.table_digest);
	if (*check != DSTACK_SEAL_OK)
		return -EKEYREJECTED;
	return open_blob(grant, blob, *data_len, check);
}

/**
 * dstack_seal_hmac() - HMAC-SHA256 under a key that nobody sees
 * @grant: the key, of kind HMAC
 * @data: the data
 * @len: bytes of it
 * @tag: the result
 *
 * Return: 0; as dstack_key_secret(); -ENOMEM.
 */
int dstack_seal_hmac(const struct dstack_grant *grant, const void *data,
		     size_t len, u8 tag[DSTACK_KEY_TAG_SIZE])
{
	const struct dstack_bytes part = { data, len };
	struct dstack_mac *mac = NULL;
	u8 key[DSTACK_KEY_SIZE_MAX];
	int err;

	err = dstack_key_secret(grant, dstack_key_epoch(grant), NULL, key);
	if (!err) {
		mac = dstack_mac_alloc(key, DSTACK_KEY_SIZE);
		err = PTR_ERR_OR_ZERO(mac);
	}
	memzero_explicit(key, sizeof(key));
	if (err)
		return err;
	err = dstack_mac(mac, &part, 1, tag);
	dstack_mac_free(mac);
	return err;
}
