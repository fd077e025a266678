// SPDX-License-Identifier: GPL-2.0-only
/*
 * Digests that need not be computed again
 *
 * Copyright The dstack for Linux authors
 *
 * A digest is remembered for an inode from when it was computed until somebody
 * could change the content.  Nobody can while it is computed: the caller keeps
 * writers out.  Later, whoever opens the file for writing or truncates it is
 * seen by a hook, before the first byte changes, and the digest is forgotten;
 * and a file system that comes to life where another one was in memory is seen
 * by a hook as well.  So the cache is used only while the hooks are held.
 *
 * An inode is told from others by its file handle, which file systems that
 * have snapshots or reuse inode numbers make unique.  Besides, size, ctime and
 * i_version must be what they were before the content was read.  i_version
 * moves only if somebody asked for it: inode_query_iversion() does.
 *
 * Of several who want the digest of one file one computes, and the others wait
 * for it, killably.
 *
 * Entries are found under RCU.  The lock guards the table, the order of use
 * and the count; nothing sleeps under it.
 */
#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/completion.h>
#include <linux/exportfs.h>
#include <linux/fs.h>
#include <linux/hash.h>
#include <linux/iversion.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/rculist.h>
#include <linux/refcount.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "cache.h"
#include "bounds.h"

#define BUCKETS		BIT(DSTACK_CACHE_BITS)
#define HANDLE_WORDS	8	/* btrfs needs 5, others fewer */
#define SUPER_BITS	8	/* of the filter of super blocks */

/**
 * struct inode_id - which inode
 * @sb: the mounted file system
 * @ino: inode number in it
 * @use: how often the cache was turned off before
 * @type: of @handle
 * @handle: the inode's file handle, padded with zeros
 */
struct inode_id {
	const struct super_block *sb;
	u64 ino;
	u32 use;
	u32 type;
	u32 handle[HANDLE_WORDS];
};

/**
 * struct cookie - which content of it
 * @version: i_version, where the file system counts that
 * @size: in bytes
 * @ctime: seconds of the last change of content or metadata
 * @ctime_nsec: nanoseconds of the same
 */
struct cookie {
	u64 version;
	u64 size;
	s64 ctime;
	s64 ctime_nsec;
};

/**
 * struct entry - one digest, or one that is being computed
 * @node: in its bucket, until it is dropped
 * @recent: in the order of use
 * @rcu: for freeing
 * @refs: the table's, and that of whoever computes or waits
 * @id: which inode
 * @cookie: which content
 * @used: since eviction last looked; written without the lock
 * @ready: @digest is valid; written once
 * @err: why there is no digest, once @done
 * @done: for those who wait
 * @digest: constant once @ready
 */
struct entry {
	struct hlist_node node;
	struct list_head recent;
	struct rcu_head rcu;
	refcount_t refs;
	struct inode_id id;
	struct cookie cookie;
	bool used;
	bool ready;
	int err;
	struct completion done;
	u8 digest[DSTACK_DIGEST_SIZE];
};

static struct hlist_head *table;
static LIST_HEAD(oldest_first);
static unsigned int count;	/* entries in the table */
static DEFINE_SPINLOCK(lock);	/* guards these three */

/* Entries by a hash of their super block: zero means that it has none. */
static atomic_t supers[BIT(SUPER_BITS)];

static u32 use_nr;		/* odd while the cache is in use */
static struct shrinker *shrinker;
static atomic64_t hits, misses;

static void put(struct entry *entry)
{
	if (refcount_dec_and_test(&entry->refs))
		kfree_rcu(entry, rcu);
}

static struct hlist_head *bucket_of(const struct super_block *sb, u64 ino)
{
	return &table[hash_64(ino ^ (unsigned long)sb, DSTACK_CACHE_BITS)];
}

static atomic_t *super_of(const struct super_block *sb)
{
	return &supers[hash_ptr(sb, SUPER_BITS)];
}

static void drop(struct entry *entry)
{
	lockdep_assert_held(&lock);
	if (hlist_unhashed(&entry->node))
		return;
	hlist_del_init_rcu(&entry->node);
	list_del(&entry->recent);
	atomic_dec(super_of(entry->id.sb));
	count--;
	put(entry);
}

/*
 * Drop up to @nr of those that were not used for longest; who was used since
 * the last look gets another turn, and who is being computed stays.
 */
static unsigned int evict(unsigned int nr)
{
	unsigned int looks = 2 * count, dropped = 0;

	lockdep_assert_held(&lock);
	while (dropped < nr && count && looks--) {
		struct entry *entry = list_first_entry(&oldest_first,
						       struct entry, recent);

		if (!entry->ready || READ_ONCE(entry->used)) {
			WRITE_ONCE(entry->used, false);
			list_move_tail(&entry->recent, &oldest_first);
			continue;
		}
		drop(entry);
		dropped++;
	}
	return dropped;
}

static unsigned long count_objects(struct shrinker *shrink,
				   struct shrink_control *sc)
{
	return READ_ONCE(count) ?: SHRINK_EMPTY;
}

