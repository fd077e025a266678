// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a file is known by: its fs-verity digest, or the SHA-256 of its content
 *
 * Copyright The dstack for Linux authors
 *
 * A file with fs-verity cannot be written any more, and its digest is at hand.
 * Of any other the content is hashed while writers are kept out, on the inode
 * that holds the data: on overlayfs that is not the inode of the file.
 */
#include <linux/atomic.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/fsverity.h>
#include <linux/kernel.h>
#include <linux/mm_types.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/string.h>

#include "cache.h"
#include "digest.h"
#include "draft.h"
#include "hash.h"
#include "bounds.h"
#include "storage.h"

static int hash_pieces(struct file *file, struct dstack_sha256 *state,
		       u8 chunk[DSTACK_HASH_CHUNK])
{
	loff_t pos = 0;

	for (;;) {
		ssize_t got = kernel_read(file, chunk, DSTACK_HASH_CHUNK, &pos);
		int err;

		if (got <= 0)
			return got;
		err = dstack_sha256_update(state, chunk, got);
		if (err)
			return err;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
}

/* dstack_compute_fn: the SHA-256 of the content of a struct file. */
static int hash_file(void *arg, u8 out[DSTACK_DIGEST_SIZE])
{
	struct dstack_draft *draft __free(dstack_draft) = dstack_draft_get();
	struct dstack_sha256 *state;
	int err;

	if (!draft)
		return -ENOMEM;
	state = dstack_sha256_begin();
	if (IS_ERR(state))
		return PTR_ERR(state);
	err = hash_pieces(arg, state, draft->chunk);
	if (!err)
		err = dstack_sha256_end(state, out);
	dstack_sha256_free(state);
	return err;
}

/* Of another algorithm than SHA-256 there is none: the content is hashed. */
static noinline bool get_verity(struct inode *inode, struct dstack_digest *out)
{
	u8 raw[FS_VERITY_MAX_DIGEST_SIZE];
	enum hash_algo algo;

	BUILD_BUG_ON(sizeof(raw) < sizeof(out->value));
	if (fsverity_get_digest(inode, raw, NULL, &algo) !=
	    sizeof(out->value) || algo != HASH_ALGO_SHA256)
		return false;
	out->alg = DSTACK_ALG_FSVERITY_SHA256;
	memcpy(out->value, raw, sizeof(out->value));
	return true;
}

static bool has_verity(struct inode *inode, struct dstack_digest *out)
{
	return fsverity_active(inode) && get_verity(inode, out);
}

static int digest_unwritten(struct file *file, struct inode *inode,
			    struct dstack_digest *out)
{
	int err;

	/* deny_write_access() would look at the inode of the file. */
	if (!atomic_dec_unless_positive(&inode->i_writecount))
		return -ETXTBSY;
	err = dstack_cache_digest(inode, hash_file, file, out->value);
	/* Who may write again sees what the cache knows, and forgets it. */
	smp_mb__before_atomic();
	atomic_inc(&inode->i_writecount);
	if (!err)
		out->alg = DSTACK_ALG_SHA256;
	return err;
}

/**
 * dstack_digest_peek() - what a file is known by, if that is at hand
 * @file: an open file
 * @out: its digest; none after an error
 *
 * Context: does not sleep.
 * Return: 0, -ETXTBSY if somebody has the file open for writing, -EAGAIN if
 * it would have to be read.
 */
int dstack_digest_peek(struct file *file, struct dstack_digest *out)
{
	struct inode *inode = dstack_storage_inode(file);

	memset(out, 0, sizeof(*out));
	if (!S_ISREG(inode->i_mode))
		return -EAGAIN;
	if (has_verity(inode, out))
		return 0;
	if (!dstack_cache_peek(inode, out->value))
		return -EAGAIN;
	/* Who writes since the look is counted; before, it was forgotten. */
	smp_rmb();
	if (inode_is_open_for_write(inode)) {
		memset(out, 0, sizeof(*out));
		return -ETXTBSY;
	}
	out->alg = DSTACK_ALG_SHA256;
	return 0;
}

/**
 * dstack_digest_file() - what a file is known by
 * @file: open for reading, a regular file
 * @out: its digest; none after an error
 *
 * Context: sleeps; holds no lock while it reads.
 * Return: 0, -ETXTBSY if somebody has the file open for writing or changed it
 * meanwhile, -EACCES if it is no regular file or not open for reading, -EINTR
 * on a fatal signal, -ENOMEM, or what reading it gave.
 */
int dstack_digest_file(struct file *file, struct dstack_digest *out)
{
	struct inode *inode = dstack_storage_inode(file);
	int err;

	might_sleep();
	memset(out, 0, sizeof(*out));
	if (!S_ISREG(inode->i_mode) || !(file->f_mode & FMODE_READ))
		return -EACCES;
	if (has_verity(inode, out))
		return 0;
	err = digest_unwritten(file, inode, out);
	if (err)
		memset(out, 0, sizeof(*out));
	return err;
}

/**
 * dstack_digest_program() - the program that the calling process runs
 *
 * Return: the file, for fput(), or NULL.
 */
struct file *dstack_digest_program(void)
{
	struct file *file = NULL;

	rcu_read_lock();
	if (current->mm)
		file = get_file_rcu(&current->mm->exe_file);
	rcu_read_unlock();
	return file;
}
