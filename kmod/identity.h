/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which container a process belongs to
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_IDENTITY_H
#define _DSTACK_IDENTITY_H

#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/kref.h>
#include <linux/securebits.h>
#include <linux/types.h>
#include <uapi/linux/dstack.h>

#include "seen.h"
#include "words.h"

struct cgroup;
struct task_struct;
struct dstack_quota;

/*
 * What containers get that ask for it, each with its lock.  On a kernel that
 * has none of them it is 0.
 */
#define DSTACK_IDENTITY_SECUREBITS					\
	(SECBIT_EXEC_RESTRICT_FILE |					\
	 SECBIT_EXEC_RESTRICT_FILE_LOCKED |				\
	 SECBIT_EXEC_DENY_INTERACTIVE |					\
	 SECBIT_EXEC_DENY_INTERACTIVE_LOCKED)

/**
 * struct dstack_container - one registered container, or the host
 * @ref: held by the registry and by every user
 * @rcu: for freeing
 * @cgroup: its root; pinned, so that the id cannot come back; NULL: the host
 * @node: what processes find it by
 * @cgroup_id: what the operator and events know it by
 * @id: unique, NUL-terminated
 * @section: the policy section that applies, NUL-terminated
 * @app_id: of the application
 * @image: SHA-256 of the image manifest, zeros if not given
 * @flags: DSTACK_CONTAINER_F_*
 * @mode: which execs are recorded, as the last event said; changed and read
 *	under the measure lock, else read as a hint
 * @mode_epoch: of the policy that chose it
 * @memory: it may have executable memory that is no file's, as @mode
 * @memory_epoch: of the policy that said so
 * @seen: what was already recorded
 * @quota: how much of the log it has used
 * @keys: how many it has in keyrings
 * @gone: it is not registered any more
 * @strayed: something ran in it that nobody approved of, or nobody saw run
 * @allowed: verdicts that let something run
 * @denied: verdicts that did not, or in MEASURE would not
 * @tampers: how often its processes tried what
 *
 * Immutable once registered, but for @mode, @memory, @seen, @quota, @gone,
 * @strayed, which are set once, and the counters.
 */
struct dstack_container {
	struct kref ref;
	struct rcu_head rcu;
	struct cgroup *cgroup;
	struct hlist_node node;
	u64 cgroup_id;
	char id[DSTACK_ID_SIZE];
	char section[DSTACK_SECTION_SIZE];
	u8 app_id[DSTACK_APP_ID_SIZE];
	u8 image[DSTACK_DIGEST_SIZE];
	u32 flags;
	enum dstack_mode mode;
	u64 mode_epoch;
	bool memory;
	u64 memory_epoch;
	struct dstack_seen seen;
	struct dstack_quota *quota;
	atomic_t keys;
	bool gone;
	bool strayed;
	atomic64_t allowed;
	atomic64_t denied;
	atomic64_t tampers[__DSTACK_TAMPER_MAX];
};

int dstack_identity_init(void);
void dstack_identity_exit(void);

struct dstack_container *dstack_identity_alloc(int cgroup_fd);
int dstack_identity_reserve(const struct dstack_container *container);
void dstack_identity_commit(struct dstack_container *container);
void dstack_identity_cancel(const struct dstack_container *container);
int dstack_identity_idle(const struct dstack_container *container);
struct dstack_container *dstack_identity_dead(void);
void dstack_identity_remove(struct dstack_container *container);

struct dstack_container *dstack_identity_peek(struct task_struct *task);
bool dstack_identity_has(struct task_struct *task);
bool dstack_identity_get(struct dstack_container *container);
struct dstack_container *dstack_identity_current(void);
struct dstack_container *dstack_identity_host(void);
struct dstack_container *dstack_identity_of(struct task_struct *task);
struct dstack_container *dstack_identity_find(const char *id);
struct dstack_container *dstack_identity_next(unsigned long *cgroup_id);
u32 dstack_identity_count(void);
void dstack_identity_put(struct dstack_container *container);

DEFINE_FREE(dstack_container, struct dstack_container *,
	    dstack_identity_put(_T))

#endif /* _DSTACK_IDENTITY_H */
