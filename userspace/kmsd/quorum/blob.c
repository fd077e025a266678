// SPDX-License-Identifier: MIT
/*
 * A state under a data key, with the share that stays, as bytes
 *
 * Copyright The dstack for Linux authors
 *
 * offset bytes
 *      0     8  "DSTKQRUM"
 *      8     1  version, 1
 *      9    16  owner
 *     25   124  the share that stays, which says k and n
 *    149 32 * n SHA-256 of each share, from the first
 *            12  nonce
 *                the state, by AES-256-GCM with all before the nonce
 *            16  tag
 *
 * All of it is in what this machine seals.
 */
#include "room.h"

#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#include "../../keys/primitives.h"

#define VERSION		1
#define OWNER		9
#define SHARE		(OWNER + QUORUM_OWNER_SIZE)
#define HASHES		(SHARE + QUORUM_SHARE_SIZE)
#define NONCE_SIZE	12
#define TAG_SIZE	16
#define PROOF_TAG	"dstack-kms-quorum-proof-v1"

static const uint8_t magic[8] = { 'D', 'S', 'T', 'K', 'Q', 'R', 'U', 'M' };

_Static_assert(HASHES + SHARES_MAX * QUORUM_HASH_SIZE + NONCE_SIZE + TAG_SIZE <=
	       BLOB_OVERHEAD_MAX, "there is room for it");

static size_t head_size(const struct quorum_set *set)
{
	return HASHES + set->own.n * QUORUM_HASH_SIZE;
}

static void write_head(const struct quorum_set *set, uint8_t *out)
{
	memcpy(out, magic, sizeof(magic));
	out[8] = VERSION;
	memcpy(out + OWNER, set->owner, sizeof(set->owner));
	share_write(&set->own, out + SHARE);
	memcpy(out + HASHES, set->hashes, set->own.n * QUORUM_HASH_SIZE);
}

static bool encrypt(const struct quorum_set *set, const uint8_t *head,
		    const void *data, int len, uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	const uint8_t *nonce = out;
	int got = 0, rest = 0;
	bool good;

	out += NONCE_SIZE;
	good = ctx &&
		EVP_EncryptInit_ex2(ctx, EVP_aes_256_gcm(), set->key, nonce,
				    NULL) &&
		EVP_EncryptUpdate(ctx, NULL, &got, head, head_size(set)) &&
		EVP_EncryptUpdate(ctx, out, &got, data, len) && got == len &&
		EVP_EncryptFinal_ex(ctx, out + got, &rest) > 0 && !rest &&
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE,
				    out + len) > 0;
	EVP_CIPHER_CTX_free(ctx);
	return good;
}

static bool decrypt(const struct quorum_set *set, const uint8_t *head,
		    const uint8_t *in, int len, uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	const uint8_t *nonce = in;
	uint8_t tag[TAG_SIZE];
	int got = 0, rest = 0;
	bool good;

	in += NONCE_SIZE;
	memcpy(tag, in + len, TAG_SIZE);
	good = ctx &&
		EVP_DecryptInit_ex2(ctx, EVP_aes_256_gcm(), set->key, nonce,
				    NULL) &&
		EVP_DecryptUpdate(ctx, NULL, &got, head, head_size(set)) &&
		EVP_DecryptUpdate(ctx, out, &got, in, len) && got == len &&
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE,
				    tag) > 0 &&
		EVP_DecryptFinal_ex(ctx, out + got, &rest) > 0 && !rest;
	EVP_CIPHER_CTX_free(ctx);
	return good;
}

int blob_write(const struct quorum_set *set, const void *data, size_t data_len,
	       uint8_t *blob, size_t *len)
{
	size_t head = head_size(set);

	if (!set->has_key || data_len > INT_MAX)
		return -EINVAL;
	write_head(set, blob);
	if (RAND_bytes(blob + head, NONCE_SIZE) != 1 ||
	    !encrypt(set, blob, data, (int)data_len, blob + head))
		return -EIO;
	*len = head + NONCE_SIZE + data_len + TAG_SIZE;
	return 0;
}

int blob_read_set(const uint8_t *blob, size_t len, struct quorum_set *set)
{
	const char *why;

	if (len < HASHES || memcmp(blob, magic, sizeof(magic)) != 0 ||
	    blob[8] != VERSION ||
	    share_read(blob + SHARE, QUORUM_SHARE_SIZE, &set->own, &why) ||
	    len < head_size(set) + NONCE_SIZE + TAG_SIZE)
		return -EBADMSG;
	memcpy(set->owner, blob + OWNER, sizeof(set->owner));
	memcpy(set->hashes, blob + HASHES, set->own.n * QUORUM_HASH_SIZE);
	set->has_key = false;
	return 0;
}

int blob_read_data(const struct quorum_set *set, const uint8_t *blob,
		   size_t len, void *data, size_t *data_len)
{
	size_t around = head_size(set) + NONCE_SIZE + TAG_SIZE;

	if (!set->has_key || len < around || len - around > *data_len ||
	    len > INT_MAX)
		return -EBADMSG;
	if (!decrypt(set, blob, blob + head_size(set), (int)(len - around),
		     data)) {
		explicit_bzero(data, len - around);
		return -EBADMSG;
	}
	*data_len = len - around;
	return 0;
}

int share_hash(const struct share *share, uint8_t out[QUORUM_HASH_SIZE])
{
	uint8_t bytes[QUORUM_SHARE_SIZE];
	const struct part part = { bytes, sizeof(bytes) };
	int err;

	if (share->len != QUORUM_SHARE_LEN)
		return -EINVAL;
	share_write(share, bytes);
	err = hash_parts(HASH_SHA256, &part, 1, out);
	explicit_bzero(bytes, sizeof(bytes));
	return err;
}

int set_proof(const struct quorum_set *set, uint8_t out[QUORUM_HASH_SIZE])
{
	uint8_t bytes[QUORUM_SHARE_SIZE];
	const struct part parts[] = {
		{ PROOF_TAG, sizeof(PROOF_TAG) },
		{ set->owner, sizeof(set->owner) }, { bytes, sizeof(bytes) },
	};
	int err;

	share_write(&set->own, bytes);
	err = hash_parts(HASH_SHA256, parts, 3, out);
	explicit_bzero(bytes, sizeof(bytes));
	return err;
}
