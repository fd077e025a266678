/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * AES-256-GCM, one message a key
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_GCM_H
#define _DSTACK_GCM_H

#include "pure.h"

#define DSTACK_GCM_TAG_SIZE	16

int dstack_gcm_seal(const u8 key[DSTACK_KEY_SIZE],
		    const struct dstack_bytes *ad, void *data, size_t len);
int dstack_gcm_open(const u8 key[DSTACK_KEY_SIZE],
		    const struct dstack_bytes *ad, void *data, size_t len);

#endif /* _DSTACK_GCM_H */
