// SPDX-License-Identifier: GPL-2.0-only
/*
 * The one path into the log and the register
 *
 * Copyright The dstack for Linux authors
 *
 * Under one mutex: reserve a record, extend the register, publish.  So the
 * order of the log is the order of the register, and at every moment outside
 * the mutex the log replays to the register.  What the event announces (a new
 * policy, a new state, a container) comes into force inside the same critical
 * section: no exec runs under a policy that is not in the register yet.
 *
 * Lock order: measure lock, then the log's two.
 */
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "backend.h"
#include "draft.h"
#include "event.h"
#include "fold.h"
#include "log.h"
#include "measure.h"
#include "quota.h"
#include "root.h"
#include "trace/trace.h"

static DEFINE_MUTEX(lock);
static bool diverged;		/* one-way; written under lock, read anywhere */

/**
 * dstack_measure_init() - take over the register as it is
 *
 * Return: 0 or -errno of the backend.
 */
int __init dstack_measure_init(void)
{
	static const u8 no_data[DSTACK_REPORT_DATA_SIZE];
	struct dstack_report *report __free(kfree) =
		kmalloc_obj(*report, GFP_KERNEL);
	int err;

	if (!report)
		return -ENOMEM;
	err = dstack_backend()->report(no_data, report);
	if (!err)
		dstack_fold_init(report->value);
	return err;
}

/**
 * dstack_measure_exit() - free the log
 */
void dstack_measure_exit(void)
{
	dstack_log_exit();
	dstack_draft_exit();
}

static int append(struct dstack_record *record, u64 *seq)
{
	int err;

	lockdep_assert_held(&lock);
	err = dstack_log_reserve(record);
	if (err)
		return err;
	err = dstack_backend()->extend(dstack_log_digest(record));
	if (err)
		dstack_log_cancel();
	else
		*seq = dstack_log_commit(record);
	return err;
}

/*
 * What is not recorded one by one is recorded by its number.  This counts
 * against nobody: a container that is out of quota must not get away with it.
 */
static int tell_refused(struct dstack_quota *quota, enum dstack_quota_kind kind,
			u64 count)
{
	struct dstack_draft *draft __free(dstack_draft) = dstack_draft_get();
	struct dstack_event *ev;
	int err;

	if (!draft)
		return -ENOMEM;
	ev = &draft->ev;
	dstack_event_begin(ev, DSTACK_EVENT_QUOTA);
	dstack_event_str(ev, "id", quota->id);
	dstack_event_str(ev, "what", dstack_quota_name(kind));
	dstack_event_u64(ev, "count", count);
	err = dstack_measure(ev, NULL);
	if (!err)
		atomic64_set(&quota->told[kind], count);
	return err;
}

/**
 * dstack_measure_refused() - a container wanted to record too much
 * @quota: of the container, which is there
 * @kind: of what
 *
 * Context: sleeps; takes the measure lock.
 */
void dstack_measure_refused(struct dstack_quota *quota,
			    enum dstack_quota_kind kind)
{
	u64 count = atomic64_inc_return(&quota->refused[kind]);

	/* At 1, 2, 4, 8, ...: the count goes on if this fails. */
	if (is_power_of_2(count))
		tell_refused(quota, kind, count);
}

/**
 * dstack_measure_quota() - record what was refused since it was last said
 * @quota: of a container that goes
 *
 * Context: sleeps; takes the measure lock.
 * Return: 0 or as dstack_measure().
 */
int dstack_measure_quota(struct dstack_quota *quota)
{
	enum dstack_quota_kind kind;
	int err = 0;

	for (kind = 0; !err && kind < __DSTACK_QUOTA_MAX; kind++) {
		u64 count = atomic64_read(&quota->refused[kind]);

		if (count != atomic64_read(&quota->told[kind]))
			err = tell_refused(quota, kind, count);
	}
	return err;
}

/**
 * dstack_measure_publish() - put an event in, then do what it announces
 * @ev: the event
 * @done: is there nothing to announce any more, may be NULL; called under the
 *	measure lock, so that of several callers one records
 * @publish: called under the measure lock; cannot fail; may be NULL
 * @arg: of both
 * @seq_out: the event's position, may be NULL
 *
 * Context: sleeps; takes the measure lock.
 * Return: 0; -ENOBUFS if too much waits for the daemon, of the event's
 * container or of all; -ENOMEM, -EBUSY or -EIO of the register.  Then neither
 * log nor register has the event, and @publish was not called.
 */
int dstack_measure_publish(const struct dstack_event *ev,
			   bool (*done)(void *arg), void (*publish)(void *arg),
			   void *arg, u64 *seq_out)
{
	struct dstack_record *record;
	u64 seq = 0;
	int err;

	err = dstack_event_end(ev);
	if (WARN_ON_ONCE(err))
		return err;
	record = dstack_log_prepare(ev);
	if (IS_ERR(record))
		return PTR_ERR(record);

	mutex_lock(&lock);
	if (done && done(arg)) {
		mutex_unlock(&lock);
		dstack_log_drop(record);
		return 0;
	}
	err = append(record, &seq);
	dstack_trace_extend(seq, ev->name, dstack_log_digest(record), err);
	if (!err && publish)
		publish(arg);
	mutex_unlock(&lock);
	if (err)
		dstack_log_drop(record);
	else if (seq_out)
		*seq_out = seq;
	if (err == -ENOBUFS && ev->quota)
		dstack_measure_refused(ev->quota, DSTACK_QUOTA_ROOM);
	return err;
}

/**
 * dstack_measure() - put an event into the log and the register
 * @ev: the event
 * @seq: its position, may be NULL
 *
 * Context: sleeps; takes the measure lock.
 * Return: as dstack_measure_publish().
 */
int dstack_measure(const struct dstack_event *ev, u64 *seq)
{
	return dstack_measure_publish(ev, NULL, NULL, NULL, seq);
}

/**
 * dstack_measure_report() - a report whose register is the log's value
 * @report_data: for the report
 * @report: the report
 * @count: events that it covers
 *
 * Context: sleeps; takes the measure lock.
 * Return: 0; -ENOTRECOVERABLE if somebody else extended the register, now or
 * earlier: no log explains it any more.  -EBUSY or -EIO of the backend.
 */
int dstack_measure_report(const u8 report_data[DSTACK_REPORT_DATA_SIZE],
			  struct dstack_report *report, u64 *count)
{
	struct dstack_log_stats stats;
	int err;

	guard(mutex)(&lock);
	err = dstack_backend()->report(report_data, report);
	if (err)
		return err;
	err = dstack_log_stats(&stats);
	if (err)
		return err;
	if (memcmp(report->value, stats.fold.value,
		   sizeof(stats.fold.value))) {
		if (!diverged)
			pr_err("the register was extended by somebody else: no quote of this boot verifies any more\n");
		WRITE_ONCE(diverged, true);
		/* What has happened nobody knows: no key is to come of it. */
		dstack_root_wipe();
	}
	if (diverged)
		return -ENOTRECOVERABLE;
	*count = stats.fold.count;
	return 0;
}

/**
 * dstack_measure_diverged() - was the register seen to differ from the log
 *
 * Return: true from the first such report on.
 */
bool dstack_measure_diverged(void)
{
	return READ_ONCE(diverged);
}
