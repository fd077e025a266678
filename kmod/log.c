// SPDX-License-Identifier: GPL-2.0-only
/*
 * The event log: prepare, reserve, commit, drain, read
 *
 * Copyright The dstack for Linux authors
 *
 * Invariant: the digests [0, count), folded, are the register.  They are folded
 * when somebody asks, and as far as the daemon has acknowledged: no exec waits
 * for it.  Names and payloads stay until the daemon has stored them, and the
 * newest digests longer: of those before, the value that they fold to is all
 * that is kept.  Writers are serialised by measure.c.  Everything that can
 * fail happens in prepare and reserve, so that nothing can fail once the
 * register is extended.
 */
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/lockdep.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/wait.h>
#include <linux/xarray.h>

#include "event.h"
#include "fold.h"
#include "bounds.h"
#include "log.h"
#include "quota.h"

/**
 * struct dstack_record - one event
 * @rcu: for freeing while readers copy
 * @quota: whose it counts against, NULL for the kernel's own
 * @digest: what the register is extended with
 * @size: bytes of memory that it takes
 * @payload_len: bytes of payload in @data, after the name
 * @name_len: bytes of name in @data
 * @modest: others of the same container come first: those that it needs to run
 * @data: name and payload
 *
 * Immutable once committed.
 */
struct dstack_record {
	struct rcu_head rcu;
	struct dstack_quota *quota;
	u8 digest[DSTACK_REGISTER_SIZE];
	u32 size;
	u32 payload_len;
	u16 name_len;
	bool modest;
	u8 data[];
};

static DEFINE_XARRAY(records);	/* by seq: those that the daemon lacks */
static DECLARE_WAIT_QUEUE_HEAD(grown);

/*
 * Orders commit, ack and stats among themselves.  Inside measure.c's lock;
 * readers of records need neither.
 */
static DEFINE_MUTEX(lock);
static u64 count;		/* written under lock, read anywhere */
static u64 acked;
static u64 pending;		/* bytes of records that wait */

static void free_record(struct dstack_record *record)
{
	dstack_quota_put(record->quota);
	kfree_rcu(record, rcu);
}

/**
 * dstack_log_exit() - free everything
 */
void dstack_log_exit(void)
{
	struct dstack_record *record;
	unsigned long index;

	xa_for_each(&records, index, record)
		free_record(record);
	xa_destroy(&records);
	dstack_fold_exit();
}

/**
 * dstack_log_prepare() - make a record of an event
 * @ev: the event
 *
 * Context: needs no lock.
 * Return: the record for dstack_log_reserve() or dstack_log_drop(); -ENOMEM or
 * -errno of the hash.
 */
struct dstack_record *dstack_log_prepare(const struct dstack_event *ev)
{
	size_t name_len = strlen(ev->name);
	struct dstack_record *record;
	size_t size;
	int err;

	size = kmalloc_size_roundup(struct_size(record, data,
						name_len + ev->len));
	record = kmalloc(size, GFP_KERNEL);
	if (!record)
		return ERR_PTR(-ENOMEM);
	record->quota = ev->quota;
	record->size = size;
	record->modest = ev->id == DSTACK_EVENT_USER;
	record->name_len = name_len;
	record->payload_len = ev->len;
	memcpy(record->data, ev->name, name_len);
	memcpy(record->data + name_len, ev->payload, ev->len);
	err = dstack_event_digest(ev->name, name_len, ev->payload, ev->len,
				  record->digest);
	if (err) {
		kfree(record);
		return ERR_PTR(err);
	}
	return record;
}

/**
 * dstack_log_drop() - free a record that was not committed
 * @record: prepared; may be NULL or an error
 */
void dstack_log_drop(struct dstack_record *record)
{
	if (!IS_ERR(record))
		kfree(record);
}

/**
 * dstack_log_reserve() - the place of the next record
 * @record: prepared
 *
 * Context: under measure.c's lock, so that one reservation is open at a time.
 * Return: 0, for dstack_log_commit() or dstack_log_cancel(); -ENOBUFS if too
 * many of its container's records wait for the daemon, or of all; -ENOMEM.
 */
int dstack_log_reserve(const struct dstack_record *record)
{
	if (!dstack_quota_has_room(record->quota, READ_ONCE(pending),
				   record->modest))
		return -ENOBUFS;
	return dstack_fold_reserve(count) ?:
		xa_reserve(&records, count, GFP_KERNEL);
}

/**
 * dstack_log_digest() - what to extend the register with
 * @record: prepared
 *
 * Return: the digest.
 */
const u8 *dstack_log_digest(const struct dstack_record *record)
{
	return record->digest;
}

/**
 * dstack_log_is_high() - does the daemon let much wait
 *
 * Return: true well before dstack_log_reserve() fails.
 */
bool dstack_log_is_high(void)
{
	return READ_ONCE(pending) >= DSTACK_LOG_PENDING_HIGH;
}

/* @size: of a record that comes, or the negative one of a record that goes. */
static void count_waiting(const struct dstack_record *record, s64 size)
{
	struct dstack_quota *quota = record->quota;

	lockdep_assert_held(&lock);
	WRITE_ONCE(pending, pending + size);
	if (quota)
		WRITE_ONCE(quota->waiting, quota->waiting + size);
}

