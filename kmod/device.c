// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/dstack: what a process asks for itself
 *
 * Copyright The dstack for Linux authors
 *
 * The only file that touches user memory.  A caller is the container of the
 * calling process, which must be the one that opened the file: a descriptor
 * that was passed on is of no use to its new owner.  A service of the host can
 * have a file speak for the container of a process that it serves.
 */
#include <linux/capability.h>
#include <linux/cleanup.h>
#include <linux/compat.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/poll.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "backend.h"
#include "device.h"
#include "device_key.h"
#include "draft.h"
#include "event.h"
#include "identity.h"
#include "log.h"
#include "measure.h"
#include "policy.h"
#include "quota.h"
#include "quote.h"
#include "vet.h"

/**
 * struct opener - one open file
 * @container: who opened it, NULL for the host
 * @acts_for: for whom it speaks, the host being a container of its own; NULL:
 *	for who opened it.  Set once
 * @next: where the last DSTACK_READ_LOG ended; poll() waits for more
 */
struct opener {
	struct dstack_container *container;
	struct dstack_container *acts_for;
	u64 next;
};

/**
 * struct caller - one ioctl call
 * @opener: the file
 * @container: of the calling process, or for whom it acts; NULL for the host
 * @agent: it acts for somebody
 */
struct caller {
	struct opener *opener;
	struct dstack_container *container;
	bool agent;
};

static const char *id_of(const struct caller *caller)
{
	return caller->container ? caller->container->id : DSTACK_HOST_ID;
}

static bool terminated(const u8 *text, size_t size)
{
	return strnlen((const char *)text, size) < size;
}

static int do_info(struct caller *caller, void *arg)
{
	struct dstack_info *info = arg;

	if (info->__reserved)
		return -EOPNOTSUPP;
	info->out_abi = DSTACK_ABI;
	info->out_features = dstack_backend_features() |
			     DSTACK_FEATURE_BPF_LSM | DSTACK_FEATURE_KEYS;
	if (IS_ENABLED(CONFIG_FS_VERITY))
		info->out_features |= DSTACK_FEATURE_FSVERITY;
	info->out_errata = 0;
	info->out_backend = dstack_backend()->id;
	info->out_backend_flags = dstack_backend()->flags;
	info->out_state = dstack_policy_state();
	memset(info->out_id, 0, sizeof(info->out_id));
	memcpy(info->out_id, id_of(caller), strlen(id_of(caller)));
	return 0;
}

static int do_get_quote(struct caller *caller, void *arg)
{
	struct dstack_get_quote *get = arg;
	struct dstack_quote quote = {};
	u32 cap = get->quote_len;
	int err;

	if (get->flags & ~__DSTACK_QUOTE_F_ALL || get->__reserved)
		return -EOPNOTSUPP;
	/* It would name the program of who acts for the container. */
	if (get->flags & DSTACK_QUOTE_F_BOUND && caller->agent)
		return -EOPNOTSUPP;
	err = dstack_quote_get(caller->container, get->report_data,
			       get->flags & DSTACK_QUOTE_F_BOUND, &quote);
	if (err)
		return err;
	memcpy(get->report_data, quote.report_data, sizeof(get->report_data));
	memcpy(get->out_register, quote.value, sizeof(get->out_register));
	get->out_log_count = quote.count;
	get->quote_len = quote.len;
	if (cap < quote.len)
		err = -ENOSPC;
	else if (copy_to_user(u64_to_user_ptr(get->quote), quote.data,
			      quote.len))
		err = -EFAULT;
	kvfree(quote.data);
	return err;
}

/* One look at the count: what comes meanwhile must not pass for too large. */
static int read_records(struct dstack_read_log *get, void *buf)
{
	u64 end = dstack_log_count(), seq = get->seq;
	ssize_t used = dstack_log_read(&seq, end, buf, get->buf_len);

	get->out_count = end;
	if (used == -ENODATA)
		get->out_next = seq;
	if (used < 0)
		return used;
	if (!used && seq < end)
		return -ENOSPC;
	if (copy_to_user(u64_to_user_ptr(get->buf), buf, used))
		return -EFAULT;
	get->out_len = used;
	get->out_next = seq;
	return 0;
}

