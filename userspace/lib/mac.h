/* SPDX-License-Identifier: MIT */
/*
 * Keys of HMAC-SHA256, for dstack_mac() of kmod/pure.h
 *
 * Copyright The dstack for Linux authors
 */
#ifndef DSTACK_LIB_MAC_H
#define DSTACK_LIB_MAC_H

#include "pure.h"

/* Any number of bytes, also none.  0, -ENOMEM, -ENOPKG or -EIO. */
int dstack_mac_alloc(const void *key, size_t len, struct dstack_mac **mac);
void dstack_mac_free(struct dstack_mac *mac);

#endif /* DSTACK_LIB_MAC_H */
