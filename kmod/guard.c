// SPDX-License-Identifier: GPL-2.0-only
/*
 * Changes that the module must know of, or must not let happen
 *
 * Copyright The dstack for Linux authors
 *
 * Who opens a file for writing, changes its size, or mounts a file system can
 * make a remembered digest wrong.  Who opens the register's attribute can
 * extend the register past the log: no quote of this boot would verify then.
 */
#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/dcache.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/kernel_read_file.h>
#include <linux/log2.h>
#include <linux/magic.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "backend.h"
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

static atomic64_t opened;	/* how often the register was, seen by us */

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

	if (dentry->d_sb->s_magic != SYSFS_MAGIC ||
	    strcmp(dentry->d_parent->d_name.name, "measurements"))
		return false;
	if (dstack_policy_state() == DSTACK_STATE_LOCKED)
		return true;
	guard(rcu)();
	return dstack_identity_peek(current);
}

static int record(struct file *file, const char *verdict, u64 count)
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
	dstack_event_begin(ev, DSTACK_EVENT_REGISTER);
	ev->quota = container ? container->quota : &dstack_quota_host;
	dstack_event_str(ev, "id", container ? container->id : DSTACK_HOST_ID);
	dstack_event_str(ev, "verdict", verdict);
	dstack_event_u64(ev, "count", count);
	dstack_event_path(ev, "path", IS_ERR(path) ? "?" : path);
	return dstack_measure(ev, NULL);
}

static int open_register(struct file *file)
{
	enum dstack_state state = dstack_policy_state();
	bool deny = state != DSTACK_STATE_MEASURE;
	u64 count;
	int err = 0;

	if (state == DSTACK_STATE_OFF)
		return 0;
	count = atomic64_inc_return(&opened);
	/* At 1, 2, 4, 8, ...: many attempts make few records. */
	if (is_power_of_2(count))
		err = record(file, deny ? "denied" : "allowed", count);
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

/**
 * dstack_guard_open() - a file is being opened for writing
 * @file: counts as a writer already
 *
 * Context: sleeps.
 * Return: 0; -EACCES for an attribute of the registers, but in state MEASURE;
 * there what dstack_measure() gives if it could not be recorded.  -EPERM for
 * /proc/PID/mem, as dstack_tamper_memory().
 */
int dstack_guard_open(struct file *file)
{
	dstack_cache_forget(dstack_storage_inode(file));
	if (is_register(file) || is_measurement(file))
		return open_register(file);
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
