// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which container a process belongs to
 *
 * Copyright The dstack for Linux authors
 *
 * A container is a cgroup of the unified hierarchy and everything below it: a
 * process belongs to its nearest registered ancestor.  Namespaces can be
 * shared and joined; a process leaves its cgroup only by the hand of somebody
 * who may write to the cgroup file system.
 */
#include <linux/cgroup.h>
#include <linux/hashtable.h>
#include <linux/kernel.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/xarray.h>

#include "identity.h"
#include "bounds.h"
#include "quota.h"

/* By cgroup id.  Written under xa_lock, read under RCU. */
static DEFINE_XARRAY(containers);
static atomic_t count;

/*
 * The same by cgroup: every hook asks for the caller's, once for each cgroup
 * that it is in.  A cgroup is pinned as long as its container, so that another
 * cannot have its address.  Callers serialise changes; read under RCU.
 */
static DEFINE_HASHTABLE(by_cgroup, DSTACK_CONTAINERS_BITS);

/* What is in none of them, from init to exit.  It has no cgroup. */
static struct dstack_container *host;

static void free_rcu_done(struct rcu_head *rcu)
{
	kfree(container_of(rcu, struct dstack_container, rcu));
}

static void release(struct kref *ref)
{
	struct dstack_container *container =
		container_of(ref, struct dstack_container, ref);

	dstack_seen_exit(&container->seen);
	dstack_quota_put(container->quota);
	if (container->cgroup)
		cgroup_put(container->cgroup);
	call_rcu(&container->rcu, free_rcu_done);
}

/**
 * dstack_identity_put() - drop a reference
 * @container: may be NULL
 *
 * Context: sleeps.
 */
void dstack_identity_put(struct dstack_container *container)
{
	if (container)
		kref_put(&container->ref, release);
}

static struct dstack_container *new_container(void)
{
	struct dstack_container *container;
	int err;

	container = kzalloc_obj(*container, GFP_KERNEL_ACCOUNT);
	if (!container)
		return ERR_PTR(-ENOMEM);
	container->quota = dstack_quota_alloc(container->id);
	err = container->quota ? dstack_seen_init(&container->seen) : -ENOMEM;
	if (err) {
		dstack_quota_put(container->quota);
		kfree(container);
		return ERR_PTR(err);
	}
	kref_init(&container->ref);
	return container;
}

/**
 * dstack_identity_init() - the host, and no container yet
 *
 * Return: 0 or -ENOMEM.
 */
int __init dstack_identity_init(void)
{
	host = new_container();
	if (IS_ERR(host))
		return PTR_ERR(host);
	strscpy(host->id, DSTACK_HOST_ID);
	strscpy(host->section, DSTACK_HOST_ID);
	dstack_quota_put(host->quota);
	host->quota = dstack_quota_get(&dstack_quota_host);
	return 0;
}

/**
 * dstack_identity_exit() - forget every container
 */
void dstack_identity_exit(void)
{
	struct dstack_container *container;
	unsigned long id;

	xa_for_each(&containers, id, container)
		dstack_identity_remove(container);
	xa_destroy(&containers);
	dstack_identity_put(host);
	rcu_barrier();		/* free_rcu_done() is code of this module */
}

/**
 * dstack_identity_alloc() - a container that is not registered yet
 * @cgroup_fd: descriptor of its cgroup directory, in the caller
 *
 * Return: the container, whose strings the caller fills in; -EBADF if the
 * descriptor is no cgroup of the unified hierarchy, -ENOMEM.
 */
struct dstack_container *dstack_identity_alloc(int cgroup_fd)
{
	struct dstack_container *container;
	struct cgroup *cgroup;

	/* Takes the unified hierarchy only. */
	cgroup = cgroup_get_from_fd(cgroup_fd);
	if (IS_ERR(cgroup))
		return ERR_PTR(-EBADF);
	container = new_container();
	if (IS_ERR(container)) {
		cgroup_put(cgroup);
		return container;
	}
	container->cgroup = cgroup;
	container->cgroup_id = cgroup_id(cgroup);
	return container;
}

static bool caller_is_in(struct cgroup *cgroup)
{
	bool in;

	rcu_read_lock();
	in = cgroup_is_descendant(task_dfl_cgroup(current), cgroup);
	rcu_read_unlock();
	return in;
}

/**
 * dstack_identity_reserve() - everything of a registration that can fail
 * @container: from dstack_identity_alloc(), filled in
 *
 * A cgroup that the caller itself is in is refused: it is the host's, and the
 * host would become the container.  Callers serialise changes.
 *
 * Return: 0, for dstack_identity_commit() or dstack_identity_cancel();
 * -EEXIST for a known id or cgroup, -ELOOP for the caller's own cgroup,
 * -ENOSPC past DSTACK_CONTAINERS_MAX, -ENOMEM.
 */
int dstack_identity_reserve(const struct dstack_container *container)
{
	struct dstack_container *old;

	if (caller_is_in(container->cgroup))
		return -ELOOP;
	if (atomic_read(&count) >= DSTACK_CONTAINERS_MAX)
		return -ENOSPC;
	if (xa_load(&containers, container->cgroup_id))
		return -EEXIST;
	old = dstack_identity_find(container->id);
	dstack_identity_put(old);
	if (old)
		return -EEXIST;
	return xa_reserve(&containers, container->cgroup_id,
			  GFP_KERNEL_ACCOUNT);
}

/**
 * dstack_identity_commit() - register; cannot fail
 * @container: reserved; the registry takes over the caller's reference
 *
 * From here on its processes are found.
 */
