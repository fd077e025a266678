// SPDX-License-Identifier: GPL-2.0-only
/*
 * Changes that the module must know of, or must not let happen
 *
 * Copyright The dstack for Linux authors
 *
 * Who opens a file for writing, changes its size, or mounts a file system can
 * make a remembered digest wrong.  Who opens the register's attribute can
 * extend the register past the log: no quote of this boot would verify then.
 * Who reaches the disk below a mounted file system can change files that
 * nobody opens.  Who registers a format with binfmt_misc chooses what runs
 * other files.
 */
#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/dcache.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/kdev_t.h>
#include <linux/kernel.h>
#include <linux/kernel_read_file.h>
#include <linux/log2.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <linux/major.h>
#include <linux/miscdevice.h>
#include <linux/string.h>

#include "backend.h"
#include "block.h"
#include "cache.h"
#include "draft.h"
#include "event.h"
#include "guard.h"
#include "identity.h"
#include "measure.h"
#include "policy.h"
#include "quota.h"
#include "storage.h"
#include "tamper.h"
#include "vet.h"

/* How often they were opened, seen by us. */
static atomic64_t registers, formats;

/* By its name alone: sysfs can be mounted more than once. */
static bool is_register(const struct file *file)
{
	const struct dentry *dentry = file->f_path.dentry;
	const char *attribute = dstack_backend()->attribute;

	return attribute && dentry->d_sb->s_magic == SYSFS_MAGIC &&
		!strcmp(dentry->d_name.name, attribute);
}

/*
 * The platform's other registers, which the kernel keeps in one directory
 * whatever the platform: firmware, kernel and boot are in them.  An operator
 * may extend these until LOCKED, a container never.
 */
static bool is_measurement(const struct file *file)
{
	const struct dentry *dentry = file->f_path.dentry;

	return dentry->d_sb->s_magic == SYSFS_MAGIC &&
		!strcmp(dentry->d_parent->d_name.name, "measurements") &&
		dstack_vet_judges();
}

/* Any file of binfmt_misc; the host's own interpreters are its own affair. */
static bool is_format(const struct file *file)
{
	return file->f_path.dentry->d_sb->s_magic == BINFMTFS_MAGIC &&
		dstack_identity_has(current);
}

static int record(struct file *file, enum dstack_event_id event,
		  const char *verdict, u64 count)
{
	struct dstack_container *container __free(dstack_container) =
		dstack_identity_current();
	struct dstack_draft *draft __free(dstack_draft) = dstack_draft_get();
	struct dstack_event *ev;
	const char *path;

	if (!draft)
		return -ENOMEM;
	ev = &draft->ev;
	path = file_path(file, draft->path, sizeof(draft->path));
	dstack_event_begin(ev, event);
	ev->quota = container ? container->quota : &dstack_quota_host;
	dstack_event_str(ev, "id", container ? container->id : DSTACK_HOST_ID);
	dstack_event_str(ev, "verdict", verdict);
	dstack_event_u64(ev, "count", count);
	dstack_event_path(ev, "path", IS_ERR(path) ? "?" : path);
	return dstack_measure(ev, NULL);
}

static int refuse_open(struct file *file, enum dstack_event_id event,
		       atomic64_t *opened)
{
	enum dstack_state state = dstack_policy_state();
	bool deny = state != DSTACK_STATE_MEASURE;
	u64 count;
	int err = 0;

	if (state == DSTACK_STATE_OFF)
		return 0;
	count = atomic64_inc_return(opened);
	/* At 1, 2, 4, 8, ...: many attempts make few records. */
	if (is_power_of_2(count))
		err = record(file, event, deny ? "denied" : "allowed", count);
	if (deny)
		pr_notice_ratelimited("%pD: opened for writing by '%s', denied\n",
				      file, current->comm);
	return deny ? -EACCES : err;
}

/* That of another process is the business of ptrace_access_check. */
static bool is_memory(const struct file *file)
{
	const struct dentry *dentry = file->f_path.dentry;

	return dentry->d_sb->s_magic == PROC_SUPER_MAGIC &&
		!strcmp(dentry->d_name.name, "mem");
}

