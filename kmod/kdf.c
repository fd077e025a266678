// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * What a key is derived from
 *
 * Copyright The dstack for Linux authors
 */
#include "kdf.h"

#define TEXT(s) { s, sizeof(s) - 1 }

static const struct dstack_bytes salts[] = {
	[DSTACK_KDF_V0] = TEXT("RATLS"),
	[DSTACK_KDF_V1] = TEXT("dstack-guest-v1"),
	[DSTACK_KDF_OWN] = TEXT("dstack-key-v1"),
};

/* In the derivation; upstream's names of what upstream has. */
static const struct dstack_bytes kinds[] = {
	TEXT("bytes"), TEXT("hmac"), TEXT("aead"),
	TEXT("ed25519"), TEXT("secp256k1"), TEXT("p256"),
};

static const struct dstack_bytes scopes[] = {
	TEXT("container"), TEXT("app"),
};

/* The orders of the two groups, big-endian. */
static const u8 secp256k1_order[DSTACK_KEY_SIZE] = {
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe,
	0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b,
	0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
};

static const u8 p256_order[DSTACK_KEY_SIZE] = {
	0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84,
	0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
};

static u32 bit_number(u32 bit)
{
	u32 i = 0;

	while (bit >>= 1)
		i++;
	return i;
}

static bool one_of(u32 bit, u32 all)
{
	return bit && !(bit & (bit - 1)) && !(bit & ~all);
}

static bool is_seed(u32 kind)
{
	return kind & (DSTACK_KEY_ED25519 | DSTACK_KEY_SECP256K1 |
		       DSTACK_KEY_P256);
}

/* What upstream derives too, and so has its value. */
static bool is_upstream(const struct dstack_key_name *name)
{
	return name->scope == DSTACK_SCOPE_APP &&
	       (is_seed(name->kind) || (name->kind == DSTACK_KEY_BYTES &&
					name->key_len == DSTACK_KEY_SIZE));
}

static bool length_ok(const struct dstack_key_name *name)
{
	if (name->kind == DSTACK_KEY_BYTES)
		return name->key_len >= DSTACK_KEY_SIZE_MIN &&
		       name->key_len <= DSTACK_KEY_SIZE_MAX;
	return name->key_len == DSTACK_KEY_SIZE;
}

/**
 * dstack_kdf_name_ok() - is there such a key
 * @name: which; app id and image are not looked at
 *
 * Return: true if kind, scope, lengths and derivation fit together.
 */
bool dstack_kdf_name_ok(const struct dstack_key_name *name)
{
	if (!one_of(name->kind, __DSTACK_KEY_KIND_ALL) ||
	    !one_of(name->scope, __DSTACK_SCOPE_ALL) || !length_ok(name) ||
	    name->path_len > sizeof(name->path) ||
	    name->purpose_len > sizeof(name->purpose))
		return false;
	/* Where a purpose would bind nothing there is none. */
	if (name->scope == DSTACK_SCOPE_APP && name->purpose_len)
		return false;
	return !name->v1 || (name->scope == DSTACK_SCOPE_APP &&
			     name->kind & (DSTACK_KEY_ED25519 |
					   DSTACK_KEY_SECP256K1));
}

/**
 * dstack_kdf_salt_of() - which derivation a key has
 * @name: the key; dstack_kdf_name_ok()
 *
 * Return: its salt.
 */
enum dstack_kdf_salt dstack_kdf_salt_of(const struct dstack_key_name *name)
{
	if (!is_upstream(name))
		return DSTACK_KDF_OWN;
	return name->v1 ? DSTACK_KDF_V1 : DSTACK_KDF_V0;
}

/**
 * dstack_kdf_salt() - the salt of an extract
 * @salt: which
 *
 * Return: its bytes.
 */
const struct dstack_bytes *dstack_kdf_salt(enum dstack_kdf_salt salt)
{
	return &salts[salt];
}

/* Most bytes of an info, which is ours with all lengths. */
#define INFO_MAX	512

struct info {
	size_t len;
	u8 data[INFO_MAX];
};

static void put(struct info *info, const void *data, size_t len)
{
	if (len)
		memcpy(info->data + info->len, data, len);
	info->len += len;
}

static void put_u32(struct info *info, u32 value)
{
	u8 be[] = { value >> 24, value >> 16, value >> 8, value };

	put(info, be, sizeof(be));
}

static void put_framed(struct info *info, const void *data, size_t len)
{
	put_u32(info, len);
	put(info, data, len);
}

static void put_word(struct info *info, const struct dstack_bytes *word)
{
	put_framed(info, word->data, word->len);
}

