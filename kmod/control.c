// SPDX-License-Identifier: GPL-2.0-only
/*
 * Changes by the operator: each is an event before it is in force
 *
 * Copyright The dstack for Linux authors
 */
#include <linux/bits.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/mutex.h>
#include <linux/security.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "backend.h"
#include "block.h"
#include "cache.h"
#include "control.h"
#include "draft.h"
#include "event.h"
#include "hash.h"
#include "identity.h"
#include "key.h"
#include "log.h"
#include "measure.h"
#include "policy.h"
#include "quota.h"
#include "revoke.h"
#include "root.h"
#include "table.h"
#include "trace/trace.h"
#include "words.h"

/* One change at a time.  Outside the measure lock. */
static DEFINE_MUTEX(lock);

/*
 * A BPF link lives as long as a reference to its file: holding these keeps the
 * hooks attached whatever happens to the daemon and to pins.
 */
static struct file *hooks[__DSTACK_HOOK_MAX];
static bool hooks_held;

/**
 * dstack_control_init() - record that the module was loaded
 *
 * Return: 0 or as dstack_measure().
 */
int __init dstack_control_init(void)
{
	struct dstack_draft *draft __free(dstack_draft) = dstack_draft_get();
	struct dstack_log_stats stats;
	struct dstack_event *ev;
	int err;

	if (!draft)
		return -ENOMEM;
	err = dstack_log_stats(&stats);
	if (err)
		return err;
	ev = &draft->ev;
	dstack_event_begin(ev, DSTACK_EVENT_START);
	dstack_event_str(ev, "backend", dstack_backend()->name);
	dstack_event_u64(ev, "abi", DSTACK_ABI);
	dstack_event_hex(ev, "base", stats.fold.base,
			 sizeof(stats.fold.base));
	return dstack_measure(ev, NULL);
}

static void release_hooks(void)
{
	size_t i;

	/* Without them nobody sees who changes a file, or what lies below. */
	dstack_cache_use(false);
	dstack_block_clear();
	for (i = 0; i < __DSTACK_HOOK_MAX && hooks_held; i++)
		fput(hooks[i]);
	WRITE_ONCE(hooks_held, false);
}

/**
 * dstack_control_exit() - let go of everything
 *
 * While links are held the programs hold the module, so there are none now.
 */
void dstack_control_exit(void)
{
	release_hooks();
	dstack_policy_exit();
}

/**
 * dstack_control_hooks() - keep these links attached
 * @links: one for each hook; references taken over if 0 is returned
 *
 * Return: 0, or -EBUSY if links are held already.
 */
int dstack_control_hooks(struct file *links[__DSTACK_HOOK_MAX])
{
	guard(mutex)(&lock);
	if (hooks_held)
		return -EBUSY;
	memcpy(hooks, links, sizeof(hooks));
	WRITE_ONCE(hooks_held, true);
	dstack_cache_use(true);
	return 0;
}

/**
 * dstack_control_hooks_held() - whose links are held
 *
 * Return: one bit for each enum dstack_hook.
 */
u32 dstack_control_hooks_held(void)
{
	return READ_ONCE(hooks_held) ? BIT(__DSTACK_HOOK_MAX) - 1 : 0;
}

/* What runs from now on is not looked at. */
static void lose_sight(void)
{
	struct dstack_container *container;
	unsigned long next = 0;

	while ((container = dstack_identity_next(&next))) {
		WRITE_ONCE(container->strayed, true);
		dstack_identity_put(container);
	}
	dstack_root_wipe();
}

static void publish_state(void *arg)
{
	u32 state = *(u32 *)arg;

	dstack_policy_set_state(state);
	if (state == DSTACK_STATE_OFF)
		lose_sight();
}

static int refuse(const char **why, int err, const char *text)
{
	*why = text;
	return err;
}

/* What of LOCKED is not in our hands. */
static int may_lock(enum dstack_state old, const char **why)
{
	struct dstack_policy_facts facts;

	if (old != DSTACK_STATE_ENFORCE)
		return refuse(why, -EINVAL,
			      "state locked follows enforce: see first that all works there");
	dstack_policy_facts(&facts);
	if (!facts.has_host)
		return refuse(why, -ENODATA,
			      "the policy has no section \"host\", so nothing would run outside of containers");
	if (dstack_measure_diverged())
		return refuse(why, -ENOTRECOVERABLE,
			      "the register was extended by somebody else: no quote of this boot verifies any more");
	/* Only confidentiality, the higher level, forbids this. */
	if (!security_locked_down(LOCKDOWN_KCORE))
		return refuse(why, -EOPNOTSUPP,
			      "the kernel is not locked down: boot with lockdown=confidentiality");
	return 0;
}

