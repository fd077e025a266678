/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * HMAC-SHA256
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_MAC_H
#define _DSTACK_MAC_H

#include <linux/cleanup.h>
#include <linux/err.h>

#include "pure.h"

struct dstack_mac;

struct dstack_mac *dstack_mac_alloc(const void *key, size_t len);
void dstack_mac_free(struct dstack_mac *mac);

DEFINE_FREE(dstack_mac, struct dstack_mac *, dstack_mac_free(_T))

#endif /* _DSTACK_MAC_H */
