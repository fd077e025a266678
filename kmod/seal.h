/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a key of type "dstack" does: blobs, and HMAC
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_SEAL_H
#define _DSTACK_SEAL_H

#include <linux/types.h>
#include <uapi/linux/dstack.h>

struct dstack_grant;

int dstack_seal(const struct dstack_grant *grant, bool policy, void *blob,
		size_t len);
int dstack_unseal(const struct dstack_grant *grant, void *blob, size_t len,
		  size_t *data_len, u32 *check);
int dstack_seal_hmac(const struct dstack_grant *grant, const void *data,
		     size_t len, u8 tag[DSTACK_KEY_TAG_SIZE]);

#endif /* _DSTACK_SEAL_H */
