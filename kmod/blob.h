/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * A sealed blob: what is said in the clear, and who may open it
 *
 * Copyright The dstack for Linux authors
 *
 * A header, the data encrypted with AES-256-GCM, the tag.  The header is the
 * associated data, so nothing of it can be changed.  The key is derived for
 * this blob alone, from the salt in the header (kdf.h); the nonce is zero.
 */
#ifndef _DSTACK_BLOB_H
#define _DSTACK_BLOB_H

#include "kdf.h"

#define DSTACK_BLOB_MAGIC	"DSTKSEAL"
#define DSTACK_BLOB_VERSION	1
#define DSTACK_BLOB_F_POLICY	1U	/* of one policy only */
#define DSTACK_BLOB_TAG_SIZE	16

/**
 * struct dstack_blob - the header; numbers are little-endian
 * @magic: DSTACK_BLOB_MAGIC without NUL
 * @version: DSTACK_BLOB_VERSION
 * @flags: DSTACK_BLOB_F_*
 * @data_len: bytes of the data
 * @epoch: of the root key
 * @app_id: the application
 * @__reserved: 0
 * @image: SHA-256 of the image manifest; zeros in scope APP
 * @name: SHA-384 of the key's scope, path and purpose, cut short
 * @policy: SHA-256 of the policy's table; zeros but with DSTACK_BLOB_F_POLICY
 * @salt: random
 */
struct dstack_blob {
	u8 magic[8];
	__le16 version;
	__le16 flags;
	__le32 data_len;
	__le64 epoch;
	u8 app_id[DSTACK_APP_ID_SIZE];
	u8 __reserved[4];
	u8 image[DSTACK_DIGEST_SIZE];
	u8 name[DSTACK_DIGEST_SIZE];
	u8 policy[DSTACK_DIGEST_SIZE];
	u8 salt[DSTACK_KDF_BLOB_SIZE];
};

int dstack_blob_begin(struct dstack_blob *blob,
		      const struct dstack_key_name *name, u64 epoch,
		      size_t len);
int dstack_blob_check(const void *data, size_t len, size_t *data_len);
enum dstack_seal_check dstack_blob_belongs(const struct dstack_blob *blob,
					   const struct dstack_key_name *name,
					   const u8 *policy);

#endif /* _DSTACK_BLOB_H */
