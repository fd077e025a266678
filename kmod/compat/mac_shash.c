// SPDX-License-Identifier: GPL-2.0-only
/*
 * mac.h by the crypto API, for kernels whose library has no HMAC
 *
 * Copyright The dstack for Linux authors
 *
 * Drop when minimum >= 6.17.
 */
#include <crypto/hash.h>
#include <linux/err.h>
#include <linux/slab.h>

#include "../mac.h"

struct dstack_mac {
	struct crypto_shash *tfm;
};

struct dstack_mac *dstack_mac_alloc(const void *key, size_t len)
{
	struct dstack_mac *mac = kmalloc_obj(*mac, GFP_KERNEL_ACCOUNT);
	int err;

	if (!mac)
		return ERR_PTR(-ENOMEM);
	mac->tfm = crypto_alloc_shash("hmac(sha256)", 0, 0);
	if (IS_ERR(mac->tfm)) {
		err = PTR_ERR(mac->tfm);
		kfree(mac);
		return ERR_PTR(err);
	}
	err = crypto_shash_setkey(mac->tfm, key, len);
	if (err) {
		dstack_mac_free(mac);
		return ERR_PTR(err);
	}
	return mac;
}

void dstack_mac_free(struct dstack_mac *mac)
{
	if (IS_ERR_OR_NULL(mac))
		return;
	crypto_free_shash(mac->tfm);	/* which wipes the key */
	kfree(mac);
}

int dstack_mac(const struct dstack_mac *mac, const struct dstack_bytes *parts,
	       size_t nr, u8 out[DSTACK_KEY_TAG_SIZE])
{
	SHASH_DESC_ON_STACK(desc, mac->tfm);
	size_t i;
	int err;

	desc->tfm = mac->tfm;
	err = crypto_shash_init(desc);
	for (i = 0; i < nr && !err; i++)
		err = crypto_shash_update(desc, parts[i].data, parts[i].len);
	if (!err)
		err = crypto_shash_final(desc, out);
	shash_desc_zero(desc);
	return err;
}
