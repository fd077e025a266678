// SPDX-License-Identifier: GPL-2.0-only
/*
 * The event log: reserve, commit, drain, read
 *
 * Copyright The dstack for Linux authors
 *
 * Invariant: base, folded with the digests [0, count), is value.  The digests
 * stay for ever; names and payloads stay until the daemon has stored them.
 * Writers are serialised by measure.c.  Everything that can fail happens in
 * reserve, so that nothing can fail once the register is extended.
 */
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
 * @next: the register's value with this event
 * @digest: what the register is extended with
 * @name_len: bytes of name in @data
 * @payload_len: bytes of payload in @data, after the name
 * @data: name and payload
 *
 * Immutable once committed.
 */
struct dstack_record {
	struct rcu_head rcu;
	u8 next[DSTACK_REGISTER_SIZE];
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
static u8 base[DSTACK_REGISTER_SIZE];
static u8 value[DSTACK_REGISTER_SIZE];
static u64 count;		/* written under lock, read anywhere */
static u64 acked;
static u64 pending;

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

static struct dstack_record *make_record(const struct dstack_event *ev)
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
	if (!err) {
		memcpy(record->next, value, sizeof(value));
		err = dstack_event_fold(record->next, record->digest);
	}
	if (err) {
		kfree(record);
		return ERR_PTR(err);
	}
	return record;
}

/**
 * dstack_log_reserve() - everything of an append that can fail
 * @ev: the event
 *
 * Context: under measure.c's lock, so that one reservation is open at a time.
 * Return: the record for dstack_log_commit() or dstack_log_cancel(); -ENOBUFS
 * if the daemon does not drain, -ENOMEM, or -errno of the hash.
 */
struct dstack_record *dstack_log_reserve(const struct dstack_event *ev)
{
	struct dstack_record *record;
	int err;

	if (pending >= DSTACK_LOG_PENDING_MAX)
		return ERR_PTR(-ENOBUFS);
	record = make_record(ev);
	if (IS_ERR(record))
		return record;
	err = reserve_digest(count);
	if (!err)
		err = xa_reserve(&records, count, GFP_KERNEL);
	if (err) {
		kfree(record);
		return ERR_PTR(err);
	}
	return record;
}

/**
 * dstack_log_digest() - what to extend the register with
 * @record: reserved
 *
 * Return: the digest.
 */
const u8 *dstack_log_digest(const struct dstack_record *record)
{
	return record->digest;
}

/**
 * dstack_log_commit() - append; cannot fail
 * @record: reserved, and in the register
 *
 * Return: the event's position.
 */
u64 dstack_log_commit(struct dstack_record *record)
{
	u64 seq;

	mutex_lock(&lock);
	seq = count;
	memcpy(digest_slot(seq), record->digest, sizeof(record->digest));
	memcpy(value, record->next, sizeof(value));
	/* The slot is reserved: this allocates nothing. */
	xa_store(&records, seq, record, GFP_KERNEL);
	pending += footprint(record);
	/* Pairs with the smp_load_acquire() in dstack_log_count(). */
	smp_store_release(&count, seq + 1);
	mutex_unlock(&lock);
	wake_up_interruptible(&grown);
	return seq;
}

/**
 * dstack_log_cancel() - the register was not extended
 * @record: reserved
 */
void dstack_log_cancel(struct dstack_record *record)
{
	xa_release(&records, count);
	kfree(record);
}

/**
 * dstack_log_stats() - where the log stands, consistently
 * @stats: filled in
 */
void dstack_log_stats(struct dstack_log_stats *stats)
{
	mutex_lock(&lock);
	memcpy(stats->value, value, sizeof(value));
	memcpy(stats->base, base, sizeof(base));
	stats->count = count;
	stats->acked = acked;
	stats->pending = pending;
	mutex_unlock(&lock);
}

/**
 * dstack_log_ack() - the daemon has stored the first events
 * @stored: how many in all
 *
 * Return: 0, -ERANGE if @stored goes back or past the end.
 */
int dstack_log_ack(u64 stored)
{
	struct dstack_record *record;
	int err = 0;

	mutex_lock(&lock);
	if (stored < acked || stored > count)
		err = -ERANGE;
	while (!err && acked < stored) {
		record = xa_erase(&records, acked++);
		pending -= footprint(record);
		kfree_rcu(record, rcu);
	}
	mutex_unlock(&lock);
	return err;
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