static void put_own(struct info *info, const struct dstack_key_name *name,
		    u64 epoch, const u8 *blob)
{
	bool image = name->scope == DSTACK_SCOPE_CONTAINER;

	static_assert(11 * sizeof(u32) + 3 + 9 + 9 + DSTACK_APP_ID_SIZE +
		      DSTACK_DIGEST_SIZE + DSTACK_KEY_PATH_MAX +
		      DSTACK_KEY_PURPOSE_MAX + sizeof(u64) + sizeof(u32) +
		      DSTACK_KDF_BLOB_SIZE <= INFO_MAX, "the longest fits");

	put_framed(info, "key", 3);
	put_word(info, &scopes[bit_number(name->scope)]);
	put_word(info, &kinds[bit_number(name->kind)]);
	put_framed(info, name->app_id, sizeof(name->app_id));
	put_framed(info, name->image, image ? sizeof(name->image) : 0);
	put_framed(info, name->path, name->path_len);
	put_framed(info, name->purpose, name->purpose_len);
	put_u32(info, sizeof(epoch));
	put_u32(info, epoch >> 32);
	put_u32(info, epoch);
	put_u32(info, sizeof(name->key_len));
	put_u32(info, name->key_len);
	put_framed(info, blob, blob ? DSTACK_KDF_BLOB_SIZE : 0);
}

static void put_info(struct info *info, const struct dstack_key_name *name,
		     u64 epoch, const u8 *blob)
{
	static const struct dstack_bytes label = TEXT("dstack-guest-v1-key");

	switch (dstack_kdf_salt_of(name)) {
	case DSTACK_KDF_V0:
		put(info, name->path, name->path_len);
		break;
	case DSTACK_KDF_V1:
		put_word(info, &label);
		put_word(info, &kinds[bit_number(name->kind)]);
		put_framed(info, name->path, name->path_len);
		break;
	default:
		put_own(info, name, epoch, blob);
	}
}

/* HKDF-Expand of RFC 5869 for at most two blocks. */
static int expand(const struct dstack_mac *prk, const struct info *info,
		  size_t len, u8 out[DSTACK_KEY_SIZE_MAX])
{
	static const u8 one = 1, two = 2;
	struct dstack_bytes parts[] = {
		{ out, DSTACK_KEY_TAG_SIZE },
		{ info->data, info->len },
		{ &one, 1 },
	};
	int err = dstack_mac(prk, parts + 1, 2, out);

	if (err || len <= DSTACK_KEY_TAG_SIZE)
		return err;
	parts[2].data = &two;
	return dstack_mac(prk, parts, 3, out + DSTACK_KEY_TAG_SIZE);
}

/* In the same time for each scalar. */
static bool scalar_ok(const u8 *scalar, const u8 *order)
{
	u32 some = 0, borrow = 0;
	size_t i = DSTACK_KEY_SIZE;

	while (i--) {
		some |= scalar[i];
		borrow = (scalar[i] - order[i] - borrow) >> 31;
	}
	return some && borrow;
}

/**
 * dstack_kdf_expand() - derive a key
 * @prk: of the root key, extracted with dstack_kdf_salt_of() @name
 * @name: which key; dstack_kdf_name_ok()
 * @epoch: of the root key
 * @blob: DSTACK_KDF_BLOB_SIZE bytes of a sealed blob, else NULL
 * @out: the key, @name->key_len bytes of it; the rest is not to be used
 *
 * Context: as dstack_mac().
 * Return: 0; -EKEYREJECTED if it is no scalar of its group, which nobody will
 * see; -errno of dstack_mac().
 */
int dstack_kdf_expand(const struct dstack_mac *prk,
		      const struct dstack_key_name *name, u64 epoch,
		      const u8 *blob, u8 out[DSTACK_KEY_SIZE_MAX])
{
	struct info info = {};
	int err;

	put_info(&info, name, epoch, blob);
	err = expand(prk, &info, name->key_len, out);
	if (err)
		return err;
	if ((name->kind == DSTACK_KEY_SECP256K1 &&
	     !scalar_ok(out, secp256k1_order)) ||
	    (name->kind == DSTACK_KEY_P256 && !scalar_ok(out, p256_order)))
		return -EKEYREJECTED;
	return 0;
}

/**
 * dstack_kdf_id() - what a root key can be called
 * @prk: of the root key, extracted with DSTACK_KDF_OWN
 * @out: the same for the same root key, and of no use to derive anything
 *
 * Return: 0 or -errno of dstack_mac().
 */
int dstack_kdf_id(const struct dstack_mac *prk, u8 out[DSTACK_KEY_ID_SIZE])
{
	struct info info = {};
	u8 full[DSTACK_KEY_SIZE_MAX];
	int err;

	put_framed(&info, "id", 2);
	err = expand(prk, &info, sizeof(full) / 2, full);
	if (!err)
		memcpy(out, full, DSTACK_KEY_ID_SIZE);
	return err;
}