static int may_change(enum dstack_state old, u32 state, const char **why)
{
	if (state >= __DSTACK_STATE_MAX)
		return refuse(why, -EOPNOTSUPP,
			      "this module has no such state");
	if (old == DSTACK_STATE_LOCKED && state != old)
		return refuse(why, -EPERM,
			      "state locked lasts until the next boot");
	if (state != DSTACK_STATE_OFF && !hooks_held)
		return refuse(why, -ENOLINK,
			      "no hooks are held: start dstackd first");
	if (state == DSTACK_STATE_LOCKED && state != old)
		return may_lock(old, why);
	return 0;
}

static int announce(enum dstack_state from, u32 to)
{
	struct dstack_draft *draft __free(dstack_draft) = dstack_draft_get();

	if (!draft)
		return -ENOMEM;
	dstack_event_begin(&draft->ev, DSTACK_EVENT_STATE);
	dstack_event_str(&draft->ev, "from", dstack_state_name(from));
	dstack_event_str(&draft->ev, "to", dstack_state_name(to));
	return dstack_measure_publish(&draft->ev, NULL, publish_state, &to,
				      NULL);
}

/**
 * dstack_control_state() - change the state
 * @state: enum dstack_state
 * @why: what is in the way
 *
 * OFF lets go of the links, so that the module can be unloaded.  LOCKED is for
 * ever.
 *
 * Return: 0; -EOPNOTSUPP for an unknown state, or LOCKED on a kernel that is
 * not locked down; -ENOLINK if no links are held to see execs with; -EPERM out
 * of LOCKED; -EINVAL into it but from ENFORCE, -ENODATA without a section for
 * the host, -ENOTRECOVERABLE if the register diverged; or as dstack_measure().
 */
int dstack_control_state(u32 state, const char **why)
{
	enum dstack_state old;
	int err;

	guard(mutex)(&lock);
	old = dstack_policy_state();
	err = may_change(old, state, why);
	if (!err && state != old)
		err = announce(old, state);
	/* Links may have come since OFF was last entered. */
	if (!err && state == DSTACK_STATE_OFF)
		release_hooks();
	return err;
}

static struct dstack_policy *make_policy(const void *table, size_t size,
					 const u8 *document, const char **why)
{
	struct dstack_policy *policy;
	u32 *index;
	int err;

	err = dstack_table_check(table, size, why);
	if (err)
		return ERR_PTR(err);
	policy = kzalloc_obj(*policy, GFP_KERNEL);
	index = kvmalloc(dstack_table_index_size(table), GFP_KERNEL);
	err = policy && index ? 0 : -ENOMEM;
	if (!err)
		err = dstack_sha256(table, size, policy->table_digest);
	if (err) {
		kvfree(index);
		kfree(policy);
		return ERR_PTR(err);
	}
	dstack_table_index(table, index);
	policy->index = index;
	policy->table = table;
	policy->size = size;
	policy->epoch = le64_to_cpu(((const struct dstack_table_header *)
				     table)->epoch);
	memcpy(policy->document_digest, document,
	       sizeof(policy->document_digest));
	return policy;
}

static void policy_event(struct dstack_event *ev,
			 const struct dstack_policy *policy)
{
	const struct dstack_table_header *header = policy->table;

	dstack_event_begin(ev, DSTACK_EVENT_POLICY);
	dstack_event_u64(ev, "epoch", policy->epoch);
	dstack_event_hex(ev, "app", header->app_id, sizeof(header->app_id));
	dstack_event_sha256(ev, "table", policy->table_digest);
	dstack_event_sha256(ev, "document", policy->document_digest);
	dstack_event_u64(ev, "rules", le32_to_cpu(header->rules));
}

/* Swaps: the former policy comes back in the argument. */
static void publish_policy(void *arg)
{
	struct dstack_policy **policy = arg;

	*policy = dstack_policy_swap(*policy);
}

static int may_replace(const struct dstack_policy *new, const char **why)
{
	const struct dstack_table_header *header = new->table;
	struct dstack_policy_facts old;

	dstack_policy_facts(&old);
	/* Whoever only takes away needs no epoch, which the next one has. */
	if (new->epoch <= old.epoch && !dstack_policy_withdraws(new->table))
		return refuse(why, -ESTALE,
			      "the epoch must be higher than the active policy's");
	if (dstack_policy_state() != DSTACK_STATE_LOCKED)
		return 0;
	if (!dstack_table_find(new->table, DSTACK_HOST_ID))
		return refuse(why, -ENODATA,
			      "in state locked a policy needs a section \"host\"");
	if (memcmp(header->app_id, old.app_id, sizeof(old.app_id)))
		return refuse(why, -EPERM,
			      "in state locked the application stays the same");
	return 0;
}

