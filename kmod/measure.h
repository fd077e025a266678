/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one path into the log and the register
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_MEASURE_H
#define _DSTACK_MEASURE_H

#include <linux/types.h>
#include <uapi/linux/dstack.h>

#include "quota.h"

struct dstack_event;
struct dstack_report;

int dstack_measure_init(void);
void dstack_measure_exit(void);

int dstack_measure(const struct dstack_event *ev, u64 *seq);
int dstack_measure_publish(const struct dstack_event *ev,
			   bool (*done)(void *arg), void (*publish)(void *arg),
			   void *arg, u64 *seq_out);
void dstack_measure_refused(struct dstack_quota *quota,
			    enum dstack_quota_kind kind);
int dstack_measure_quota(struct dstack_quota *quota);
int dstack_measure_report(const u8 report_data[DSTACK_REPORT_DATA_SIZE],
			  struct dstack_report *report, u64 *count);
bool dstack_measure_diverged(void);

#endif /* _DSTACK_MEASURE_H */
