// SPDX-License-Identifier: GPL-2.0-only
/*
 * Block devices that do not return what nobody vouched for
 *
 * Copyright The dstack for Linux authors
 *
 * dm-verity and keyed dm-integrity or dm-crypt check what they read.  Which
 * device does, the module cannot ask device-mapper: that may be a module that
 * is not there.  So the host says it, as an event, and the module looks at what
 * the block layer knows, holds the device open as long as it counts, and is
 * told of every root hash that dm-verity gets (bdev_setintegrity).
 *
 * Found under RCU.  Changes are serialised by control.c.
 *
 * Built without debug information, for the reason that is in trace/trace.c: the
 * block layer has types that are not those of vmlinux when BTF is made of them.
 */
#include <linux/blkdev.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/rcupdate.h>
#include <linux/security.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/xarray.h>

#include "block.h"
#include "bounds.h"

/* By device number.  Written under xa_lock, read under RCU. */
static DEFINE_XARRAY(blocks);
static unsigned int count;

/* What the block layer can say of a device that is to be of this class. */
static int check(struct block_device *bdev, enum dstack_storage storage)
{
	if (bdev_is_partition(bdev) ||
	    strncmp(bdev->bd_disk->disk_name, "dm-", 3))
		return -ENOTBLK;
	if (storage == DSTACK_STORAGE_DMVERITY && !bdev_read_only(bdev))
		return -EROFS;
	return 0;
}

/**
 * dstack_block_open() - a device that is not registered yet
 * @dev: its number
 * @storage: the class that it is said to have
 * @root: dm-verity's root hash
 * @root_len: bytes of it
 *
 * Context: sleeps.
 * Return: the device, for dstack_block_commit() or dstack_block_close();
 * -EINVAL for another class, for dm-verity without a root hash of 32 to
 * DSTACK_ROOT_MAX bytes, or another class with one; -ENOTBLK if it is not of
 * device-mapper, -EROFS if dm-verity's can be written; -ENXIO and others if it
 * cannot be opened; -ENOMEM.
 */
struct dstack_block *dstack_block_open(dev_t dev, enum dstack_storage storage,
				       const u8 *root, u32 root_len)
{
	struct dstack_block *block;
	int err;

	if (storage == DSTACK_STORAGE_DMVERITY ?
	    root_len < DSTACK_ROOT_MIN || root_len > DSTACK_ROOT_MAX :
	    storage != DSTACK_STORAGE_AUTHENTICATED || root_len)
		return ERR_PTR(-EINVAL);
	block = kzalloc_obj(*block, GFP_KERNEL);
	if (!block)
		return ERR_PTR(-ENOMEM);
	block->dev = dev;
	block->storage = storage;
	block->root_len = root_len;
	if (root_len)
		memcpy(block->root, root, root_len);
	block->file = bdev_file_open_by_dev(dev, BLK_OPEN_READ, NULL, NULL);
	if (IS_ERR(block->file)) {
		err = PTR_ERR(block->file);
		kfree(block);
		return ERR_PTR(err);
	}
	err = check(file_bdev(block->file), storage);
	if (err) {
		dstack_block_close(block);
		return ERR_PTR(err);
	}
	return block;
}

/**
 * dstack_block_close() - let go of a device
 * @block: not registered, or no longer
 */
void dstack_block_close(struct dstack_block *block)
{
	fput(block->file);
	kfree_rcu(block, rcu);
}

/**
 * dstack_block_reserve() - everything of a registration that can fail
 * @block: from dstack_block_open()
 *
 * Return: 0, for dstack_block_commit() or dstack_block_cancel(); -EEXIST if
 * the device is registered, -ENOSPC past DSTACK_DEVICES_MAX, -ENOMEM.
 */
int dstack_block_reserve(const struct dstack_block *block)
{
	if (xa_load(&blocks, block->dev))
		return -EEXIST;
	if (count >= DSTACK_DEVICES_MAX)
		return -ENOSPC;
	return xa_reserve(&blocks, block->dev, GFP_KERNEL);
}

/**
 * dstack_block_cancel() - do not register after all
 * @block: reserved; stays the caller's
 */
void dstack_block_cancel(const struct dstack_block *block)
{
	xa_release(&blocks, block->dev);
}

/**
 * dstack_block_commit() - register; cannot fail
 * @block: reserved; taken over
 *
 * From here on what lies on it is of its class.
 */