static int activate(struct dstack_policy **policy, const char **why)
{
	struct dstack_draft *draft __free(dstack_draft) = dstack_draft_get();
	int err;

	lockdep_assert_held(&lock);
	if (!draft)
		return -ENOMEM;
	err = may_replace(*policy, why);
	if (err)
		return err;
	policy_event(&draft->ev, *policy);
	return dstack_measure_publish(&draft->ev, NULL, publish_policy, policy,
				      NULL);
}

static void trace_policy(const struct dstack_policy *policy, int err)
{
	const struct dstack_table_header *header = policy->table;

	dstack_trace_policy(policy->epoch, le32_to_cpu(header->rules),
			    policy->table_digest, err);
}

/**
 * dstack_control_policy() - make a table the active policy
 * @table: from kvmalloc(), taken over if 0 is returned
 * @size: its bytes
 * @document: SHA-256 of the JSON document that it was compiled from
 * @why: what is wrong with it
 *
 * Its epoch has to rise, unless it is the active one without its containers.
 *
 * Return: 0; -EBADMSG, -ESTALE if its epoch does not rise, -ENOMEM; in LOCKED
 * -ENODATA without a section for the host, -EPERM for another application; or
 * as dstack_measure().  Then the former policy stays.
 */
int dstack_control_policy(const void *table, size_t size,
			  const u8 document[DSTACK_DIGEST_SIZE],
			  const char **why)
{
	struct dstack_policy *policy, *new;
	int err;

	policy = make_policy(table, size, document, why);
	if (IS_ERR(policy))
		return PTR_ERR(policy);

	new = policy;
	mutex_lock(&lock);
	err = activate(&policy, why);
	trace_policy(new, err);
	mutex_unlock(&lock);
	if (err) {
		kvfree(policy->index);
		kfree(policy);		/* the table stays the caller's */
		return err;
	}
	dstack_key_review();
	dstack_revoke_former(policy);
	return 0;
}

static void container_event(struct dstack_event *ev, const char *action,
			    const struct dstack_container *container)
{
	dstack_event_begin(ev, DSTACK_EVENT_CONTAINER);
	dstack_event_str(ev, "action", action);
	dstack_event_str(ev, "id", container->id);
	dstack_event_str(ev, "section", container->section);
	dstack_event_hex(ev, "app", container->app_id,
			 sizeof(container->app_id));
	dstack_event_sha256(ev, "image", container->image);
	dstack_event_u64(ev, "cgroup", container->cgroup_id);
	dstack_event_str(ev, "flags",
			 container->flags & DSTACK_CONTAINER_F_SECUREBITS ?
			 "securebits" : "none");
}

static void publish_add(void *arg)
{
	struct dstack_container *container = arg;

	if (dstack_policy_state() == DSTACK_STATE_OFF)
		container->strayed = true;
	dstack_identity_commit(container);
}

static void publish_remove(void *arg)
{
	dstack_identity_remove(arg);
}

static int forget(struct dstack_event *ev, struct dstack_container *container)
{
	int err;

	lockdep_assert_held(&lock);
	err = dstack_measure_quota(container->quota);
	if (err)
		return err;
	container_event(ev, "remove", container);
	err = dstack_measure_publish(ev, NULL, publish_remove, container,
				     NULL);
	if (!err)
		dstack_key_review();
	return err;
}

/*
 * Nobody removes the containers of a runtime that died.  They must neither
 * fill the registry nor keep their ids from those who start them again.
 */
static int forget_dead(struct dstack_event *ev)
{
	struct dstack_container *container;
	int err = 0;

	while (!err && (container = dstack_identity_dead())) {
		err = forget(ev, container);
		dstack_identity_put(container);
	}
	return err;
}

/**
 * dstack_control_add() - register a container
 * @container: filled in; taken over if 0 is returned
 *
 * Containers whose cgroup is gone are removed first, each with its event.
 *
 * Return: 0; -EINVAL for a malformed id or section or the id "host";
 * -EOPNOTSUPP for flags that this kernel can't do; as
 * dstack_identity_reserve(); as dstack_measure().
 */
