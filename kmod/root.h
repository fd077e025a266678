/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Root keys: they come in once, and never go out
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_ROOT_H
#define _DSTACK_ROOT_H

#include <linux/list.h>
#include <linux/types.h>
#include <uapi/linux/dstack.h>

#include "kdf.h"

/**
 * struct dstack_root - what one application derives from in one key epoch
 * @node: of the list
 * @app_id: the application
 * @epoch: the key epoch
 * @id: names the root key without telling it
 * @prk: extracted of the root key, which itself is not kept
 */
struct dstack_root {
	struct list_head node;
	u8 app_id[DSTACK_APP_ID_SIZE];
	u64 epoch;
	u8 id[DSTACK_KEY_ID_SIZE];
	struct dstack_mac *prk[__DSTACK_KDF_MAX];
};

struct dstack_root *dstack_root_alloc(const u8 app_id[DSTACK_APP_ID_SIZE],
				      u64 epoch,
				      const u8 key[DSTACK_KEY_ROOT_SIZE]);
void dstack_root_free(struct dstack_root *root);
void dstack_root_exit(void);

int dstack_root_reserve(const struct dstack_root *root);
void dstack_root_commit(struct dstack_root *root);
int dstack_root_may_retire(const u8 app_id[DSTACK_APP_ID_SIZE], u64 epoch);
void dstack_root_retire(const u8 app_id[DSTACK_APP_ID_SIZE], u64 epoch);
void dstack_root_wipe(void);
/* Called when root keys are gone. */
typedef void (*dstack_root_loss_fn)(void);

void dstack_root_on_loss(dstack_root_loss_fn fn);

int dstack_root_newest(const u8 app_id[DSTACK_APP_ID_SIZE], u64 *epoch);
int dstack_root_has(const u8 app_id[DSTACK_APP_ID_SIZE], u64 epoch);
int dstack_root_derive(const struct dstack_key_name *name, u64 epoch,
		       const u8 *blob, u8 out[DSTACK_KEY_SIZE_MAX]);

/**
 * struct dstack_root_facts - what may be told of a root key
 * @app_id: the application
 * @epoch: the key epoch
 * @id: its name
 */
struct dstack_root_facts {
	u8 app_id[DSTACK_APP_ID_SIZE];
	u64 epoch;
	u8 id[DSTACK_KEY_ID_SIZE];
};

bool dstack_root_nth(u32 n, struct dstack_root_facts *facts);

#endif /* _DSTACK_ROOT_H */
