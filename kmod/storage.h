/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a file's bytes rest on
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_STORAGE_H
#define _DSTACK_STORAGE_H

#include <uapi/linux/dstack.h>

struct file;
struct inode;
struct super_block;

struct inode *dstack_storage_inode(struct file *file);
enum dstack_storage dstack_storage_class(struct file *file);
enum dstack_storage dstack_storage_disk(const struct super_block *sb);

#endif /* _DSTACK_STORAGE_H */
