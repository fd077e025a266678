/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Changes that the module must know of, or must not let happen
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_GUARD_H
#define _DSTACK_GUARD_H

struct dentry;
struct file;
struct super_block;

int dstack_guard_open(struct file *file);
void dstack_guard_resize(const struct dentry *dentry);
void dstack_guard_super(const struct super_block *sb);

#endif /* _DSTACK_GUARD_H */
