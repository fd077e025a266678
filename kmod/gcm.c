// SPDX-License-Identifier: GPL-2.0-only
/*
 * AES-256-GCM, one message a key, by the kernel's library
 *
 * Copyright The dstack for Linux authors
 *
 * A key that is used once needs no nonce that differs: it is zero.
 * Kernels before 7.3 have no such library: compat/gcm_aead.c.
 */
#include <crypto/aes-gcm.h>
#include <linux/errno.h>
#include <linux/string.h>

#include "gcm.h"

static const u8 nonce[GCM_AES_IV_SIZE];

/**
 * dstack_gcm_seal() - encrypt in place
 * @key: for this message alone
 * @ad: what the tag covers besides
 * @data: the message, and room for the tag behind it
 * @len: bytes of the message
 *
 * Return: 0 or -errno of the implementation.
 */
int dstack_gcm_seal(const u8 key[DSTACK_KEY_SIZE],
		    const struct dstack_bytes *ad, void *data, size_t len)
{
	struct aes_gcm_key prepared;
	int err;

	err = aes_gcm_preparekey(&prepared, key, DSTACK_KEY_SIZE,
				 DSTACK_GCM_TAG_SIZE);
	if (err)
		return err;
	aes_gcm_encrypt(data, data, len, (u8 *)data + len, ad->data, ad->len,
			nonce, &prepared);
	memzero_explicit(&prepared, sizeof(prepared));
	return 0;
}

/**
 * dstack_gcm_open() - decrypt in place
 * @key: of this message
 * @ad: what the tag covers besides
 * @data: the message and its tag
 * @len: bytes of the message
 *
 * Return: 0; -EBADMSG if the tag is not of this key, message and @ad: then
 * @data is worth nothing; or -errno of the implementation.
 */
int dstack_gcm_open(const u8 key[DSTACK_KEY_SIZE],
		    const struct dstack_bytes *ad, void *data, size_t len)
{
	struct aes_gcm_key prepared;
	int err;

	err = aes_gcm_preparekey(&prepared, key, DSTACK_KEY_SIZE,
				 DSTACK_GCM_TAG_SIZE);
	if (err)
		return err;
	err = aes_gcm_decrypt(data, data, len, (u8 *)data + len, ad->data,
			      ad->len, nonce, &prepared);
	memzero_explicit(&prepared, sizeof(prepared));
	return err;
}
