// SPDX-License-Identifier: GPL-2.0-only
/*
 * How much of the log one container may take
 *
 * Copyright The dstack for Linux authors
 *
 * A container can make the log grow as fast as it can call.  Two things keep
 * that from being everybody's trouble: what waits for the daemon is shared, and
 * what costs a container nothing has a rate.  Starting an approved program is
 * not limited by a rate: it costs more than its record.
 */
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/time64.h>
#include <linux/timekeeping.h>
#include <uapi/linux/dstack.h>

#include "bounds.h"
#include "quota.h"

#define INTERVAL	(NSEC_PER_SEC / DSTACK_QUOTA_RATE)

struct dstack_quota dstack_quota_host = {
	.ref = REFCOUNT_INIT(1),
	.id = DSTACK_HOST_ID,
};

/**
 * dstack_quota_alloc() - of a container that has used nothing
 * @id: of the container, which may be filled in later
 *
 * Return: the quota, for dstack_quota_put(); NULL if there is no memory.
 */
struct dstack_quota *dstack_quota_alloc(const char *id)
{
	struct dstack_quota *quota = kzalloc_obj(*quota, GFP_KERNEL_ACCOUNT);

	if (quota) {
		refcount_set(&quota->ref, 1);
		quota->id = id;
	}
	return quota;
}

/**
 * dstack_quota_get() - take a reference
 * @quota: may be NULL
 *
 * Return: @quota.
 */
struct dstack_quota *dstack_quota_get(struct dstack_quota *quota)
{
	if (quota)
		refcount_inc(&quota->ref);
	return quota;
}

/**
 * dstack_quota_put() - drop a reference
 * @quota: may be NULL
 */
void dstack_quota_put(struct dstack_quota *quota)
{
	if (quota && refcount_dec_and_test(&quota->ref))
		kfree(quota);
}

/**
 * dstack_quota_take() - one more of something that has a rate
 * @quota: of the container
 * @kind: one that has
 *
 * Each one pays for an interval from now on, or from where the last one paid
 * to; nobody pays for more than the burst in advance.
 *
 * Return: true if it may be.
 */
bool dstack_quota_take(struct dstack_quota *quota, enum dstack_quota_kind kind)
{
	s64 now = ktime_get_coarse_ns();
	s64 old = atomic64_read(&quota->paid[kind]), new;

	if (quota == &dstack_quota_host)
		return true;
	do {
		new = max(old, now) + INTERVAL;
		if (new > now + DSTACK_QUOTA_BURST * INTERVAL)
			return false;
	} while (!atomic64_try_cmpxchg(&quota->paid[kind], &old, new));
	return true;
}

/**
 * dstack_quota_has_room() - may one more record of it wait for the daemon
 * @quota: whose, NULL for the kernel's own
 * @used: bytes that wait, of all
 * @modest: leave as much again for others of its own
 *
 * A container may have a third of what is left waiting, so that one alone gets
 * a quarter, and the next ones less.  They cannot take it all: some is left for
 * containers that are not among them, and the last for what the operator does.
 *
 * Return: true if it may.
 */
bool dstack_quota_has_room(const struct dstack_quota *quota, u64 used,
			   bool modest)
{
	const u64 all = DSTACK_LOG_PENDING_MAX - DSTACK_LOG_RESERVE;
	const u64 shared = all - DSTACK_LOG_SPARE;
	u64 waiting;

	if (!quota)
		return used < DSTACK_LOG_PENDING_MAX;
	waiting = READ_ONCE(quota->waiting);
	if (waiting < DSTACK_LOG_LITTLE)
		return used < all;
	return used < shared && (modest ? 6 : 3) * waiting < shared - used;
}

/**
 * dstack_quota_refused() - how much was too much
 * @quota: of the container
 *
 * Return: the number, of all kinds.
 */
u64 dstack_quota_refused(const struct dstack_quota *quota)
{
	u64 sum = 0;
	size_t i;

	for (i = 0; i < __DSTACK_QUOTA_MAX; i++)
		sum += atomic64_read(&quota->refused[i]);
	return sum;
}

/**
 * dstack_quota_name() - as events say it
 * @kind: which
 *
 * Return: the name.
 */
const char *dstack_quota_name(enum dstack_quota_kind kind)
{
	static const char * const names[__DSTACK_QUOTA_MAX] = {
		[DSTACK_QUOTA_USER] = "user",
		[DSTACK_QUOTA_FILE] = "file",
		[DSTACK_QUOTA_ROOM] = "room",
	};

	return names[kind];
}