/**
 * dstack_log_commit() - append; cannot fail
 * @record: prepared, its place reserved, and in the register
 *
 * Return: the event's position.
 */
u64 dstack_log_commit(struct dstack_record *record)
{
	__poll_t news = EPOLLIN | EPOLLRDNORM;
	u64 seq;

	mutex_lock(&lock);
	seq = count;
	dstack_fold_put(seq, record->digest);
	/* The slot is reserved: this allocates nothing. */
	xa_store(&records, seq, record, GFP_KERNEL);
	count_waiting(record, record->size);
	dstack_quota_get(record->quota);
	/* Pairs with the smp_load_acquire() in dstack_log_count(). */
	smp_store_release(&count, seq + 1);
	mutex_unlock(&lock);
	if (dstack_log_is_high())
		news |= EPOLLPRI;
	/* Who waits for POLLPRI alone is not woken before it is time. */
	wake_up_interruptible_poll(&grown, news);
	return seq;
}

/**
 * dstack_log_cancel() - the register was not extended
 */
void dstack_log_cancel(void)
{
	xa_release(&records, count);
}

/**
 * dstack_log_count() - how many events there are
 *
 * Return: the count; records below it can be read.
 */
u64 dstack_log_count(void)
{
	/* Pairs with the smp_store_release() in dstack_log_commit(). */
	return smp_load_acquire(&count);
}

/* Of a tree that has an entry for each index from @from to @to. */
static u64 count_nodes(u64 from, u64 to)
{
	u64 nr = 0;

	do {
		from >>= XA_CHUNK_SHIFT;
		to >>= XA_CHUNK_SHIFT;
		nr += to - from + 1;
	} while (to);
	return nr;
}

/**
 * dstack_log_stats() - where the log stands
 * @stats: filled in
 *
 * Return: 0 or -errno of the hash.
 */
int dstack_log_stats(struct dstack_log_stats *stats)
{
	int err;

	/* In this order no more is acknowledged than there is. */
	scoped_guard(mutex, &lock) {
		stats->acked = acked;
		stats->pending = pending;
		stats->memory = pending + count_nodes(acked, count) *
				sizeof(struct xa_node);
	}
	err = dstack_fold_to(dstack_log_count(), &stats->fold);

	stats->memory += stats->fold.memory;
	return err;
}

/**
 * dstack_log_ack() - the daemon has stored the first events
 * @stored: how many in all
 *
 * The daemon's time is the one to fold in: whoever asks for a quote then finds
 * little to do.
 *
 * Return: 0, -ERANGE if @stored goes back or past the end, or -errno of the
 * hash.
 */
int dstack_log_ack(u64 stored)
{
	struct dstack_record *record;
	int err;

	if (stored > dstack_log_count())
		return -ERANGE;
	err = dstack_fold_to(stored, NULL);
	if (err)
		return err;
	mutex_lock(&lock);
	if (stored < acked)
		err = -ERANGE;
	while (!err && acked < stored) {
		record = xa_erase(&records, acked++);
		count_waiting(record, -(s64)record->size);
		free_record(record);
	}
	mutex_unlock(&lock);
	if (!err)
		dstack_fold_forget(stored - min(stored, DSTACK_LOG_DIGESTS));
	return err;
}

/* Write event @seq to @buf if it fits.  Its size, or 0 if it is forgotten. */
static size_t copy_record(u64 seq, void *buf, size_t cap)
{
	struct dstack_log_record *out = buf;
	struct dstack_record *record;
	u8 digest[DSTACK_REGISTER_SIZE];
	size_t len = 0, size;

	guard(rcu)();
	if (!dstack_fold_digest(seq, digest))
		return 0;
	record = xa_load(&records, seq);
	if (record)
		len = record->name_len + record->payload_len;
	size = ALIGN(sizeof(*out) + len, 8);
	if (size > cap)
		return size;
	memset(out, 0, size);
	out->size = size;
	out->seq = seq;
	memcpy(out->digest, digest, sizeof(out->digest));
	if (record) {
		out->name_len = record->name_len;
		out->payload_len = record->payload_len;
		memcpy(out->data, record->data, len);
	} else {
		out->flags = DSTACK_RECORD_F_DRAINED;
	}
	return size;
}

/**
 * dstack_log_read() - copy whole records
 * @seq: first wanted; is set to the next one
 * @end: the first not wanted, at most dstack_log_count()
 * @buf: where to
 * @cap: its size
 *
 * Return: bytes written; -ENODATA if the first wanted is forgotten, and @seq is
 * then set to the first that is not.
 */
ssize_t dstack_log_read(u64 *seq, u64 end, void *buf, size_t cap)
{
	size_t used = 0;

	while (*seq < end) {
		size_t size = copy_record(*seq, buf + used, cap - used);

		if (!size && !used) {
			*seq = dstack_fold_first();
			return -ENODATA;
		}
		if (!size || size > cap - used)
			break;
		used += size;
		(*seq)++;
	}
	return used;
}

/**
 * dstack_log_poll() - be woken when the log grows
 * @file: the file polled
 * @wait: from ->poll()
 */
void dstack_log_poll(struct file *file, struct poll_table_struct *wait)
{
	poll_wait(file, &grown, wait);
}
