// SPDX-License-Identifier: GPL-2.0-only
/*
 * The SHA-256 of a file's content, cached
 *
 * Copyright The dstack for Linux authors
 *
 * A cached digest is used only if the inode's change cookie is what it was
 * when the content was read.  i_version moves only if somebody asked for it
 * (inode_query_iversion() sets that flag), so it is asked for before reading
 * and compared after.  Nobody can write meanwhile: writers are kept out on the
 * inode that holds the data, which on overlayfs is not the inode of the file.
 */
#include <crypto/hash.h>
#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/fs.h>
#include <linux/iversion.h>
#include <linux/jhash.h>
#include <linux/kernel.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "digest.h"
#include "hash.h"
#include "limits.h"
#include "storage.h"

/**
 * struct cookie - which content of which inode
 * @sb: the mounted file system
 * @dev: its device number
 * @ino: inode number in it
 * @generation: tells files apart that had the same number
 * @version: changes with the content, where the file system counts that
 * @size: in bytes
 * @ctime: seconds of the last change of content or metadata
 * @ctime_nsec: nanoseconds of the same
 *
 * Compared as bytes: cleared before it is filled.
 */
struct cookie {
	const struct super_block *sb;
	u64 dev;
	u64 ino;
	u64 generation;
	u64 version;
	u64 size;
	s64 ctime;
	s64 ctime_nsec;
};

struct way {
	struct cookie cookie;	/* sb NULL: free */
	u8 digest[DSTACK_DIGEST_SIZE];
};

/**
 * struct set - a few files whose inodes hash alike
 * @lock: guards the ways; held for a comparison or a copy
 * @next: the way that is replaced next
 * @ways: the files
 */
struct set {
	spinlock_t lock;	/* guards next and ways */
	unsigned int next;
	struct way ways[DSTACK_CACHE_WAYS];
};

static struct set *cache;
static atomic64_t hits, misses;

/**
 * dstack_digest_init() - allocate the cache
 *
 * Return: 0 or -ENOMEM.
 */
int __init dstack_digest_init(void)
{
	size_t i;

	cache = kvcalloc(DSTACK_CACHE_SETS, sizeof(*cache), GFP_KERNEL);
	if (!cache)
		return -ENOMEM;
	for (i = 0; i < DSTACK_CACHE_SETS; i++)
		spin_lock_init(&cache[i].lock);
	return 0;
}

/**
 * dstack_digest_exit() - free the cache
 */
void dstack_digest_exit(void)
{
	kvfree(cache);
}

static struct set *set_of(const struct cookie *cookie)
{
	u32 hash = jhash_2words(cookie->ino, cookie->ino >> 32, cookie->dev);

	return &cache[hash % DSTACK_CACHE_SETS];
}

static struct way *find(struct set *set, const struct cookie *cookie)
{
	int i;

	lockdep_assert_held(&set->lock);
	for (i = 0; i < DSTACK_CACHE_WAYS; i++)
		if (!memcmp(&set->ways[i].cookie, cookie, sizeof(*cookie)))
			return &set->ways[i];
	return NULL;
}

static bool lookup(const struct cookie *cookie, u8 out[DSTACK_DIGEST_SIZE])
{
	struct set *set = set_of(cookie);
	const struct way *way;

	guard(spinlock)(&set->lock);
	way = find(set, cookie);
	if (way)
		memcpy(out, way->digest, DSTACK_DIGEST_SIZE);
	return way;
}

static void remember(const struct cookie *cookie,
		     const u8 digest[DSTACK_DIGEST_SIZE])
{
	struct set *set = set_of(cookie);
	struct way *way;

	guard(spinlock)(&set->lock);
	way = find(set, cookie);
	if (!way)
		way = &set->ways[set->next++ % DSTACK_CACHE_WAYS];
	way->cookie = *cookie;
	memcpy(way->digest, digest, DSTACK_DIGEST_SIZE);
}

/*
 * Fill the cookie.  False if nothing about this inode tells whether it
 * changed: then every use reads the file again.
 */
static bool query(struct inode *inode, struct cookie *cookie)
{
	struct timespec64 ctime = inode_get_ctime(inode);
	bool versioned = IS_I_VERSION(inode);

	memset(cookie, 0, sizeof(*cookie));
	cookie->sb = inode->i_sb;
	cookie->dev = inode->i_sb->s_dev;
	cookie->ino = inode->i_ino;
	cookie->generation = inode->i_generation;
	cookie->size = i_size_read(inode);
	cookie->ctime = ctime.tv_sec;
	cookie->ctime_nsec = ctime.tv_nsec;
	if (versioned)
		cookie->version = inode_query_iversion(inode);
	return versioned || sb_rdonly(inode->i_sb);
}

static int hash_pieces(struct file *file, struct shash_desc *desc, void *buf)
{
	loff_t pos = 0;

	for (;;) {
		ssize_t got = kernel_read(file, buf, DSTACK_HASH_CHUNK, &pos);
		int err;

		if (got <= 0)
			return got;
		err = dstack_sha256_update(desc, buf, got);
		if (err)
			return err;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
}

static int hash_file(struct file *file, u8 out[DSTACK_DIGEST_SIZE])
{
	struct shash_desc *desc;
	void *buf;
	int err;

	buf = kvmalloc(DSTACK_HASH_CHUNK, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	desc = dstack_sha256_begin();
	if (IS_ERR(desc)) {
		err = PTR_ERR(desc);
		goto out_free_buf;
	}
	err = hash_pieces(file, desc, buf);
	if (!err)
		err = dstack_sha256_end(desc, out);
	dstack_sha256_free(desc);
out_free_buf:
	kvfree(buf);
	return err;
}

static int digest_unwritten(struct file *file, struct inode *inode,
			    u8 out[DSTACK_DIGEST_SIZE])
{
	struct cookie before, after;
	bool cacheable = query(inode, &before);
	int err;

	if (cacheable && lookup(&before, out)) {
		atomic64_inc(&hits);
		return 0;
	}
	atomic64_inc(&misses);
	err = hash_file(file, out);
	if (err)
		return err;
	query(inode, &after);
	if (memcmp(&before, &after, sizeof(before)))
		return -ETXTBSY;
	if (cacheable)
		remember(&before, out);
	return 0;
}

/**
 * dstack_digest_file() - SHA-256 of the content, as sha256sum prints it
 * @file: open for reading, a regular file
 * @out: the digest
 *
 * Context: sleeps; holds no lock while it reads.
 * Return: 0, -ETXTBSY if somebody has the file open for writing or changed it
 * meanwhile, -EACCES if it is no regular file or not open for reading, -EINTR
 * on a fatal signal, -ENOMEM, or what reading it gave.
 */
int dstack_digest_file(struct file *file, u8 out[DSTACK_DIGEST_SIZE])
{
	struct inode *inode = dstack_storage_inode(file);
	int err;

	might_sleep();
	if (!S_ISREG(inode->i_mode) || !(file->f_mode & FMODE_READ))
		return -EACCES;
	/* deny_write_access() would look at the inode of the file. */
	if (!atomic_dec_unless_positive(&inode->i_writecount))
		return -ETXTBSY;
	err = digest_unwritten(file, inode, out);
	atomic_inc(&inode->i_writecount);
	return err;
}

/**
 * dstack_digest_stats() - how the cache does
 * @hits_out: digests answered from it
 * @misses_out: digests computed
 */
void dstack_digest_stats(u64 *hits_out, u64 *misses_out)
{
	*hits_out = atomic64_read(&hits);
	*misses_out = atomic64_read(&misses);
}
