/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Block devices that do not return what nobody vouched for
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_BLOCK_H
#define _DSTACK_BLOCK_H

#include <linux/types.h>
#include <uapi/linux/dstack.h>

struct block_device;
struct file;

/**
 * struct dstack_block - a registered device
 * @rcu: for freeing
 * @file: keeps it open, so that neither it nor its number goes to another
 * @dev: its number
 * @storage: DSTACK_STORAGE_DMVERITY or DSTACK_STORAGE_AUTHENTICATED
 * @root: dm-verity's root hash
 * @root_len: bytes of @root, 0 if it has none
 * @stale: it got another root hash since; written once
 */
struct dstack_block {
	struct rcu_head rcu;
	struct file *file;
	dev_t dev;
	enum dstack_storage storage;
	u8 root[DSTACK_ROOT_MAX];
	u32 root_len;
	bool stale;
};

struct dstack_block *dstack_block_open(dev_t dev, enum dstack_storage storage,
				       const u8 *root, u32 root_len);
void dstack_block_close(struct dstack_block *block);
int dstack_block_reserve(const struct dstack_block *block);
void dstack_block_cancel(const struct dstack_block *block);
void dstack_block_commit(struct dstack_block *block);
struct dstack_block *dstack_block_find(dev_t dev);
void dstack_block_remove(struct dstack_block *block);
void dstack_block_clear(void);
bool dstack_block_next(unsigned long *next, struct dstack_block *copy);
bool dstack_block_any(void);

const char *dstack_block_name(const struct dstack_block *block);
enum dstack_storage dstack_block_class(const struct block_device *bdev);
bool dstack_block_busy(dev_t dev);
void dstack_block_note(const struct block_device *bdev, int type,
		       const void *value, size_t size);

#endif /* _DSTACK_BLOCK_H */