void dstack_block_commit(struct dstack_block *block)
{
	/* The slot is reserved: this allocates nothing. */
	xa_store(&blocks, block->dev, block, GFP_KERNEL);
	WRITE_ONCE(count, count + 1);
}

/**
 * dstack_block_find() - the registered device of this number
 * @dev: its number
 *
 * Return: the device, valid while the caller keeps changes out, or NULL.
 */
struct dstack_block *dstack_block_find(dev_t dev)
{
	return xa_load(&blocks, dev);
}

/**
 * dstack_block_remove() - what lies on it is on a disk as any other from now on
 * @block: registered; the caller closes it
 */
void dstack_block_remove(struct dstack_block *block)
{
	xa_erase(&blocks, block->dev);
	WRITE_ONCE(count, count - 1);
}

/**
 * dstack_block_clear() - forget and close all of them
 */
void dstack_block_clear(void)
{
	struct dstack_block *block;
	unsigned long dev;

	xa_for_each(&blocks, dev, block) {
		dstack_block_remove(block);
		dstack_block_close(block);
	}
}

/**
 * dstack_block_next() - walk the registered devices
 * @next: where to start; is set to where to go on
 * @copy: of the device found
 *
 * Return: false at the end.
 */
bool dstack_block_next(unsigned long *next, struct dstack_block *copy)
{
	struct dstack_block *block;
	unsigned long dev = *next;
	bool found = false;

	rcu_read_lock();
	xa_for_each_start(&blocks, dev, block, *next) {
		*copy = *block;
		found = true;
		break;
	}
	rcu_read_unlock();
	*next = dev + 1;
	return found;
}

/**
 * dstack_block_any() - is any device registered
 *
 * Return: true if one is.
 */
bool dstack_block_any(void)
{
	return READ_ONCE(count);
}

/**
 * dstack_block_name() - what the kernel calls it
 * @block: open
 *
 * Return: the disk's name.
 */
const char *dstack_block_name(const struct dstack_block *block)
{
	return file_bdev(block->file)->bd_disk->disk_name;
}

/**
 * dstack_block_class() - the class of what lies on a device
 * @bdev: of a file system
 *
 * Return: DSTACK_STORAGE_DISK for one that is not registered.
 */
enum dstack_storage dstack_block_class(const struct block_device *bdev)
{
	const struct dstack_block *block;

	if (!dstack_block_any())
		return DSTACK_STORAGE_DISK;
	guard(rcu)();
	block = xa_load(&blocks, bdev->bd_dev);
	return block && !READ_ONCE(block->stale) ? block->storage :
						   DSTACK_STORAGE_DISK;
}

/**
 * dstack_block_busy() - is a disk, or a part of it, mounted or built upon
 * @dev: of the disk or of a part
 *
 * Of a disk that nobody uses nothing runs.
 *
 * Context: sleeps.
 * Return: false also for one that is not there.
 */
bool dstack_block_busy(dev_t dev)
{
	struct file *file;
	bool busy;

	file = bdev_file_open_by_dev(dev, BLK_OPEN_READ | BLK_OPEN_NDELAY,
				     NULL, NULL);
	if (IS_ERR(file))
		return false;
	/* Who holds a part holds the whole, so that nobody else takes that. */
	busy = READ_ONCE(bdev_whole(file_bdev(file))->bd_holder);
	fput(file);
	return busy;
}

/**
 * dstack_block_note() - a target of device-mapper vouches for something
 * @bdev: the device that is about to resume
 * @type: enum lsm_integrity_type
 * @value: what that type says
 * @size: bytes of it
 *
 * A registered device that gets another root hash has other content: it does
 * not count any more, until it is removed and registered again.
 *
 * Context: any.
 */
void dstack_block_note(const struct block_device *bdev, int type,
		       const void *value, size_t size)
{
	const struct dm_verity_digest *digest = value;
	struct dstack_block *block;

	if (type != LSM_INT_DMVERITY_ROOTHASH || !digest ||
	    size != sizeof(*digest))
		return;
	guard(rcu)();
	block = xa_load(&blocks, bdev->bd_dev);
	if (block && (digest->digest_len != block->root_len ||
		      memcmp(digest->digest, block->root, block->root_len)))
		WRITE_ONCE(block->stale, true);
}
