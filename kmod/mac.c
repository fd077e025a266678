// SPDX-License-Identifier: GPL-2.0-only
/*
 * HMAC-SHA256, by the kernel's library
 *
 * Copyright The dstack for Linux authors
 *
 * Kernels before 6.17 have none in the library: compat/mac_shash.c.
 */
#include <crypto/sha2.h>
#include <linux/err.h>
#include <linux/slab.h>

#include "mac.h"

struct dstack_mac {
	struct hmac_sha256_key key;
};

/**
 * dstack_mac_alloc() - get a key ready
 * @key: the key
 * @len: bytes of it, any number
 *
 * Return: what dstack_mac() wants, for dstack_mac_free(); or -errno.
 */
struct dstack_mac *dstack_mac_alloc(const void *key, size_t len)
{
	struct dstack_mac *mac = kmalloc_obj(*mac, GFP_KERNEL_ACCOUNT);

	if (!mac)
		return ERR_PTR(-ENOMEM);
	hmac_sha256_preparekey(&mac->key, key, len);
	return mac;
}

/**
 * dstack_mac_free() - forget the key
 * @mac: from dstack_mac_alloc(), whatever that gave
 */
void dstack_mac_free(struct dstack_mac *mac)
{
	if (!IS_ERR(mac))
		kfree_sensitive(mac);
}

int dstack_mac(const struct dstack_mac *mac, const struct dstack_bytes *parts,
	       size_t nr, u8 out[DSTACK_KEY_TAG_SIZE])
{
	struct hmac_sha256_ctx ctx;
	size_t i;

	hmac_sha256_init(&ctx, &mac->key);
	for (i = 0; i < nr; i++)
		hmac_sha256_update(&ctx, parts[i].data, parts[i].len);
	hmac_sha256_final(&ctx, out);	/* which wipes ctx */
	return 0;
}
