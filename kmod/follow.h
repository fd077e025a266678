/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Containers that become what the policy in force wants
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_FOLLOW_H
#define _DSTACK_FOLLOW_H

#include <linux/types.h>
#include <uapi/linux/dstack.h>

struct dstack_container;

int dstack_follow_mode(struct dstack_container *container,
		       enum dstack_mode mode, u64 epoch);
int dstack_follow_memory(struct dstack_container *container, bool memory,
			 u64 epoch);

#endif /* _DSTACK_FOLLOW_H */
