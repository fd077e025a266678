/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a file's bytes rest on
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_STORAGE_H
#define _DSTACK_STORAGE_H

#include <linux/fs.h>
#include <uapi/linux/dstack.h>

struct super_block;

struct inode *dstack_storage_inode(struct file *file);
enum dstack_storage dstack_storage_class(struct file *file);
enum dstack_storage dstack_storage_disk(const struct super_block *sb);

/**
 * dstack_storage_is_memory() - is this file only how the kernel has memory
 * @file: an open file
 *
 * Of what is mapped shared without a file, or with shmat(), the kernel makes a
 * file that nobody can open, marked as its own.
 *
 * Return: true if it is.
 */
static inline bool dstack_storage_is_memory(const struct file *file)
{
	const struct inode *inode = file_inode(file);

	return IS_PRIVATE(inode) && inode->i_sb->s_flags & SB_KERNMOUNT;
}

#endif /* _DSTACK_STORAGE_H */
