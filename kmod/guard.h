/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Changes that the module must know of, or must not let happen
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_GUARD_H
#define _DSTACK_GUARD_H

#include <linux/types.h>

struct dentry;
struct file;
struct super_block;

int dstack_guard_open(struct file *file);
int dstack_guard_read_file(struct file *file, u32 id);
void dstack_guard_resize(const struct dentry *dentry);
void dstack_guard_super(const struct super_block *sb);
int dstack_guard_mount(const struct super_block *sb);

#endif /* _DSTACK_GUARD_H */
