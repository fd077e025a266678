/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The part of /dev/dstack that is about keys
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_DEVICE_KEY_H
#define _DSTACK_DEVICE_KEY_H

#include <uapi/linux/dstack.h>

struct dstack_container;

int dstack_device_get_key(struct dstack_container *container, bool agent,
			  struct dstack_get_key *get);
int dstack_device_hmac(struct dstack_container *container,
		       struct dstack_hmac *hmac);
int dstack_device_seal(struct dstack_container *container,
		       struct dstack_seal *seal);
int dstack_device_unseal(struct dstack_container *container,
			 struct dstack_unseal *unseal);

#endif /* _DSTACK_DEVICE_KEY_H */
