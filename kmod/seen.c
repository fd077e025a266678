// SPDX-License-Identifier: GPL-2.0-only
/*
 * What one container was already measured with
 *
 * Copyright The dstack for Linux authors
 *
 * Libraries and scripts are recorded once per container, denials at every
 * power of two of their count: what a container does again and again must not
 * flood the log.
 */
#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/err.h>
#include <linux/jhash.h>
#include <linux/log2.h>
#include <linux/rcupdate.h>
#include <linux/rhashtable.h>
#include <linux/slab.h>
#include <linux/unaligned.h>

#include "bounds.h"
#include "seen.h"

#define KINDS	6	/* bits of enum dstack_kind */

/**
 * struct seen_file - one file
 * @node: in dstack_seen.files
 * @digest: which file
 * @recorded: in which roles it is in the log
 * @denied: how often it was denied in each role
 */
struct seen_file {
	struct rhash_head node;
	struct dstack_digest digest;
	atomic_t recorded;
	atomic64_t denied[KINDS];
};

/*
 * A digest is as good as random, but for somebody who looks for files whose
 * digests begin alike: the seed spoils that.
 */
static __always_inline u32 hash_digest(const void *key, u32 len, u32 seed)
{
	const struct dstack_digest *digest = key;

	return jhash_1word(get_unaligned_le32(digest->value), seed);
}

/* In pieces, which the compiler compares in place. */
static __always_inline int differs(struct rhashtable_compare_arg *arg,
				   const void *obj)
{
	const struct dstack_digest *digest = arg->key;
	const struct seen_file *file = obj;

	return digest->alg != file->digest.alg ||
		memcmp(digest->value, file->digest.value,
		       sizeof(digest->value));
}

static const struct rhashtable_params params = {
	.key_len = sizeof(struct dstack_digest),
	.key_offset = offsetof(struct seen_file, digest),
	.head_offset = offsetof(struct seen_file, node),
	.hashfn = hash_digest,
	.obj_cmpfn = differs,
	.automatic_shrinking = true,
};

/**
 * dstack_seen_init() - a container that was measured with nothing
 * @seen: the set
 *
 * Return: 0 or -ENOMEM.
 */
int dstack_seen_init(struct dstack_seen *seen)
{
	return rhashtable_init(&seen->files, &params);
}

static void free_file(void *file, void *arg)
{
	kfree(file);
}

/**
 * dstack_seen_exit() - forget everything
 * @seen: the set; nobody uses it any more
 *
 * Context: sleeps.
 */
void dstack_seen_exit(struct dstack_seen *seen)
{
	rhashtable_free_and_destroy(&seen->files, free_file, NULL);
}

static __always_inline struct seen_file *
find(struct dstack_seen *seen, const struct dstack_digest *digest)
{
	return rhashtable_lookup(&seen->files, digest, params);
}

/*
 * Insert unless it is there.  Null if there is no room or no memory: the file
 * is then recorded again, which costs a record and loses nothing.
 */
static struct seen_file *find_or_add(struct dstack_seen *seen,
				     const struct dstack_digest *digest)
{
	struct seen_file *file, *old;

	rcu_read_lock();
	old = find(seen, digest);
	rcu_read_unlock();
	if (old)
		return old;
	/* There is always room for what all others share. */
	if (atomic_read(&seen->files.nelems) >= DSTACK_SEEN_MAX &&
	    digest->alg != DSTACK_ALG_NONE)
		return NULL;
	file = kzalloc_obj(*file, GFP_KERNEL_ACCOUNT);
	if (!file)
		return NULL;
	file->digest = *digest;
	rcu_read_lock();
	old = rhashtable_lookup_get_insert_fast(&seen->files, &file->node,
						params);
	rcu_read_unlock();
	if (!old)
		return file;
	kfree(file);
	return IS_ERR(old) ? NULL : old;
}

/**
 * dstack_seen_recorded() - is this in the log already
 * @seen: the set
 * @digest: the file
 * @what: as dstack_seen_add() takes it
 *
 * Return: true if dstack_seen_add() was called for all of it.
 */
bool dstack_seen_recorded(struct dstack_seen *seen,
			  const struct dstack_digest *digest, u32 what)
{
	struct seen_file *file;
	bool recorded;

	rcu_read_lock();
	file = find(seen, digest);
	recorded = file && (atomic_read(&file->recorded) & what) == what;
	rcu_read_unlock();
	return recorded;
}

/**
 * dstack_seen_add() - remember that records are in the log
 * @seen: the set
 * @digest: the file
 * @what: mask of enum dstack_kind, shifted if it was not approved
 */
void dstack_seen_add(struct dstack_seen *seen,
		     const struct dstack_digest *digest, u32 what)
{
	struct seen_file *file = find_or_add(seen, digest);

	if (file && (atomic_read(&file->recorded) & what) != what)
		atomic_or(what, &file->recorded);
}

/**
 * dstack_seen_denied() - count a denial
 * @seen: the set
 * @digest: the file; none if it was not identified
 * @kind: its role
 *
 * Return: how often this file was denied in this role, from 1; each number is
 * returned once.  0 if there is no room or no memory to count it.
 */
u64 dstack_seen_denied(struct dstack_seen *seen,
		       const struct dstack_digest *digest,
		       enum dstack_kind kind)
{
	struct seen_file *file;

	BUILD_BUG_ON(BIT(KINDS) - 1 !=
		     (__DSTACK_KIND_ALL | DSTACK_KIND_MEMORY));
	file = find_or_add(seen, digest);
	return file ? atomic64_inc_return(&file->denied[ilog2(kind)]) : 0;
}

/**
 * dstack_seen_find() - look through all that was recorded
 * @seen: the set
 * @match: called under RCU for each file that ran
 * @arg: its
 * @digest: the file that matched
 *
 * A file that comes meanwhile may be missed, and none that was there.
 *
 * Return: whether one matched.
 */
bool dstack_seen_find(struct dstack_seen *seen, dstack_seen_fn match, void *arg,
		      struct dstack_digest *digest)
{
	struct rhashtable_iter iter;
	struct seen_file *file;
	bool found = false;

	rhashtable_walk_enter(&seen->files, &iter);
	rhashtable_walk_start(&iter);
	while (!found && (file = rhashtable_walk_next(&iter))) {
		/* The table grows: some come again. */
		if (IS_ERR(file))
			continue;
		found = match(&file->digest, atomic_read(&file->recorded) &
			      __DSTACK_KIND_ALL, arg);
		if (found)
			*digest = file->digest;
	}
	rhashtable_walk_stop(&iter);
	rhashtable_walk_exit(&iter);
	return found;
}