static int do_read_log(struct caller *caller, void *arg)
{
	struct dstack_read_log *get = arg;
	void *buf;
	int err;

	if (get->flags)
		return -EOPNOTSUPP;
	if (get->buf_len > DSTACK_READ_LOG_MAX)
		return -EINVAL;
	if (get->seq > dstack_log_count())
		return -ERANGE;
	buf = kvmalloc(get->buf_len, GFP_KERNEL_ACCOUNT);
	if (!buf)
		return -ENOMEM;
	err = read_records(get, buf);
	kvfree(buf);
	if (!err)
		WRITE_ONCE(caller->opener->next, get->out_next);
	return err;
}

/* What the caller records counts against it. */
static struct dstack_quota *quota_of(const struct caller *caller)
{
	return caller->container ? caller->container->quota :
				   &dstack_quota_host;
}

static int do_extend(struct caller *caller, void *arg)
{
	struct dstack_quota *quota = quota_of(caller);
	struct dstack_extend *extend = arg;
	struct dstack_draft *draft __free(dstack_draft) = NULL;
	void *data __free(kfree) = NULL;

	if (extend->flags || extend->__reserved)
		return -EOPNOTSUPP;
	if (!terminated(extend->name, sizeof(extend->name)) ||
	    !dstack_event_name_ok(extend->name) ||
	    extend->data_len > DSTACK_USER_DATA_MAX)
		return -EINVAL;
	if (!caller->container && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	data = memdup_user(u64_to_user_ptr(extend->data), extend->data_len);
	if (IS_ERR(data))
		return PTR_ERR(data);
	draft = dstack_draft_get();
	if (!draft)
		return -ENOMEM;
	if (!dstack_quota_take(quota, DSTACK_QUOTA_USER)) {
		dstack_measure_refused(quota, DSTACK_QUOTA_USER);
		return -EDQUOT;
	}
	dstack_event_begin(&draft->ev, DSTACK_EVENT_USER);
	draft->ev.quota = quota;
	dstack_event_str(&draft->ev, "id", id_of(caller));
	dstack_event_str(&draft->ev, "name", (const char *)extend->name);
	dstack_event_hex(&draft->ev, "data", data, extend->data_len);
	return dstack_measure(&draft->ev, &extend->out_seq);
}

/* Whose verdict is asked for.  Others' are the host's root's business. */
static int why_whom(const struct caller *caller, const char *id,
		    struct dstack_container **container)
{
	if (!*id || !strcmp(id, id_of(caller))) {
		*container = caller->container;
		if (*container)
			kref_get(&(*container)->ref);
		return 0;
	}
	if (caller->container || !capable(CAP_SYS_ADMIN))
		return -EPERM;
	*container = dstack_identity_find(id);
	return *container ? 0 : -ENOENT;
}

static int do_why(struct caller *caller, void *arg)
{
	struct dstack_container *container __free(dstack_container) = NULL;
	struct dstack_why *why = arg;
	struct dstack_verdict verdict;
	struct file *file;
	int err;

	if (why->flags || why->__reserved)
		return -EOPNOTSUPP;
	if (!terminated(why->id, sizeof(why->id)) ||
	    hweight32(why->kind) != 1 || why->kind & ~__DSTACK_KIND_ALL)
		return -EINVAL;
	err = why_whom(caller, why->id, &container);
	if (err)
		return err;
	file = fget(why->fd);
	if (!file)
		return -EBADF;
	dstack_vet_ask(file, why->kind, container, &verdict);
	fput(file);
	why->out_verdict = verdict.err;
	why->out_reason = verdict.reason;
	why->out_storage = verdict.storage;
	why->out_kinds = verdict.kinds;
	why->out_epoch = verdict.epoch;
	why->out_digest = verdict.digest;
	return 0;
}

/* To keys the host is a container as any other. */
static struct dstack_container *owner(const struct caller *caller)
{
	return caller->container ?: dstack_identity_host();
}

static int do_get_key(struct caller *caller, void *arg)
{
	return dstack_device_get_key(owner(caller), caller->agent, arg);
}

static int do_hmac(struct caller *caller, void *arg)
{
	return dstack_device_hmac(owner(caller), arg);
}

static int do_seal(struct caller *caller, void *arg)
{
	return dstack_device_seal(owner(caller), arg);
}

static int do_unseal(struct caller *caller, void *arg)
{
	return dstack_device_unseal(owner(caller), arg);
}

static struct dstack_container *container_of_pid(s32 nr)
{
	struct dstack_container *container;
	struct task_struct *task;
	struct pid *pid;

	pid = find_get_pid(nr);
	task = get_pid_task(pid, PIDTYPE_TGID);
	put_pid(pid);
	if (!task)
		return NULL;
	container = dstack_identity_of(task);
	put_task_struct(task);
	if (!container && dstack_identity_get(dstack_identity_host()))
		container = dstack_identity_host();
	return container;
}

static int do_act_for(struct caller *caller, void *arg)
{
	struct dstack_container *container;
	struct dstack_act_for *act = arg;
	int err;

	if (act->flags || act->__reserved)
		return -EOPNOTSUPP;
	if (caller->agent)
		return -EBUSY;
	if (caller->container || !capable(CAP_SYS_ADMIN))
		return -EPERM;
	err = dstack_vet_control();
	if (err)
		return err;
	container = container_of_pid(act->pid);
	if (!container)
		return -ESRCH;
	if (cmpxchg(&caller->opener->acts_for, NULL, container)) {
		dstack_identity_put(container);
		return -EBUSY;
	}
	act->out_cgroup_id = container->cgroup_id;
	memcpy(act->out_id, container->id, sizeof(act->out_id));
	memcpy(act->out_section, container->section, sizeof(act->out_section));
	return 0;
}

/**
 * struct op - one ioctl
 * @fn: the work; may change the structure, which goes back on success, and on
 *	errors whose reason, size or place is in it
 * @size: of its structure in this kernel
 * @min_size: of its structure in ABI 1; smaller is EINVAL
 */
struct op {
	int (*fn)(struct caller *caller, void *arg);
	size_t size;
	size_t min_size;
};

static const struct op ops[] = {
	[_IOC_NR(DSTACK_INFO)] = {
		do_info, sizeof(struct dstack_info),
		DSTACK_INFO_SIZE_VER0 },
	[_IOC_NR(DSTACK_GET_QUOTE)] = {
		do_get_quote, sizeof(struct dstack_get_quote),
		DSTACK_GET_QUOTE_SIZE_VER0 },
	[_IOC_NR(DSTACK_READ_LOG)] = {
		do_read_log, sizeof(struct dstack_read_log),
		DSTACK_READ_LOG_SIZE_VER0 },
	[_IOC_NR(DSTACK_EXTEND)] = {
		do_extend, sizeof(struct dstack_extend),
		DSTACK_EXTEND_SIZE_VER0 },
	[_IOC_NR(DSTACK_WHY)] = {
		do_why, sizeof(struct dstack_why),
		DSTACK_WHY_SIZE_VER0 },
	[_IOC_NR(DSTACK_GET_KEY)] = {
		do_get_key, sizeof(struct dstack_get_key),
		DSTACK_GET_KEY_SIZE_VER0 },
	[_IOC_NR(DSTACK_HMAC)] = {
		do_hmac, sizeof(struct dstack_hmac),
		DSTACK_HMAC_SIZE_VER0 },
	[_IOC_NR(DSTACK_SEAL)] = {
		do_seal, sizeof(struct dstack_seal),
		DSTACK_SEAL_SIZE_VER0 },
	[_IOC_NR(DSTACK_UNSEAL)] = {
		do_unseal, sizeof(struct dstack_unseal),
		DSTACK_UNSEAL_SIZE_VER0 },
	[_IOC_NR(DSTACK_ACT_FOR)] = {
		do_act_for, sizeof(struct dstack_act_for),
		DSTACK_ACT_FOR_SIZE_VER0 },
};

union any {
	struct dstack_info info;
	struct dstack_get_quote get_quote;
	struct dstack_read_log read_log;
	struct dstack_extend extend;
	struct dstack_why why;
	struct dstack_get_key get_key;
	struct dstack_hmac hmac;
	struct dstack_seal seal;
	struct dstack_unseal unseal;
	struct dstack_act_for act_for;
};

/* Userspace compiles the same layout, whatever its word size. */
static_assert(sizeof(struct dstack_info) == DSTACK_INFO_SIZE_VER0);
static_assert(sizeof(struct dstack_get_quote) == DSTACK_GET_QUOTE_SIZE_VER0);
static_assert(sizeof(struct dstack_read_log) == DSTACK_READ_LOG_SIZE_VER0);
static_assert(sizeof(struct dstack_extend) == DSTACK_EXTEND_SIZE_VER0);
static_assert(sizeof(struct dstack_why) == DSTACK_WHY_SIZE_VER0);
static_assert(sizeof(struct dstack_get_key) == DSTACK_GET_KEY_SIZE_VER0);
static_assert(sizeof(struct dstack_hmac) == DSTACK_HMAC_SIZE_VER0);
static_assert(sizeof(struct dstack_seal) == DSTACK_SEAL_SIZE_VER0);
static_assert(sizeof(struct dstack_unseal) == DSTACK_UNSEAL_SIZE_VER0);
static_assert(sizeof(struct dstack_act_for) == DSTACK_ACT_FOR_SIZE_VER0);
static_assert(sizeof(struct dstack_log_record) == 72);

/* Errors that are not all there is to say. */
static bool goes_back(int err)
{
	switch (err) {
	case 0:
	case -ENOSPC:
	case -ENODATA:
	case -EBADMSG:
	case -ENOKEY:
	case -EKEYREJECTED:
	case -EKEYREVOKED:
		return true;
	}
	return false;
}

static int call(struct caller *caller, const struct op *op, void __user *uptr)
{
	union any arg;
	u32 size;
	int err;

	if (get_user(size, (u32 __user *)uptr))
		return -EFAULT;
	if (size < op->min_size)
		return -EINVAL;
	/* Or the search for a nonzero tail could take very long. */
	if (size > PAGE_SIZE)
		return -E2BIG;
	memset(&arg, 0, sizeof(arg));
	err = copy_struct_from_user(&arg, op->size, uptr, size);
	if (err)
		return err;
	/* What cannot be told must not happen: can it? */
	if (copy_to_user(uptr, &arg, min_t(size_t, size, op->size)))
		return -EFAULT;
	err = op->fn(caller, &arg);
	if (!goes_back(err))
		return err;
	if (copy_to_user(uptr, &arg, min_t(size_t, size, op->size)))
		return -EFAULT;
	return err;
}

/* Whatever became of the two meanwhile counts at each call. */
static int speak_for(struct caller *caller, struct dstack_container *whom)
{
	caller->agent = true;
	caller->container = whom == dstack_identity_host() ? NULL : whom;
	if (READ_ONCE(whom->gone))
		return -ESTALE;
	return dstack_vet_control();
}

static long device_ioctl(struct file *file, unsigned int cmd,
			 unsigned long arg)
{
	struct dstack_container *container __free(dstack_container) = NULL;
	struct caller caller = { .opener = file->private_data };
	struct dstack_container *acts_for;
	unsigned int nr = _IOC_NR(cmd);
	int err = 0;

	if (_IOC_TYPE(cmd) != DSTACK_IOC_TYPE || nr >= ARRAY_SIZE(ops) ||
	    cmd != _IO(DSTACK_IOC_TYPE, nr))
		return -ENOTTY;
	nr = array_index_nospec(nr, ARRAY_SIZE(ops));
	container = dstack_identity_current();
	if (container != caller.opener->container)
		return -EACCES;
	caller.container = container;
	acts_for = READ_ONCE(caller.opener->acts_for);
	if (acts_for)
		err = speak_for(&caller, acts_for);
	return err ?: call(&caller, &ops[nr], (void __user *)arg);
}

static __poll_t device_poll(struct file *file, struct poll_table_struct *wait)
{
	struct opener *opener = file->private_data;
	__poll_t events = 0;

	dstack_log_poll(file, wait);
	if (READ_ONCE(opener->next) < dstack_log_count())
		events |= EPOLLIN | EPOLLRDNORM;
	if (dstack_log_is_high())
		events |= EPOLLPRI;
	return events;
}

static int device_open(struct inode *inode, struct file *file)
{
	struct opener *opener = kzalloc_obj(*opener, GFP_KERNEL_ACCOUNT);

	if (!opener)
		return -ENOMEM;
	opener->container = dstack_identity_current();
	file->private_data = opener;
	return nonseekable_open(inode, file);
}

static int device_release(struct inode *inode, struct file *file)
{
	struct opener *opener = file->private_data;

	dstack_identity_put(opener->container);
	dstack_identity_put(opener->acts_for);
	kfree(opener);
	return 0;
}

static const struct file_operations device_fops = {
	.owner = THIS_MODULE,
	.open = device_open,
	.release = device_release,
	.unlocked_ioctl = device_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.poll = device_poll,
};

/* A container's runtime makes its own node, with the mode that it wants. */
static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "dstack",
	.fops = &device_fops,
	.mode = 0600,
};

/**
 * dstack_device_init() - open for business
 *
 * Return: 0 or -errno of misc_register().
 */
int __init dstack_device_init(void)
{
	return misc_register(&device);
}

/**
 * dstack_device_exit() - close
 */
void dstack_device_exit(void)
{
	misc_deregister(&device);
}
