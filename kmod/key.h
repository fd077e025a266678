/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Keys of containers, in keyrings
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_KEY_H
#define _DSTACK_KEY_H

#include <linux/cleanup.h>
#include <linux/types.h>
#include <uapi/linux/dstack.h>

#include "kdf.h"

struct dstack_container;
struct dstack_grant;

/**
 * struct dstack_key_ask - what a caller of DSTACK_GET_KEY wants
 * @container: who asks; the host is one of its own
 * @name: which key, but for whose it is, which dstack_key_allow() fills in
 * @delivery: one enum dstack_key_delivery
 * @fixed: @epoch was named, and is not just the newest
 * @epoch: the key epoch
 */
struct dstack_key_ask {
	struct dstack_container *container;
	struct dstack_key_name name;
	u32 delivery;
	bool fixed;
	u64 epoch;
};

int dstack_key_init(void);
void dstack_key_exit(void);

int dstack_key_allow(struct dstack_key_ask *ask);
int dstack_key_bytes(const struct dstack_key_ask *ask,
		     u8 out[DSTACK_KEY_SIZE_MAX]);
int dstack_key_link(const struct dstack_key_ask *ask, s32 keyring,
		    const char *name, s32 *serial);

struct dstack_grant *dstack_key_use(s32 serial, u32 kind,
				    struct dstack_container *caller);
void dstack_key_put(struct dstack_grant *grant);
const struct dstack_key_name *dstack_key_name(const struct dstack_grant *grant);
u64 dstack_key_epoch(const struct dstack_grant *grant);
int dstack_key_secret(const struct dstack_grant *grant, u64 epoch,
		      const u8 *blob, u8 out[DSTACK_KEY_SIZE_MAX]);

void dstack_key_review(void);
u32 dstack_key_count(void);

DEFINE_FREE(dstack_grant, struct dstack_grant *, dstack_key_put(_T))

#endif /* _DSTACK_KEY_H */
