// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * A sealed blob: what is said in the clear, and who may open it
 *
 * Copyright The dstack for Linux authors
 */
#include "blob.h"

#define OVERHEAD (sizeof(struct dstack_blob) + DSTACK_BLOB_TAG_SIZE)

static_assert(OVERHEAD == DSTACK_SEAL_OVERHEAD, "the ABI says so");

static void be32(u8 out[4], u32 value)
{
	out[0] = value >> 24;
	out[1] = value >> 16;
	out[2] = value >> 8;
	out[3] = value;
}

/* Each part after its length: no two names are the same bytes. */
static int digest_name(const struct dstack_key_name *name,
		       u8 out[DSTACK_DIGEST_SIZE])
{
	u8 full[DSTACK_REGISTER_SIZE], scope[4], path[4], purpose[4];
	const struct dstack_bytes parts[] = {
		{ scope, sizeof(scope) },
		{ path, sizeof(path) },
		{ name->path, name->path_len },
		{ purpose, sizeof(purpose) },
		{ name->purpose, name->purpose_len },
	};
	int err;

	be32(scope, name->scope);
	be32(path, name->path_len);
	be32(purpose, name->purpose_len);
	err = dstack_sha384(parts, ARRAY_SIZE(parts), full);
	if (!err)
		memcpy(out, full, DSTACK_DIGEST_SIZE);
	return err;
}

/**
 * dstack_blob_begin() - the header of a new blob
 * @blob: filled in, but for policy and salt
 * @name: of the key
 * @epoch: of the root key
 * @len: bytes of the data, at most DSTACK_KEY_DATA_MAX
 *
 * Return: 0 or -errno of the hash.
 */
int dstack_blob_begin(struct dstack_blob *blob,
		      const struct dstack_key_name *name, u64 epoch,
		      size_t len)
{
	memset(blob, 0, sizeof(*blob));
	memcpy(blob->magic, DSTACK_BLOB_MAGIC, sizeof(blob->magic));
	blob->version = cpu_to_le16(DSTACK_BLOB_VERSION);
	blob->data_len = cpu_to_le32(len);
	blob->epoch = cpu_to_le64(epoch);
	memcpy(blob->app_id, name->app_id, sizeof(blob->app_id));
	memcpy(blob->image, name->image, sizeof(blob->image));
	return digest_name(name, blob->name);
}

static bool zeros(const u8 *data, size_t len)
{
	while (len--)
		if (*data++)
			return false;
	return true;
}

/**
 * dstack_blob_check() - is it a blob at all
 * @data: what somebody says is one, aligned for struct dstack_blob
 * @len: bytes of it
 * @data_len: bytes of the data in it
 *
 * Return: 0, or -EBADMSG: no blob of this version, or not all of it.
 */
int dstack_blob_check(const void *data, size_t len, size_t *data_len)
{
	const struct dstack_blob *blob = data;
	u32 flags;

	if (len < OVERHEAD ||
	    memcmp(blob->magic, DSTACK_BLOB_MAGIC, sizeof(blob->magic)) ||
	    le16_to_cpu(blob->version) != DSTACK_BLOB_VERSION)
		return -EBADMSG;
	flags = le16_to_cpu(blob->flags);
	if (flags & ~DSTACK_BLOB_F_POLICY ||
	    le32_to_cpu(blob->data_len) > DSTACK_KEY_DATA_MAX ||
	    le32_to_cpu(blob->data_len) != len - OVERHEAD ||
	    !zeros(blob->__reserved, sizeof(blob->__reserved)))
		return -EBADMSG;
	if (!flags && !zeros(blob->policy, sizeof(blob->policy)))
		return -EBADMSG;
	*data_len = len - OVERHEAD;
	return 0;
}

/**
 * dstack_blob_belongs() - was a blob sealed by whoever wants to open it
 * @blob: dstack_blob_check()
 * @name: of the key that is to open it
 * @policy: SHA-256 of the active policy's table
 *
 * All of this is in the clear, and in the key too: it is checked for its own
 * sake only to say what is wrong.
 *
 * Return: DSTACK_SEAL_OK, _APP, _IMAGE, _NAME or _POLICY.
 */
enum dstack_seal_check dstack_blob_belongs(const struct dstack_blob *blob,
					   const struct dstack_key_name *name,
					   const u8 *policy)
{
	u8 digest[DSTACK_DIGEST_SIZE];

	if (memcmp(blob->app_id, name->app_id, sizeof(blob->app_id)))
		return DSTACK_SEAL_APP;
	if (memcmp(blob->image, name->image, sizeof(blob->image)))
		return DSTACK_SEAL_IMAGE;
	if (digest_name(name, digest) ||
	    memcmp(blob->name, digest, sizeof(blob->name)))
		return DSTACK_SEAL_NAME;
	if (le16_to_cpu(blob->flags) & DSTACK_BLOB_F_POLICY &&
	    memcmp(blob->policy, policy, sizeof(blob->policy)))
		return DSTACK_SEAL_POLICY;
	return DSTACK_SEAL_OK;
}
