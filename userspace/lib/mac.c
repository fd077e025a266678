// SPDX-License-Identifier: MIT
/*
 * HMAC-SHA256, which the rooms shared with the kernel derive keys with
 *
 * Copyright The dstack for Linux authors
 */
#include "mac.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>
#include <stdlib.h>

struct dstack_mac {
	EVP_MAC_CTX *ctx;	/* which has the key, and forgets it */
};

static pthread_once_t fetch_once = PTHREAD_ONCE_INIT;
static EVP_MAC *hmac;

static void fetch(void)
{
	hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
}

static int prepare(EVP_MAC_CTX *ctx, const void *key, size_t len)
{
	char digest[] = "SHA256";
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest,
						 0),
		OSSL_PARAM_construct_end(),
	};
	/* Without a key OpenSSL would take the one from before. */
	const void *bytes = len ? key : "";

	return EVP_MAC_init(ctx, bytes, len, params) ? 0 : -EIO;
}

int dstack_mac_alloc(const void *key, size_t len, struct dstack_mac **mac)
{
	struct dstack_mac *new;
	int err;

	*mac = NULL;
	pthread_once(&fetch_once, fetch);
	if (!hmac)
		return -ENOPKG;
	new = calloc(1, sizeof(*new));
	if (!new)
		return -ENOMEM;
	new->ctx = EVP_MAC_CTX_new(hmac);
	err = new->ctx ? prepare(new->ctx, key, len) : -ENOMEM;
	if (err) {
		dstack_mac_free(new);
		return err;
	}
	*mac = new;
	return 0;
}

void dstack_mac_free(struct dstack_mac *mac)
{
	if (!mac)
		return;
	EVP_MAC_CTX_free(mac->ctx);
	free(mac);
}

static int mac_parts(EVP_MAC_CTX *ctx, const struct dstack_bytes *parts,
		     size_t nr, u8 out[DSTACK_KEY_TAG_SIZE])
{
	size_t i, len;

	for (i = 0; i < nr; i++)
		if (!EVP_MAC_update(ctx, parts[i].data, parts[i].len))
			return -EIO;
	return EVP_MAC_final(ctx, out, &len, DSTACK_KEY_TAG_SIZE) ? 0 : -EIO;
}

/* On a copy, so that callers with one key do not meet. */
int dstack_mac(const struct dstack_mac *mac, const struct dstack_bytes *parts,
	       size_t nr, u8 out[DSTACK_KEY_TAG_SIZE])
{
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_dup(mac->ctx);
	int err;

	if (!ctx)
		return -ENOMEM;
	err = mac_parts(ctx, parts, nr, out);
	EVP_MAC_CTX_free(ctx);
	return err;
}
