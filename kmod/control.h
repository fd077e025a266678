/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Changes by the operator: each is an event before it is in force
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_CONTROL_H
#define _DSTACK_CONTROL_H

#include <linux/types.h>
#include <uapi/linux/dstack.h>

struct dstack_block;
struct dstack_container;
struct file;

int dstack_control_init(void);
void dstack_control_exit(void);

int dstack_control_hooks(struct file *links[__DSTACK_HOOK_MAX]);
u32 dstack_control_hooks_held(void);
int dstack_control_state(u32 state, const char **why);
int dstack_control_policy(const void *table, size_t size,
			  const u8 document[DSTACK_DIGEST_SIZE],
			  const char **why);
int dstack_control_add(struct dstack_container *container);
int dstack_control_remove(const char *id);
int dstack_control_event(const char *name, const void *payload, size_t len);
int dstack_control_device(struct dstack_block *block);
int dstack_control_no_device(dev_t dev);

#endif /* _DSTACK_CONTROL_H */
