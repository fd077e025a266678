// SPDX-License-Identifier: MIT
/*
 * Does the event log explain the register in the quote
 *
 * Copyright The dstack for Linux authors
 */
#include "verify.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static const char event_log[] = "event log";
static const char kernel_events[] = "kernel events";

static bool is_zero(const uint8_t *p, size_t len)
{
	while (len--)
		if (*p++)
			return false;
	return true;
}

/* Why a whole log may not explain a register, for the person who wonders. */
static const char *hint(const struct libdstack_log *log,
			const uint8_t base[DSTACK_REGISTER_SIZE],
			const uint8_t want[DSTACK_REGISTER_SIZE])
{
	uint8_t start[DSTACK_REGISTER_SIZE];

	if (is_zero(want, DSTACK_REGISTER_SIZE))
		return "RTMR3 is zero: nothing was recorded in that TD";
	if (!log->count)
		return "the log is empty";
	if (is_zero(base, DSTACK_REGISTER_SIZE) &&
	    libdstack_start_base(&log->events[0], start) &&
	    !is_zero(start, sizeof(start)))
		return "the log starts after something else extended RTMR3: "
			"give the events before it, or --base";
	return "an event is missing, added, out of order or of another TD, "
		"or the log ends before the quote was made";
}

static bool fail_log(struct report *report, const struct libdstack_log *log,
		     int err, size_t bad, const struct log_position *at,
		     const uint8_t want[DSTACK_REGISTER_SIZE])
{
	if (err == -EBADMSG)
		return report_add(report, false, event_log,
				  "event %zu ('%s') was changed: its digest is not that of its name and payload",
				  bad, log->events[bad].name);
	if (err == -ENOENT && at->fixed)
		return report_add(report, false, event_log,
				  "the first %" PRIu64 " events do not replay to RTMR3: %s",
				  at->count, hint(log, at->base, want));
	if (err == -ENOENT)
		return report_add(report, false, event_log,
				  "no part of the log's %zu events from the first on replays to RTMR3: %s",
				  log->count, hint(log, at->base, want));
	return report_add(report, false, event_log, "can't replay: %s",
			  strerror(-err));
}

/* Exactly the events that the quote is said to cover. */
static int replay_fixed(const struct libdstack_log *log,
			const struct log_position *at,
			const uint8_t want[DSTACK_REGISTER_SIZE], size_t *bad)
{
	uint8_t value[DSTACK_REGISTER_SIZE];
	int err;

	memcpy(value, at->base, sizeof(value));
	err = libdstack_log_replay(log, at->count, value, bad);
	if (!err && memcmp(value, want, sizeof(value)))
		err = -ENOENT;
	return err;
}

static int replay_search(const struct libdstack_log *log,
			 struct log_position *at,
			 const uint8_t want[DSTACK_REGISTER_SIZE], size_t *bad)
{
	uint8_t value[DSTACK_REGISTER_SIZE];
	size_t count;
	int err;

	memcpy(value, at->base, sizeof(value));
	err = libdstack_log_find(log, value, want, &count, bad);
	if (!err)
		at->count = count;
	return err;
}

static bool check_replay(struct report *report,
			 const struct libdstack_log *log,
			 struct log_position *at,
			 const uint8_t want[DSTACK_REGISTER_SIZE])
{
	size_t bad = 0;
	int err;

	if (at->fixed && at->count > log->count)
		return report_add(report, false, event_log,
				  "the log has %zu events, and the quote covers %zu",
				  log->count, (size_t)at->count);
	err = at->fixed ? replay_fixed(log, at, want, &bad) :
			  replay_search(log, at, want, &bad);
	if (err)
		return fail_log(report, log, err, bad, at, want);
	return report_add(report, true, event_log,
			  "the first %zu events replay to RTMR3; %zu later ones are not covered",
			  (size_t)at->count, log->count - (size_t)at->count);
}

/* Reserved names are the kernel's: well-formed, and after its first event. */
static bool check_kernel_events(struct report *report,
				const struct libdstack_log *log,
				const struct log_position *at)
{
	struct libdstack_kernel_events found;
	struct libdstack_failure failure;

	if (libdstack_kernel_events_check(log, at->count, at->base, &found,
					  &failure))
		return report_add(report, false, kernel_events, "%s",
				  failure.text);
	if (!found.nr)
		return report_add(report, true, kernel_events,
				  "none: no dstack module recorded what ran in that TD");
	return report_add(report, true, kernel_events,
			  "%zu, all well-formed; %zu start%s of the module",
			  found.nr, found.starts,
			  found.starts == 1 ? "" : "s");
}

bool check_log(struct report *report, const struct libdstack_log *log,
	       struct log_position *at,
	       const uint8_t want[DSTACK_REGISTER_SIZE])
{
	return check_replay(report, log, at, want) &&
		check_kernel_events(report, log, at);
}