static unsigned long scan_objects(struct shrinker *shrink,
				  struct shrink_control *sc)
{
	guard(spinlock)(&lock);
	return evict(sc->nr_to_scan) ?: SHRINK_STOP;
}

/**
 * dstack_cache_init() - an empty cache that is not in use
 *
 * Return: 0 or -ENOMEM.
 */
int __init dstack_cache_init(void)
{
	table = kvcalloc(BUCKETS, sizeof(*table), GFP_KERNEL);
	if (!table)
		return -ENOMEM;
	shrinker = shrinker_alloc(0, "dstack-digests");
	if (!shrinker) {
		kvfree(table);
		return -ENOMEM;
	}
	shrinker->count_objects = count_objects;
	shrinker->scan_objects = scan_objects;
	shrinker_register(shrinker);
	return 0;
}

static void drop_all(const struct super_block *sb)
{
	struct entry *entry, *next;

	guard(spinlock)(&lock);
	list_for_each_entry_safe(entry, next, &oldest_first, recent)
		if (!sb || entry->id.sb == sb)
			drop(entry);
}

/**
 * dstack_cache_exit() - forget everything
 *
 * Nobody computes or waits any more.
 */
void dstack_cache_exit(void)
{
	shrinker_free(shrinker);
	drop_all(NULL);
	kvfree(table);
}

/**
 * dstack_cache_use() - changes of files are seen from now on, or no longer
 * @use: which
 *
 * Callers serialise.
 */
void dstack_cache_use(bool use)
{
	if (use == (use_nr & 1))
		return;
	/* Who is just computing finishes under an id that nobody has. */
	WRITE_ONCE(use_nr, use_nr + 1);
	if (!use)
		drop_all(NULL);
}

/*
 * False if there is no handle that tells this inode from others.  @id is zeros
 * before.
 */
static __always_inline bool set_id(struct inode *inode, u32 use,
				   struct inode_id *id)
{
	int words = HANDLE_WORDS, type;

	id->sb = inode->i_sb;
	id->ino = inode->i_ino;
	id->use = use;
	type = exportfs_encode_fid(inode, (struct fid *)id->handle, &words);
	id->type = type;
	return type > 0 && type < FILEID_INVALID && words <= HANDLE_WORDS;
}

static __always_inline struct cookie cookie_of(struct inode *inode)
{
	struct timespec64 ctime = inode_get_ctime(inode);

	return (struct cookie){
		.version = IS_I_VERSION(inode) ?
			inode_query_iversion(inode) : 0,
		.size = i_size_read(inode),
		.ctime = ctime.tv_sec,
		.ctime_nsec = ctime.tv_nsec,
	};
}

static __always_inline bool same_content(const struct entry *entry,
					 const struct cookie *cookie)
{
	return !memcmp(&entry->cookie, cookie, sizeof(*cookie));
}

/* In pieces, which the compiler compares in place. */
static __always_inline bool same_id(const struct inode_id *one,
				    const struct inode_id *other)
{
	return one->ino == other->ino && one->sb == other->sb &&
		one->use == other->use && one->type == other->type &&
		!memcmp(one->handle, other->handle, sizeof(one->handle));
}

static __always_inline struct entry *find(const struct inode_id *id)
{
	struct entry *entry;

	hlist_for_each_entry_rcu(entry, bucket_of(id->sb, id->ino), node,
				 lockdep_is_held(&lock))
		if (same_id(&entry->id, id))
			return entry;
	return NULL;
}

static __always_inline bool lookup(const struct inode_id *id,
				   const struct cookie *cookie,
				   u8 out[DSTACK_DIGEST_SIZE])
{
	struct entry *entry;

	guard(rcu)();
	entry = find(id);
	/* Pairs with the smp_store_release() in finish(). */
	if (!entry || !smp_load_acquire(&entry->ready) ||
	    !same_content(entry, cookie))
		return false;
	if (!READ_ONCE(entry->used))
		WRITE_ONCE(entry->used, true);
	memcpy(out, entry->digest, DSTACK_DIGEST_SIZE);
	return true;
}

/*
 * The entry of somebody who computes this digest or has, with a reference for
 * the caller; or NULL: then it is the caller who must finish() @new.
 */
static struct entry *claim(struct entry *new)
{
	struct entry *old;

	guard(spinlock)(&lock);
	old = find(&new->id);
	if (old && same_content(old, &new->cookie)) {
		refcount_inc(&old->refs);
		return old;
	}
	if (old)
		drop(old);
	refcount_inc(&new->refs);	/* the table's */
	hlist_add_head_rcu(&new->node, bucket_of(new->id.sb, new->id.ino));
	list_add_tail(&new->recent, &oldest_first);
	atomic_inc(super_of(new->id.sb));
	count++;
	if (count > DSTACK_CACHE_MAX)
		evict(count - DSTACK_CACHE_MAX);
	return NULL;
}

static void finish(struct entry *entry, int err)
{
	entry->err = err;
	if (err) {
		spin_lock(&lock);
		drop(entry);
		spin_unlock(&lock);
	} else {
		/* Pairs with the smp_load_acquire() in lookup(). */
		smp_store_release(&entry->ready, true);
	}
	complete_all(&entry->done);
}

