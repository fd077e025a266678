/* SPDX-License-Identifier: MIT */
/*
 * dstackctl verify: checks, their report, and what the log tells
 *
 * Copyright The dstack for Linux authors
 */
#ifndef VERIFY_H
#define VERIFY_H

#include <jansson.h>
#include <libdstack_identity.h>
#include <libdstack_quote.h>

#include "dstackctl.h"

#define CHECKS_MAX 16

/* What was checked, in order.  Ends with the first check that fails. */
struct report {
	struct {
		const char *name;
		bool ok;
		char detail[512];
	} checks[CHECKS_MAX];
	size_t nr;
	bool failed;
};

/* verify_report.c */

/* Adds a check with its result.  Returns @ok. */
bool report_add(struct report *report, bool ok, const char *name,
		const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void report_print(const struct report *report);
json_t *report_json(const struct report *report);
void verdict_print(const struct libdstack_verdict *verdict);
json_t *verdict_json(const struct libdstack_verdict *verdict);

/* verify_log.c */

/* Where a log is compared with a register. */
struct log_position {
	uint8_t base[DSTACK_REGISTER_SIZE];	/* before the first event */
	uint64_t count;		/* in: if @fixed; out: events covered */
	bool fixed;
};

/* A prefix of the log explains @want, and is what a kernel would write. */
bool check_log(struct report *report, const struct libdstack_log *log,
	       struct log_position *at,
	       const uint8_t want[DSTACK_REGISTER_SIZE]);

/* verify_events.c */

/* What ran, according to the log. */
void runs_print(const struct libdstack_runs *runs);
json_t *runs_json(const struct libdstack_runs *runs);

#endif /* VERIFY_H */
