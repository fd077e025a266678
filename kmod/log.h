/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The event log: prepare, reserve, commit, drain, read
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_LOG_H
#define _DSTACK_LOG_H

#include <linux/types.h>
#include <uapi/linux/dstack.h>

#include "fold.h"

struct dstack_event;
struct dstack_record;
struct poll_table_struct;
struct file;

/**
 * struct dstack_log_stats - where the log stands
 * @fold: what the events replay to, and how many there are
 * @acked: events that the daemon has stored
 * @pending: bytes that wait for the daemon
 * @memory: bytes of memory that the log takes, @pending and digests included
 */
struct dstack_log_stats {
	struct dstack_fold fold;
	u64 acked;
	u64 pending;
	u64 memory;
};

void dstack_log_exit(void);

struct dstack_record *dstack_log_prepare(const struct dstack_event *ev);
void dstack_log_drop(struct dstack_record *record);
int dstack_log_reserve(const struct dstack_record *record);
const u8 *dstack_log_digest(const struct dstack_record *record);
u64 dstack_log_commit(struct dstack_record *record);
void dstack_log_cancel(void);
int dstack_log_stats(struct dstack_log_stats *stats);
int dstack_log_ack(u64 stored);

ssize_t dstack_log_read(u64 *seq, u64 end, void *buf, size_t cap);
u64 dstack_log_count(void);
bool dstack_log_is_high(void);
void dstack_log_poll(struct file *file, struct poll_table_struct *wait);

#endif /* _DSTACK_LOG_H */