int dstack_control_add(struct dstack_container *container)
{
	struct dstack_draft *draft __free(dstack_draft) = NULL;
	int err;

	if (!dstack_event_id_ok(container->id) ||
	    !dstack_event_name_ok(container->section) ||
	    !strcmp(container->id, DSTACK_HOST_ID))
		return -EINVAL;
	if (container->flags & ~__DSTACK_CONTAINER_F_ALL ||
	    (container->flags & DSTACK_CONTAINER_F_SECUREBITS &&
	     !DSTACK_IDENTITY_SECUREBITS))
		return -EOPNOTSUPP;
	draft = dstack_draft_get();
	if (!draft)
		return -ENOMEM;
	guard(mutex)(&lock);
	err = forget_dead(&draft->ev) ?: dstack_identity_reserve(container);
	if (err)
		return err;
	container_event(&draft->ev, "add", container);
	err = dstack_measure_publish(&draft->ev, NULL, publish_add, container,
				     NULL);
	if (err)
		dstack_identity_cancel(container);
	return err;
}

/**
 * dstack_control_remove() - forget a container
 * @id: NUL-terminated
 *
 * Return: 0; -ENOENT, -EBUSY while a process is in it, or as
 * dstack_measure().
 */
int dstack_control_remove(const char *id)
{
	struct dstack_container *container __free(dstack_container) = NULL;
	struct dstack_draft *draft __free(dstack_draft) = dstack_draft_get();

	if (!draft)
		return -ENOMEM;
	guard(mutex)(&lock);
	container = dstack_identity_find(id);
	if (!container)
		return -ENOENT;
	return dstack_identity_idle(container) ?:
		forget(&draft->ev, container);
}

/**
 * dstack_control_event() - record an event of the boot
 * @name: not one of the kernel's
 * @payload: its payload
 * @len: bytes of it
 *
 * Return: 0; -EINVAL for a malformed or reserved name, -EMSGSIZE, or as
 * dstack_measure().
 */
int dstack_control_event(const char *name, const void *payload, size_t len)
{
	struct dstack_draft *draft __free(dstack_draft) = dstack_draft_get();
	int err;

	if (!draft)
		return -ENOMEM;
	err = dstack_event_foreign(&draft->ev, name, payload, len);
	draft->ev.quota = &dstack_quota_host;
	return err ?: dstack_measure(&draft->ev, NULL);
}

static void device_event(struct dstack_event *ev, const char *action,
			 const struct dstack_block *block)
{
	dstack_event_begin(ev, DSTACK_EVENT_DEVICE);
	dstack_event_str(ev, "action", action);
	dstack_event_str(ev, "class", dstack_storage_name(block->storage));
	dstack_event_str(ev, "device", dstack_block_name(block));
	if (block->root_len)
		dstack_event_hex(ev, "root", block->root, block->root_len);
	else
		dstack_event_str(ev, "root", "none");
}

static void publish_device(void *arg)
{
	dstack_block_commit(arg);
}

static void publish_no_device(void *arg)
{
	dstack_block_remove(arg);
}

/**
 * dstack_control_device() - let what lies on a block device be of its class
 * @block: from dstack_block_open(); taken over if 0 is returned
 *
 * Which device checks what it reads, the host says: in LOCKED it is not asked
 * any more.
 *
 * Return: 0; -EPERM in LOCKED, -ENOLINK if no links are held to see the device
 * change with; as dstack_block_reserve(); as dstack_measure().
 */
int dstack_control_device(struct dstack_block *block)
{
	struct dstack_draft *draft __free(dstack_draft) = dstack_draft_get();
	int err;

	if (!draft)
		return -ENOMEM;
	guard(mutex)(&lock);
	if (dstack_policy_state() == DSTACK_STATE_LOCKED)
		return -EPERM;
	if (!hooks_held)
		return -ENOLINK;
	err = dstack_block_reserve(block);
	if (err)
		return err;
	device_event(&draft->ev, "add", block);
	err = dstack_measure_publish(&draft->ev, NULL, publish_device, block,
				     NULL);
	if (err)
		dstack_block_cancel(block);
	return err;
}

/**
 * dstack_control_no_device() - a block device is one as any other again
 * @dev: its number
 *
 * Return: 0; -ENOENT if it is not registered, or as dstack_measure().
 */
int dstack_control_no_device(dev_t dev)
{
	struct dstack_draft *draft __free(dstack_draft) = dstack_draft_get();
	struct dstack_block *block;
	int err;

	if (!draft)
		return -ENOMEM;
	guard(mutex)(&lock);
	block = dstack_block_find(dev);
	if (!block)
		return -ENOENT;
	device_event(&draft->ev, "remove", block);
	err = dstack_measure_publish(&draft->ev, NULL, publish_no_device,
				     block, NULL);
	if (!err)
		dstack_block_close(block);
	return err;
}