static int compute_entry(struct entry *entry, struct inode *inode,
			 dstack_compute_fn compute, void *arg)
{
	struct cookie after;
	int err;

	atomic64_inc(&misses);
	err = compute(arg, entry->digest);
	if (!err) {
		after = cookie_of(inode);
		if (!same_content(entry, &after))
			err = -ETXTBSY;
	}
	finish(entry, err);
	return err;
}

/* -EAGAIN: who computed was killed, so somebody else has to. */
static int wait_for_entry(struct entry *entry)
{
	if (wait_for_completion_killable(&entry->done))
		return -EINTR;
	if (!entry->err)
		atomic64_inc(&hits);
	return entry->err == -EINTR ? -EAGAIN : entry->err;
}

static int join_once(struct inode *inode, const struct inode_id *id,
		     dstack_compute_fn compute, void *arg,
		     u8 out[DSTACK_DIGEST_SIZE])
{
	struct entry *entry, *other;
	int err;

	entry = kzalloc_obj(*entry, GFP_KERNEL);
	if (!entry)
		return -ENOMEM;
	refcount_set(&entry->refs, 1);
	init_completion(&entry->done);
	entry->id = *id;
	entry->cookie = cookie_of(inode);
	other = claim(entry);
	if (other) {
		put(entry);
		entry = other;
		err = wait_for_entry(entry);
	} else {
		err = compute_entry(entry, inode, compute, arg);
	}
	if (!err)
		memcpy(out, entry->digest, DSTACK_DIGEST_SIZE);
	put(entry);
	return err;
}

/* Apart: what is known needs none of it. */
static noinline int join(struct inode *inode, const struct inode_id *id,
			 dstack_compute_fn compute, void *arg,
			 u8 out[DSTACK_DIGEST_SIZE])
{
	int err;

	do {
		err = join_once(inode, id, compute, arg, out);
	} while (err == -EAGAIN);
	return err;
}

/**
 * dstack_cache_digest() - the digest of an inode's content
 * @inode: holds the data; the caller keeps writers out
 * @compute: reads and hashes it
 * @arg: for @compute
 * @out: the digest
 *
 * Context: sleeps.
 * Return: 0; -ETXTBSY if the content changed meanwhile, which takes somebody
 * who writes past the page cache's back; -EINTR on a fatal signal, -ENOMEM, or
 * as @compute.
 */
int dstack_cache_digest(struct inode *inode, dstack_compute_fn compute,
			void *arg, u8 out[DSTACK_DIGEST_SIZE])
{
	u32 use = READ_ONCE(use_nr);
	struct inode_id id = {};
	struct cookie cookie;

	if (!(use & 1) || !set_id(inode, use, &id)) {
		atomic64_inc(&misses);
		return compute(arg, out);
	}
	cookie = cookie_of(inode);
	if (!lookup(&id, &cookie, out))
		return join(inode, &id, compute, arg, out);
	atomic64_inc(&hits);
	return 0;
}

/**
 * dstack_cache_peek() - the digest of an inode's content, if it is remembered
 * @inode: holds the data
 * @out: the digest
 *
 * Context: does not sleep.
 * Return: true if it is.
 */
bool dstack_cache_peek(struct inode *inode, u8 out[DSTACK_DIGEST_SIZE])
{
	u32 use = READ_ONCE(use_nr);
	struct inode_id id = {};
	struct cookie cookie;

	if (!(use & 1) || !set_id(inode, use, &id))
		return false;
	cookie = cookie_of(inode);
	return lookup(&id, &cookie, out);
}

static bool is_of(const struct entry *entry, const struct inode *inode)
{
	return entry->id.sb == inode->i_sb && entry->id.ino == inode->i_ino;
}

static bool knows(const struct inode *inode)
{
	struct entry *entry;

	guard(rcu)();
	hlist_for_each_entry_rcu(entry, bucket_of(inode->i_sb, inode->i_ino),
				 node)
		if (is_of(entry, inode))
			return true;
	return false;
}

/**
 * dstack_cache_forget() - the content may change from now on
 * @inode: is being opened for writing or truncated
 *
 * Whoever computes its digest keeps writers out, so nobody does.
 */
void dstack_cache_forget(const struct inode *inode)
{
	struct hlist_node *next;
	struct entry *entry;

	if (!atomic_read(super_of(inode->i_sb)) || !knows(inode))
		return;
	guard(spinlock)(&lock);
	hlist_for_each_entry_safe(entry, next,
				  bucket_of(inode->i_sb, inode->i_ino), node)
		if (is_of(entry, inode))
			drop(entry);
}

/**
 * dstack_cache_forget_super() - another file system has this place now
 * @sb: a new super block
 */
void dstack_cache_forget_super(const struct super_block *sb)
{
	if (atomic_read(super_of(sb)))
		drop_all(sb);
}

/**
 * dstack_cache_stats() - how the cache does
 * @hits_out: digests answered from it
 * @misses_out: digests computed
 */
void dstack_cache_stats(u64 *hits_out, u64 *misses_out)
{
	*hits_out = atomic64_read(&hits);
	*misses_out = atomic64_read(&misses);
}
