// SPDX-License-Identifier: GPL-2.0-only
/*
 * The digests of events, and what they make of the register
 *
 * Copyright The dstack for Linux authors
 *
 * Digests are kept in pages.  A page also has what the events before it replay
 * to, so that the oldest pages can go: whoever has their digests can still be
 * told whether they are the right ones.
 */
#include <linux/cleanup.h>
#include <linux/kernel.h>
#include <linux/lockdep.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/xarray.h>

#include "event.h"
#include "fold.h"

/* What is left of a page. */
#define PAGE_DIGESTS	((PAGE_SIZE - sizeof(struct rcu_head)) / \
			 DSTACK_REGISTER_SIZE - 1)

/**
 * struct page_of_digests - of events that follow each other
 * @rcu: for freeing while readers copy
 * @start: what the events before these replay to; set when the first is folded
 * @digest: of each event
 */
struct page_of_digests {
	struct rcu_head rcu;
	u8 start[DSTACK_REGISTER_SIZE];
	u8 digest[PAGE_DIGESTS][DSTACK_REGISTER_SIZE];
};

static_assert(sizeof(struct page_of_digests) <= PAGE_SIZE);

static DEFINE_XARRAY(pages);	/* by event / PAGE_DIGESTS, from kept on */

/* No commit waits for a fold: it puts digests without this lock. */
static DEFINE_MUTEX(lock);
static u8 base[DSTACK_REGISTER_SIZE];	/* constant */
static u8 value[DSTACK_REGISTER_SIZE];	/* of the events [0, folded) */
static u64 folded;
static u64 kept;		/* the first page; read anywhere */

/**
 * dstack_fold_init() - no event
 * @start: what the register holds now
 */
void __init dstack_fold_init(const u8 start[DSTACK_REGISTER_SIZE])
{
	memcpy(base, start, sizeof(base));
	memcpy(value, start, sizeof(value));
}

/**
 * dstack_fold_exit() - free everything
 */
void dstack_fold_exit(void)
{
	unsigned long index;
	void *page;

	xa_for_each(&pages, index, page)
		kfree(page);
	xa_destroy(&pages);
}

static struct page_of_digests *page_of(u64 seq)
{
	return xa_load(&pages, seq / PAGE_DIGESTS);
}

/**
 * dstack_fold_reserve() - have room for the digest of an event
 * @seq: the next event; the room stays if the event does not come
 *
 * Context: callers serialise.
 * Return: 0 or -ENOMEM.
 */
int dstack_fold_reserve(u64 seq)
{
	struct page_of_digests *page;
	int err;

	if (page_of(seq))
		return 0;
	page = kmalloc_obj(*page, GFP_KERNEL);
	if (!page)
		return -ENOMEM;
	err = xa_err(xa_store(&pages, seq / PAGE_DIGESTS, page, GFP_KERNEL));
	if (err)
		kfree(page);
	return err;
}

/**
 * dstack_fold_put() - a digest
 * @seq: of this event, for which there is room
 * @digest: the digest
 */
void dstack_fold_put(u64 seq, const u8 digest[DSTACK_REGISTER_SIZE])
{
	memcpy(page_of(seq)->digest[seq % PAGE_DIGESTS], digest,
	       DSTACK_REGISTER_SIZE);
}

/**
 * dstack_fold_digest() - the digest of an event
 * @seq: which has come
 * @digest: filled in
 *
 * Return: false if it is forgotten.
 */
bool dstack_fold_digest(u64 seq, u8 digest[DSTACK_REGISTER_SIZE])
{
	struct page_of_digests *page;

	guard(rcu)();
	page = page_of(seq);
	if (page)
		memcpy(digest, page->digest[seq % PAGE_DIGESTS],
		       DSTACK_REGISTER_SIZE);
	return page;
}

static int fold_one(void)
{
	/* It is there: what is not folded is not forgotten. */
	struct page_of_digests *page = page_of(folded);
	int err;

	lockdep_assert_held(&lock);
	if (folded % PAGE_DIGESTS == 0)
		memcpy(page->start, value, sizeof(page->start));
	err = dstack_event_fold(value, page->digest[folded % PAGE_DIGESTS]);
	if (!err)
		folded++;
	return err;
}

static void report(struct dstack_fold *fold)
{
	u64 nr = DIV_ROUND_UP_ULL(folded, PAGE_DIGESTS) - kept;

	lockdep_assert_held(&lock);
	memcpy(fold->base, base, sizeof(base));
	memcpy(fold->value, value, sizeof(value));
	fold->count = folded;
	fold->first = kept * PAGE_DIGESTS;
	memcpy(fold->start, nr ? page_of(fold->first)->start : value,
	       sizeof(fold->start));
	fold->memory = nr * PAGE_SIZE;
}

/**
 * dstack_fold_to() - fold the first events, at least
 * @end: so many; they have come
 * @fold: where the fold stands then, may be NULL
 *
 * Context: sleeps.
 * Return: 0 or -errno of the hash.
 */
int dstack_fold_to(u64 end, struct dstack_fold *fold)
{
	int err = 0;

	guard(mutex)(&lock);
	while (!err && folded < end)
		err = fold_one();
	if (!err && fold)
		report(fold);
	return err;
}

/**
 * dstack_fold_forget() - free digests
 * @end: of the events before this one, which are folded; whole pages only
 *
 * Context: sleeps.
 */
void dstack_fold_forget(u64 end)
{
	guard(mutex)(&lock);
	while ((kept + 1) * PAGE_DIGESTS <= end) {
		struct page_of_digests *page = xa_erase(&pages, kept);

		WRITE_ONCE(kept, kept + 1);
		kfree_rcu(page, rcu);
	}
}

/**
 * dstack_fold_first() - the first event whose digest is kept
 *
 * Return: its position.
 */
u64 dstack_fold_first(void)
{
	return READ_ONCE(kept) * PAGE_DIGESTS;
}
