/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How much of the log one container may take
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_QUOTA_H
#define _DSTACK_QUOTA_H

#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/refcount.h>
#include <linux/types.h>

/**
 * enum dstack_quota_kind - what there can be too much of
 * @DSTACK_QUOTA_USER: events of a container's own, in a time
 * @DSTACK_QUOTA_FILE: files new to a container that the policy does not approve
 *	of, and denials, in a time
 * @__DSTACK_QUOTA_RATES: those above have a rate
 * @DSTACK_QUOTA_ROOM: records that wait for the daemon
 */
enum dstack_quota_kind {
	DSTACK_QUOTA_USER,
	DSTACK_QUOTA_FILE,
	__DSTACK_QUOTA_RATES,
	DSTACK_QUOTA_ROOM = __DSTACK_QUOTA_RATES,
	__DSTACK_QUOTA_MAX
};

/**
 * struct dstack_quota - what one container has used
 * @ref: held by the container and by every record that waits
 * @id: of the container; only while that is there
 * @waiting: bytes of its records that wait for the daemon; log.c's lock
 * @paid: of each rate, the time in ns until which it is used up
 * @refused: how much of each kind was too much
 * @told: how much of it the log says
 */
struct dstack_quota {
	refcount_t ref;
	const char *id;
	u64 waiting;
	atomic64_t paid[__DSTACK_QUOTA_RATES];
	atomic64_t refused[__DSTACK_QUOTA_MAX];
	atomic64_t told[__DSTACK_QUOTA_MAX];
};

/* Of the host, which has no rates. */
extern struct dstack_quota dstack_quota_host;

struct dstack_quota *dstack_quota_alloc(const char *id);
struct dstack_quota *dstack_quota_get(struct dstack_quota *quota);
void dstack_quota_put(struct dstack_quota *quota);

bool dstack_quota_take(struct dstack_quota *quota,
		       enum dstack_quota_kind kind);
bool dstack_quota_has_room(const struct dstack_quota *quota, u64 used,
			   bool modest);
u64 dstack_quota_refused(const struct dstack_quota *quota);
const char *dstack_quota_name(enum dstack_quota_kind kind);

#endif /* _DSTACK_QUOTA_H */
