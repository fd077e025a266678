// SPDX-License-Identifier: GPL-2.0-only
/*
 * AES-256-GCM, one message a key, by the kernel's crypto API
 *
 * Copyright The dstack for Linux authors
 *
 * A key that is used once needs no nonce that differs: it is zero.
 *
 * By the API, and not by the AES-GCM library of 7.3: to unseal 4 KiB takes half
 * the instructions where aesni_intel is loaded, 51,000 of 100,000.
 */
#include <crypto/aead.h>
#include <crypto/gcm.h>
#include <linux/crypto.h>
#include <linux/err.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "gcm.h"

/*
 * Devices that encrypt are the host's, and all of their drivers answer later:
 * what is never asynchronous stays on this CPU.
 */
#define FORBIDDEN CRYPTO_ALG_ASYNC

/* One message: associated data first, then what is encrypted, in place. */
struct job {
	u8 nonce[GCM_AES_IV_SIZE];
	struct aead_request *req;
	void *ad;
	unsigned int nr;
	struct scatterlist sg[] __counted_by(nr);
};

static void map(struct job *job, size_t ad_len, void *data, size_t len)
{
	unsigned int i;
	size_t page;

	sg_init_table(job->sg, job->nr);
	sg_set_buf(&job->sg[0], job->ad, ad_len);
	for (i = 1; i < job->nr; i++) {
		/* Pages that are not neighbours, if it came from vmalloc. */
		page = min_t(size_t, len, PAGE_SIZE - offset_in_page(data));
		if (is_vmalloc_addr(data))
			sg_set_page(&job->sg[i], vmalloc_to_page(data), page,
				    offset_in_page(data));
		else
			sg_set_buf(&job->sg[i], data, page);
		data += page;
		len -= page;
	}
}

static int run(struct crypto_aead *tfm, const struct dstack_bytes *ad,
	       void *data, size_t len, bool seal)
{
	size_t whole = len + DSTACK_GCM_TAG_SIZE;
	unsigned int nr = 1 + DIV_ROUND_UP(offset_in_page(data) + whole,
					   PAGE_SIZE);
	struct job *job = kvzalloc(struct_size(job, sg, nr), GFP_KERNEL);
	int err = -ENOMEM;

	if (!job)
		return err;
	job->nr = nr;
	job->ad = kmemdup(ad->data, ad->len, GFP_KERNEL);
	job->req = aead_request_alloc(tfm, GFP_KERNEL);
	if (job->ad && job->req) {
		aead_request_set_callback(job->req, CRYPTO_TFM_REQ_MAY_SLEEP,
					  NULL, NULL);
		map(job, ad->len, data, whole);
		aead_request_set_ad(job->req, ad->len);
		aead_request_set_crypt(job->req, job->sg, job->sg,
				       seal ? len : whole, job->nonce);
		err = seal ? crypto_aead_encrypt(job->req) :
			     crypto_aead_decrypt(job->req);
	}
	aead_request_free(job->req);
	kfree(job->ad);
	kvfree(job);
	return err;
}

static int with_key(const u8 *key, const struct dstack_bytes *ad, void *data,
		    size_t len, bool seal)
{
	struct crypto_aead *tfm = crypto_alloc_aead("gcm(aes)", 0, FORBIDDEN);
	int err;

	if (IS_ERR(tfm))
		return PTR_ERR(tfm) == -ENOENT ? -ENOPKG : PTR_ERR(tfm);
	err = crypto_aead_setkey(tfm, key, DSTACK_KEY_SIZE) ?:
	      crypto_aead_setauthsize(tfm, DSTACK_GCM_TAG_SIZE) ?:
	      run(tfm, ad, data, len, seal);
	crypto_free_aead(tfm);		/* which wipes the key */
	return err;
}

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
	return with_key(key, ad, data, len, true);
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
	return with_key(key, ad, data, len, false);
}
