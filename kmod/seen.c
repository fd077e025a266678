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
#include <linux/rcupdate.h>
#include <linux/rhashtable.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "limits.h"
#include "seen.h"

struct seen_key {
	u8 digest[DSTACK_DIGEST_SIZE];
	u32 kind;
};

/**
 * struct seen_file - one file in one role
 * @node: in dstack_seen.files
 * @key: which file, which role; the role of denials is its own
 * @denied: how often it was denied
 */
struct seen_file {
	struct rhash_head node;
	struct seen_key key;
	atomic64_t denied;
};

/* Keeps a denied file apart from the same file measured. */
#define KIND_DENIED	BIT(31)

static const struct rhashtable_params params = {
	.key_len = sizeof(struct seen_key),
	.key_offset = offsetof(struct seen_file, key),
	.head_offset = offsetof(struct seen_file, node),
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

static struct seen_file *find(struct dstack_seen *seen,
			      const struct seen_key *key)
{
	return rhashtable_lookup(&seen->files, key, params);
}

static void set_key(struct seen_key *key, const u8 digest[DSTACK_DIGEST_SIZE],
		    u32 kind)
{
	memcpy(key->digest, digest, sizeof(key->digest));
	key->kind = kind;
}

/*
 * Insert unless it is there.  Null if there is no room or no memory: the file
 * is then measured again, which costs a record and loses nothing.
 */
static struct seen_file *find_or_add(struct dstack_seen *seen,
				     const struct seen_key *key)
{
	struct seen_file *file, *old;

	rcu_read_lock();
	old = find(seen, key);
	rcu_read_unlock();
	if (old || atomic_read(&seen->files.nelems) >= DSTACK_SEEN_MAX)
		return old;
	file = kzalloc_obj(*file, GFP_KERNEL_ACCOUNT);
	if (!file)
		return NULL;
	file->key = *key;
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
 * dstack_seen_measured() - was this file recorded in this role
 * @seen: the set
 * @digest: the file
 * @kind: enum dstack_kind
 *
 * Return: true if dstack_seen_add() was called for it.
 */
bool dstack_seen_measured(struct dstack_seen *seen,
			  const u8 digest[DSTACK_DIGEST_SIZE], u32 kind)
{
	struct seen_key key;
	bool found;

	set_key(&key, digest, kind);
	rcu_read_lock();
	found = find(seen, &key);
	rcu_read_unlock();
	return found;
}

/**
 * dstack_seen_add() - remember that a record is in the log
 * @seen: the set
 * @digest: the file
 * @kind: enum dstack_kind
 */
void dstack_seen_add(struct dstack_seen *seen,
		     const u8 digest[DSTACK_DIGEST_SIZE], u32 kind)
{
	struct seen_key key;

	set_key(&key, digest, kind);
	find_or_add(seen, &key);
}

/**
 * dstack_seen_denied() - count a denial
 * @seen: the set
 * @digest: the file; zeros if it could not be read
 * @kind: enum dstack_kind
 *
 * Files past DSTACK_SEEN_MAX share the count of the all-zero digest.
 *
 * Return: how often this file was denied in this role, from 1; each number is
 * returned once.  0 if it could not be counted.
 */
u64 dstack_seen_denied(struct dstack_seen *seen,
		       const u8 digest[DSTACK_DIGEST_SIZE], u32 kind)
{
	static const u8 others[DSTACK_DIGEST_SIZE];
	struct seen_file *file;
	struct seen_key key;

	set_key(&key, digest, kind | KIND_DENIED);
	file = find_or_add(seen, &key);
	if (!file) {
		set_key(&key, others, KIND_DENIED);
		file = find_or_add(seen, &key);
	}
	return file ? atomic64_inc_return(&file->denied) : 0;
}