/* Character devices that change disks, or what a device is made of. */
static const struct outlet {
	dev_t first;
	dev_t last;
} outlets[] = {
	{ MKDEV(MISC_MAJOR, MAPPER_CTRL_MINOR),
	  MKDEV(MISC_MAJOR, MAPPER_CTRL_MINOR) },
	{ MKDEV(SCSI_GENERIC_MAJOR, 0),
	  MKDEV(SCSI_GENERIC_MAJOR, MINORMASK) },
};

static bool is_outlet(dev_t dev)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(outlets); i++)
		if (dev >= outlets[i].first && dev <= outlets[i].last)
			return true;
	return false;
}

/*
 * To read a disk is enough for an ioctl that changes a loop device, or passes
 * a command on.  But the host has to read.
 */
static int open_device(const struct file *file)
{
	const struct inode *inode = file_inode(file);

	if (dstack_policy_state() == DSTACK_STATE_OFF)
		return 0;
	if (S_ISCHR(inode->i_mode))
		return is_outlet(inode->i_rdev) ? dstack_tamper_disk() : 0;
	if (!(file->f_mode & FMODE_WRITE) && !dstack_identity_has(current))
		return 0;
	return dstack_block_busy(inode->i_rdev) ? dstack_tamper_disk() : 0;
}

/**
 * dstack_guard_open() - a file is being opened for writing, or a device at all
 * @file: counts as a writer already, if it is one
 *
 * Context: sleeps.
 * Return: 0; -EACCES for an attribute of the registers and, in a container, for
 * files of binfmt_misc, but in state MEASURE; there what dstack_measure() gives
 * if it could not be recorded.  -EPERM for /proc/PID/mem and for disks, as
 * dstack_tamper_memory() and dstack_tamper_disk().
 */
int dstack_guard_open(struct file *file)
{
	umode_t mode = file_inode(file)->i_mode;

	if (S_ISBLK(mode) || S_ISCHR(mode))
		return open_device(file);
	dstack_cache_forget(dstack_storage_inode(file));
	if (is_register(file) || is_measurement(file))
		return refuse_open(file, DSTACK_EVENT_REGISTER, &registers);
	if (is_format(file))
		return refuse_open(file, DSTACK_EVENT_FORMAT, &formats);
	return is_memory(file) ? dstack_tamper_memory() : 0;
}

/**
 * dstack_guard_read_file() - the kernel reads a file to make it its own
 * @file: what it reads
 * @id: enum kernel_read_file_id
 *
 * Context: sleeps.
 * Return: 0; for modules and firmware as dstack_vet(), else as
 * dstack_tamper_read_file().
 */
int dstack_guard_read_file(struct file *file, u32 id)
{
	if (id == READING_MODULE || id == READING_FIRMWARE)
		return dstack_vet(file, DSTACK_KIND_KERNEL);
	return dstack_tamper_read_file(id);
}

/**
 * dstack_guard_resize() - a file is about to be truncated or extended
 * @dentry: the file
 */
void dstack_guard_resize(const struct dentry *dentry)
{
	if (d_really_is_positive(dentry))
		dstack_cache_forget(d_inode(dentry));
}

/**
 * dstack_guard_super() - a file system is about to be mounted
 * @sb: its super block, which nobody uses yet
 */
void dstack_guard_super(const struct super_block *sb)
{
	dstack_cache_forget_super(sb);
}

/**
 * dstack_guard_mount() - somebody is about to see a mounted file system
 * @sb: its super block
 *
 * What lies on a device that checks what it reads is no worse for who mounts
 * it.
 *
 * Return: 0; -EPERM for a disk, as dstack_tamper_mount().
 */
int dstack_guard_mount(const struct super_block *sb)
{
	if (!(sb->s_type->fs_flags & FS_REQUIRES_DEV) ||
	    dstack_storage_disk(sb) != DSTACK_STORAGE_DISK)
		return 0;
	return dstack_tamper_mount();
}
