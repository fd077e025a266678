// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a file's bytes rest on
 *
 * Copyright The dstack for Linux authors
 */
#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/fcntl.h>
#include <linux/fsverity.h>
#include <linux/magic.h>
#include <linux/shmem_fs.h>

#include "block.h"
#include "storage.h"

/* From the ZFS sources; its file systems need no block device. */
#define ZFS_SUPER_MAGIC	0x2fc12fc1

#define SEALS_WANTED	(F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)

/**
 * dstack_storage_inode() - the inode that really holds the data
 * @file: an open file
 *
 * On overlayfs the inode of the file says nothing about who writes the data:
 * deny-write and change cookie are those of the layer below.
 *
 * Return: the inode, valid as long as the file is open.
 */
struct inode *dstack_storage_inode(struct file *file)
{
	return d_real_inode(file_dentry(file));
}

/* A file on a mount of the kernel's own is a memfd, shm or shared memory. */
static enum dstack_storage tmpfs_class(const struct super_block *sb,
				       struct inode *inode)
{
	if (!(sb->s_flags & SB_KERNMOUNT))
		return DSTACK_STORAGE_MEMORY;
	if ((READ_ONCE(SHMEM_I(inode)->seals) & SEALS_WANTED) == SEALS_WANTED)
		return DSTACK_STORAGE_MEMFD;
	return DSTACK_STORAGE_MEMFD_OPEN;
}

/**
 * dstack_storage_disk() - the class of what lies on a file system's device
 * @sb: of a file system that needs one
 *
 * erofs can have its data in a file instead, and cannot be asked in whose.
 * btrfs can have several devices, of which at most one is known here.
 *
 * Return: the class.
 */
enum dstack_storage dstack_storage_disk(const struct super_block *sb)
{
	if (sb->s_bdev && sb->s_magic != BTRFS_SUPER_MAGIC)
		return dstack_block_class(sb->s_bdev);
	return sb->s_magic == EROFS_SUPER_MAGIC_V1 ? DSTACK_STORAGE_UNTRUSTED :
						     DSTACK_STORAGE_DISK;
}

static enum dstack_storage class_below(struct inode *inode)
{
	const struct super_block *sb = inode->i_sb;

	switch (sb->s_magic) {
	case TMPFS_MAGIC:
		return tmpfs_class(sb, inode);
	case RAMFS_MAGIC:
		return DSTACK_STORAGE_MEMORY;
	case HUGETLBFS_MAGIC:
		/* Its seals are not visible here, so a memfd counts as open. */
		return sb->s_flags & SB_KERNMOUNT ? DSTACK_STORAGE_MEMFD_OPEN :
						    DSTACK_STORAGE_MEMORY;
	case FUSE_SUPER_MAGIC:
		/* fuseblk has a device, but a process still answers. */
		return DSTACK_STORAGE_UNTRUSTED;
	case ZFS_SUPER_MAGIC:
		return DSTACK_STORAGE_DISK;
	}
	if (sb->s_type->fs_flags & FS_REQUIRES_DEV)
		return dstack_storage_disk(sb);
	if (sb->s_iflags & SB_I_NOEXEC)
		return DSTACK_STORAGE_PSEUDO;
	return DSTACK_STORAGE_UNTRUSTED;
}

/**
 * dstack_storage_class() - classify by fs-verity and what is below
 * @file: an open file
 *
 * What is not known to be local and stable is untrusted.  Of a file with
 * fs-verity every read is checked, so what it lies on does not matter; but
 * dm-verity vouches for more than one file, and a policy may trust it for that.
 *
 * Return: the class.
 */
enum dstack_storage dstack_storage_class(struct file *file)
{
	struct inode *inode = dstack_storage_inode(file);
	enum dstack_storage below = class_below(inode);

	if (below != DSTACK_STORAGE_DMVERITY && fsverity_active(inode))
		return DSTACK_STORAGE_FSVERITY;
	return below;
}
