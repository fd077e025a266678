/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Root keys by the operator: each change is an event before it is in force
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_CUSTODY_H
#define _DSTACK_CUSTODY_H

#include <linux/types.h>
#include <uapi/linux/dstack.h>

int dstack_custody_load(const u8 app_id[DSTACK_APP_ID_SIZE], u64 epoch,
			const u8 key[DSTACK_KEY_ROOT_SIZE], bool local);
int dstack_custody_retire(const u8 app_id[DSTACK_APP_ID_SIZE], u64 epoch);
int dstack_custody_wipe(void);

#endif /* _DSTACK_CUSTODY_H */