void dstack_identity_commit(struct dstack_container *container)
{
	/* The slot is reserved: this allocates nothing. */
	xa_store(&containers, container->cgroup_id, container,
		 GFP_KERNEL_ACCOUNT);
	hash_add_rcu(by_cgroup, &container->node,
		     (unsigned long)container->cgroup);
	atomic_inc(&count);
}

/**
 * dstack_identity_cancel() - do not register after all
 * @container: reserved; stays the caller's
 */
void dstack_identity_cancel(const struct dstack_container *container)
{
	xa_release(&containers, container->cgroup_id);
}

/**
 * dstack_identity_idle() - may this container be forgotten
 * @container: registered
 *
 * A process of a forgotten container would be the host's.
 *
 * Return: 0, or -EBUSY while a process is in it.
 */
int dstack_identity_idle(const struct dstack_container *container)
{
	return cgroup_is_populated(container->cgroup) ? -EBUSY : 0;
}

/**
 * dstack_identity_dead() - a container whose cgroup was removed
 *
 * A cgroup can be removed when its last process has left it, and takes none any
 * more: nothing can run in this container again.  Its path may come back, as
 * another cgroup.
 *
 * Return: any such container, for dstack_identity_put(), or NULL.
 */
struct dstack_container *dstack_identity_dead(void)
{
	struct dstack_container *container;
	unsigned long index;

	rcu_read_lock();
	xa_for_each(&containers, index, container)
		if (cgroup_is_dead(container->cgroup) &&
		    kref_get_unless_zero(&container->ref))
			break;
	rcu_read_unlock();
	return container;
}

/**
 * dstack_identity_remove() - forget a container
 * @container: registered
 */
void dstack_identity_remove(struct dstack_container *container)
{
	if (xa_erase(&containers, container->cgroup_id) != container)
		return;
	hash_del_rcu(&container->node);
	WRITE_ONCE(container->gone, true);
	atomic_dec(&count);
	dstack_identity_put(container);
}

static struct dstack_container *registered(const struct cgroup *cgroup)
{
	struct dstack_container *container;

	hash_for_each_possible_rcu(by_cgroup, container, node,
				   (unsigned long)cgroup)
		if (container->cgroup == cgroup)
			return container;
	return NULL;
}

static struct dstack_container *nearest(struct task_struct *task)
{
	struct dstack_container *container = NULL;
	struct cgroup *cgroup;

	if (!atomic_read(&count))
		return NULL;
	for (cgroup = task_dfl_cgroup(task); cgroup && !container;
	     cgroup = cgroup_parent(cgroup))
		container = registered(cgroup);
	return container;
}

/**
 * dstack_identity_peek() - the container of a process, without a reference
 * @task: the process
 *
 * Context: under rcu_read_lock(), which is as long as the container lasts.
 * Return: the container or NULL: the host.
 */
struct dstack_container *dstack_identity_peek(struct task_struct *task)
{
	return nearest(task);
}

/**
 * dstack_identity_has() - is a process in a container
 * @task: the process
 *
 * Context: any.
 * Return: true if it is, false for the host.
 */
bool dstack_identity_has(struct task_struct *task)
{
	guard(rcu)();
	return nearest(task);
}

/**
 * dstack_identity_get() - have a container stay
 * @container: from dstack_identity_peek() or the host; may be NULL
 *
 * Context: any.
 * Return: true if it does, until dstack_identity_put().
 */
bool dstack_identity_get(struct dstack_container *container)
{
	return container && kref_get_unless_zero(&container->ref);
}

/**
 * dstack_identity_of() - the container of a process
 * @task: one of its threads; its cgroup is what counts
 *
 * Return: the container, for dstack_identity_put(), or NULL: the host.
 */
struct dstack_container *dstack_identity_of(struct task_struct *task)
{
	struct dstack_container *container;

	rcu_read_lock();
	do
		container = nearest(task);
	while (container && !dstack_identity_get(container));
	rcu_read_unlock();
	return container;
}

/**
 * dstack_identity_current() - the container of the calling process
 *
 * Return: the container, for dstack_identity_put(), or NULL: the host.
 */
struct dstack_container *dstack_identity_current(void)
{
	return dstack_identity_of(current);
}

/**
 * dstack_identity_host() - what is in no container
 *
 * Return: the host, as a container of its own; needs no reference.
 */
struct dstack_container *dstack_identity_host(void)
{
	return host;
}

/**
 * dstack_identity_find() - the container with this id
 * @id: NUL-terminated
 *
 * Return: the container, for dstack_identity_put(), or NULL.
 */
struct dstack_container *dstack_identity_find(const char *id)
{
	struct dstack_container *container;
	unsigned long index;

	rcu_read_lock();
	xa_for_each(&containers, index, container)
		if (!strcmp(container->id, id) &&
		    kref_get_unless_zero(&container->ref))
			break;
	rcu_read_unlock();
	return container;
}

/**
 * dstack_identity_next() - walk the registry
 * @cgroup_id: where to start; is set to where to go on
 *
 * Return: the container, for dstack_identity_put(), or NULL at the end.
 */
struct dstack_container *dstack_identity_next(unsigned long *cgroup_id)
{
	struct dstack_container *container;
	unsigned long index = *cgroup_id;

	rcu_read_lock();
	xa_for_each_start(&containers, index, container, *cgroup_id)
		if (kref_get_unless_zero(&container->ref))
			break;
	rcu_read_unlock();
	*cgroup_id = index + 1;
	return container;
}

/**
 * dstack_identity_count() - how many containers are registered
 *
 * Return: the number.
 */
u32 dstack_identity_count(void)
{
	return atomic_read(&count);
}
