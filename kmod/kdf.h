/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What a key is derived from
 *
 * Copyright The dstack for Linux authors
 *
 * A root key belongs to an application and a key epoch.  Keys come of it by
 * HKDF-SHA256 (RFC 5869), which this room has in its two steps: one extract
 * for each of three salts when a root comes, one expand for each key.
 *
 * Upstream's first derivation ("v0") has salt "RATLS" and the path alone as
 * info; its second ("v1") salt "dstack-guest-v1" and as info, where LP(x) is
 * the length of x in four bytes, big-endian, then x:
 *
 *	LP("dstack-guest-v1-key") LP(algorithm) LP(path)
 *
 * Ours has salt "dstack-key-v1" and
 *
 *	LP("key") LP(scope) LP(kind) LP(app id) LP(image) LP(path)
 *	LP(purpose) LP(epoch, 8 bytes) LP(key length, 4 bytes) LP(blob)
 *
 * with numbers big-endian, the image empty in scope "app", and the last empty
 * but for the key of a sealed blob, which has a salt of its own.  So no two
 * contexts are the same bytes.
 */
#ifndef _DSTACK_KDF_H
#define _DSTACK_KDF_H

#include "pure.h"

/* Bytes of salt in a sealed blob: its key is used once. */
#define DSTACK_KDF_BLOB_SIZE	32

/**
 * enum dstack_kdf_salt - what is extracted of a root key
 * @DSTACK_KDF_V0: for upstream's first derivation
 * @DSTACK_KDF_V1: for its second
 * @DSTACK_KDF_OWN: for ours
 */
enum dstack_kdf_salt {
	DSTACK_KDF_V0,
	DSTACK_KDF_V1,
	DSTACK_KDF_OWN,
	__DSTACK_KDF_MAX
};

/**
 * struct dstack_key_name - which key; no secret
 * @kind: one enum dstack_key_kind
 * @scope: one enum dstack_key_scope
 * @v1: upstream's second derivation
 * @key_len: bytes of the key
 * @app_id: the application
 * @image: SHA-256 of the image manifest; zeros in scope APP
 * @path_len: bytes of @path
 * @purpose_len: bytes of @purpose
 * @path: the path
 * @purpose: what it is for
 */
struct dstack_key_name {
	u32 kind;
	u32 scope;
	bool v1;
	u32 key_len;
	u8 app_id[DSTACK_APP_ID_SIZE];
	u8 image[DSTACK_DIGEST_SIZE];
	u32 path_len;
	u32 purpose_len;
	u8 path[DSTACK_KEY_PATH_MAX];
	u8 purpose[DSTACK_KEY_PURPOSE_MAX];
};

bool dstack_kdf_name_ok(const struct dstack_key_name *name);
enum dstack_kdf_salt dstack_kdf_salt_of(const struct dstack_key_name *name);
const struct dstack_bytes *dstack_kdf_salt(enum dstack_kdf_salt salt);

int dstack_kdf_expand(const struct dstack_mac *prk,
		      const struct dstack_key_name *name, u64 epoch,
		      const u8 *blob, u8 out[DSTACK_KEY_SIZE_MAX]);
int dstack_kdf_id(const struct dstack_mac *prk, u8 out[DSTACK_KEY_ID_SIZE]);

#endif /* _DSTACK_KDF_H */
