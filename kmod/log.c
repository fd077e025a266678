// SPDX-License-Identifier: GPL-2.0-only
/*
 * The event log: prepare, reserve, commit, drain, read
 *
 * Copyright The dstack for Linux authors
 *
 * Invariant: base, folded with the digests [0, count), is the register.  It is
 * folded when somebody asks, and as far as the daemon has acknowledged: no exec
 * waits for it.  The digests stay for ever; names and payloads stay until the
 * daemon has stored them.  Writers are serialised by measure.c.  Everything
 * that can fail happens in prepare and reserve, so that nothing can fail once
 * the register is extended.
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
#include "limits.h"
#include "log.h"

#define PAGE_DIGESTS	(PAGE_SIZE / DSTACK_REGISTER_SIZE)

/**
 * struct dstack_record - one event
 * @rcu: for freeing while readers copy
 * @digest: what the register is extended with
 * @name_len: bytes of name in @data
 * @payload_len: bytes of payload in @data, after the name
 * @data: name and payload
 *
 * Immutable once committed.
 */
struct dstack_record {
	struct rcu_head rcu;
	u8 digest[DSTACK_REGISTER_SIZE];
	u16 name_len;
	u32 payload_len;
	u8 data[];
};

static DEFINE_XARRAY(records);	/* by seq: those that the daemon lacks */
static DEFINE_XARRAY(digests);	/* by seq / PAGE_DIGESTS: pages, all events */
static DECLARE_WAIT_QUEUE_HEAD(grown);

/*
 * Orders commit, ack and stats among themselves.  Inside measure.c's lock;
 * readers of records need neither.
 */
static DEFINE_MUTEX(lock);
static u64 count;		/* written under lock, read anywhere */
static u64 acked;
static u64 pending;

/* Outside of lock: no commit waits for a fold. */
static DEFINE_MUTEX(fold_lock);
static u8 base[DSTACK_REGISTER_SIZE];	/* constant */
static u8 value[DSTACK_REGISTER_SIZE];	/* of the digests [0, folded) */
static u64 folded;

/**
 * dstack_log_init() - an empty log
 * @start: what the register holds now
 */
void __init dstack_log_init(const u8 start[DSTACK_REGISTER_SIZE])
{
	memcpy(base, start, sizeof(base));
	memcpy(value, start, sizeof(value));
}

/**
 * dstack_log_exit() - free everything
 */
void dstack_log_exit(void)
{
	struct dstack_record *record;
	unsigned long index;
	void *page;

	xa_for_each(&records, index, record)
		kfree(record);
	xa_destroy(&records);
	xa_for_each(&digests, index, page)
		free_page((unsigned long)page);
	xa_destroy(&digests);
	rcu_barrier();
}

static size_t footprint(const struct dstack_record *record)
{
	return sizeof(*record) + record->name_len + record->payload_len;
}

/* Have a page for the digest of event @seq; it stays if the event does not. */
static int reserve_digest(u64 seq)
{
	unsigned long index = seq / PAGE_DIGESTS;
	void *page;
	int err;

	if (xa_load(&digests, index))
		return 0;
	page = (void *)get_zeroed_page(GFP_KERNEL);
	if (!page)
		return -ENOMEM;
	err = xa_err(xa_store(&digests, index, page, GFP_KERNEL));
	if (err)
		free_page((unsigned long)page);
	return err;
}

static u8 *digest_slot(u64 seq)
{
	u8 *page = xa_load(&digests, seq / PAGE_DIGESTS);

	return page + seq % PAGE_DIGESTS * DSTACK_REGISTER_SIZE;
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
	int err;

	record = kmalloc(struct_size(record, data, name_len + ev->len),
			 GFP_KERNEL);
	if (!record)
		return ERR_PTR(-ENOMEM);
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
 *
 * Context: under measure.c's lock, so that one reservation is open at a time.
 * Return: 0, for dstack_log_commit() or dstack_log_cancel(); -ENOBUFS if the
 * daemon does not drain, -ENOMEM.
 */
int dstack_log_reserve(void)
{
	if (READ_ONCE(pending) >= DSTACK_LOG_PENDING_MAX)
		return -ENOBUFS;
	return reserve_digest(count) ?:
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
	memcpy(digest_slot(seq), record->digest, sizeof(record->digest));
	/* The slot is reserved: this allocates nothing. */
	xa_store(&records, seq, record, GFP_KERNEL);
	WRITE_ONCE(pending, pending + footprint(record));
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

/* Let value be that of the first @end events at least; they are committed. */
static int fold(u64 end)
{
	lockdep_assert_held(&fold_lock);
	while (folded < end) {
		int err = dstack_event_fold(value, digest_slot(folded));

		if (err)
			return err;
		folded++;
	}
	return 0;
}

/**
 * dstack_log_stats() - where the log stands, consistently
 * @stats: filled in
 *
 * Return: 0 or -errno of the hash.
 */
int dstack_log_stats(struct dstack_log_stats *stats)
{
	int err;

	guard(mutex)(&fold_lock);
	stats->count = dstack_log_count();
	err = fold(stats->count);
	if (err)
		return err;
	memcpy(stats->value, value, sizeof(value));
	memcpy(stats->base, base, sizeof(base));
	guard(mutex)(&lock);
	stats->acked = acked;
	stats->pending = pending;
	return 0;
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
	int err = 0;

	if (stored > dstack_log_count())
		return -ERANGE;
	scoped_guard(mutex, &fold_lock)
		err = fold(stored);
	if (err)
		return err;
	mutex_lock(&lock);
	if (stored < acked)
		err = -ERANGE;
	while (!err && acked < stored) {
		record = xa_erase(&records, acked++);
		WRITE_ONCE(pending, pending - footprint(record));
		kfree_rcu(record, rcu);
	}
	mutex_unlock(&lock);
	return err;
}

/* Write event @seq to @buf if it fits.  Returns its size there. */
static size_t copy_record(u64 seq, void *buf, size_t cap)
{
	struct dstack_log_record *out = buf;
	struct dstack_record *record;
	size_t len = 0, size;

	rcu_read_lock();
	record = xa_load(&records, seq);
	if (record)
		len = record->name_len + record->payload_len;
	size = ALIGN(sizeof(*out) + len, 8);
	if (size <= cap) {
		memset(out, 0, size);
		out->size = size;
		out->seq = seq;
		memcpy(out->digest, digest_slot(seq), sizeof(out->digest));
		if (record) {
			out->name_len = record->name_len;
			out->payload_len = record->payload_len;
			memcpy(out->data, record->data, len);
		} else {
			out->flags = DSTACK_RECORD_F_DRAINED;
		}
	}
	rcu_read_unlock();
	return size;
}

/**
 * dstack_log_read() - copy whole records
 * @seq: first wanted; is set to the next one
 * @end: the first not wanted, at most dstack_log_count()
 * @buf: where to
 * @cap: its size
 *
 * Return: bytes written.
 */
size_t dstack_log_read(u64 *seq, u64 end, void *buf, size_t cap)
{
	size_t used = 0;

	while (*seq < end) {
		size_t size = copy_record(*seq, buf + used, cap - used);

		if (size > cap - used)
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
