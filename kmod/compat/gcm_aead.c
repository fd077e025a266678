// SPDX-License-Identifier: GPL-2.0-only
/*
 * gcm.h by the crypto API, for kernels whose library has no AES-GCM
 *
 * Copyright The dstack for Linux authors
 *
 * Drop when minimum >= 7.3.
 */
#include <crypto/aead.h>
#include <crypto/gcm.h>
#include <linux/crypto.h>
#include <linux/err.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "../gcm.h"

#define PAGES (DIV_ROUND_UP(DSTACK_KEY_DATA_MAX + DSTACK_GCM_TAG_SIZE, \
			    PAGE_SIZE) + 2)

/* One message: associated data first, then what is encrypted, in place. */
struct job {
	struct crypto_wait wait;
	u8 nonce[GCM_AES_IV_SIZE];
	struct aead_request *req;
	void *ad;
	struct scatterlist sg[PAGES];
};

static void map(struct job *job, size_t ad_len, void *data, size_t len)
{
	size_t page, nr = 1;

	sg_init_table(job->sg, PAGES);
	sg_set_buf(&job->sg[0], job->ad, ad_len);
	while (len) {
		page = min_t(size_t, len, PAGE_SIZE - offset_in_page(data));
		if (is_vmalloc_addr(data))
			sg_set_page(&job->sg[nr], vmalloc_to_page(data), page,
				    offset_in_page(data));
		else
			sg_set_buf(&job->sg[nr], data, page);
		data += page;
		len -= page;
		nr++;
	}
	sg_mark_end(&job->sg[nr - 1]);
}

static int run(struct crypto_aead *tfm, const struct dstack_bytes *ad,
	       void *data, size_t len, bool seal)
{
	struct job *job = kvzalloc(sizeof(*job), GFP_KERNEL);
	int err = -ENOMEM;

	if (!job)
		return err;
	job->ad = kmemdup(ad->data, ad->len, GFP_KERNEL);
	job->req = aead_request_alloc(tfm, GFP_KERNEL);
	if (job->ad && job->req) {
		crypto_init_wait(&job->wait);
		aead_request_set_callback(job->req,
					  CRYPTO_TFM_REQ_MAY_BACKLOG |
					  CRYPTO_TFM_REQ_MAY_SLEEP,
					  crypto_req_done, &job->wait);
		map(job, ad->len, data, len + DSTACK_GCM_TAG_SIZE);
		aead_request_set_ad(job->req, ad->len);
		aead_request_set_crypt(job->req, job->sg, job->sg,
				       seal ? len : len + DSTACK_GCM_TAG_SIZE,
				       job->nonce);
		err = crypto_wait_req(seal ? crypto_aead_encrypt(job->req) :
					     crypto_aead_decrypt(job->req),
				      &job->wait);
	}
	aead_request_free(job->req);
	kfree(job->ad);
	kvfree(job);
	return err;
}

static int with_key(const u8 *key, const struct dstack_bytes *ad, void *data,
		    size_t len, bool seal)
{
	struct crypto_aead *tfm = crypto_alloc_aead("gcm(aes)", 0, 0);
	int err;

	if (IS_ERR(tfm))
		return PTR_ERR(tfm) == -ENOENT ? -ENOPKG : PTR_ERR(tfm);
	err = crypto_aead_setkey(tfm, key, DSTACK_KEY_SIZE) ?:
	      crypto_aead_setauthsize(tfm, DSTACK_GCM_TAG_SIZE) ?:
	      run(tfm, ad, data, len, seal);
	crypto_free_aead(tfm);		/* which wipes the key */
	return err;
}

int dstack_gcm_seal(const u8 key[DSTACK_KEY_SIZE],
		    const struct dstack_bytes *ad, void *data, size_t len)
{
	return with_key(key, ad, data, len, true);
}

int dstack_gcm_open(const u8 key[DSTACK_KEY_SIZE],
		    const struct dstack_bytes *ad, void *data, size_t len)
{
	return with_key(key, ad, data, len, false);
}
