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

#include "event.h"

static const char event_log[] = "event log";
static const char kernel_events[] = "kernel events";

static bool is_zero(const uint8_t *p, size_t len)
{
	while (len--)
		if (*p++)
			return false;
	return true;
}

/* The register that dstack.start found, or false. */
static bool start_base(const struct libdstack_event *event,
		       uint8_t base[DSTACK_REGISTER_SIZE])
{
	char hex[2 * DSTACK_REGISTER_SIZE + 1];
	struct dstack_event_fields fields;
	const struct dstack_bytes *value;

	if (dstack_event_decode(event->name, event->payload,
				event->payload_len, &fields) ||
	    fields.id != DSTACK_EVENT_START)
		return false;
	value = dstack_event_field(&fields, "base");
	return value && dstack_event_unescape(value, hex, sizeof(hex)) >= 0 &&
		hex_decode(hex, base, DSTACK_REGISTER_SIZE);
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
	    start_base(&log->events[0], start) &&
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

/*
 * The register that a dstack.start found must be what the events before it
 * make.  @value holds that of the first *done events, and is brought forward.
 */
static bool check_start(struct report *report, const struct libdstack_log *log,
			size_t i, size_t *done,
			uint8_t value[DSTACK_REGISTER_SIZE])
{
	const struct libdstack_log part = {
		.events = log->events + *done, .count = i - *done,
	};
	uint8_t base[DSTACK_REGISTER_SIZE];
	size_t bad;

	if (libdstack_log_replay(&part, part.count, value, &bad))
		return report_add(report, false, kernel_events,
				  "can't replay to event %zu", i);
	*done = i;
	if (!start_base(&log->events[i], base) ||
	    memcmp(base, value, sizeof(base)))
		return report_add(report, false, kernel_events,
				  "event %zu: the module found a register that the events before it do not make",
				  i);
	return true;
}

/* Reserved names are the kernel's: well-formed, and after its first event. */
static bool check_kernel_events(struct report *report,
				const struct libdstack_log *log,
				const struct log_position *at)
{
	uint8_t value[DSTACK_REGISTER_SIZE];
	size_t i, done = 0, starts = 0, nr = 0;

	memcpy(value, at->base, sizeof(value));
	for (i = 0; i < at->count; i++) {
		const struct libdstack_event *event = &log->events[i];
		struct dstack_event_fields fields;
		int err;

		err = dstack_event_decode(event->name, event->payload,
					  event->payload_len, &fields);
		if (err == -ENOENT)
			continue;
		if (err)
			return report_add(report, false, kernel_events,
					  "event %zu ('%s') has a payload that no kernel writes",
					  i, event->name);
		nr++;
		if (fields.id == DSTACK_EVENT_START) {
			starts++;
			if (!check_start(report, log, i, &done, value))
				return false;
		}
		if (!starts)
			return report_add(report, false, kernel_events,
					  "event %zu ('%s') comes before any dstack.start",
					  i, event->name);
	}
	if (!nr)
		return report_add(report, true, kernel_events,
				  "none: no dstack module recorded what ran in that TD");
	return report_add(report, true, kernel_events,
			  "%zu, all well-formed; %zu start%s of the module",
			  nr, starts, starts == 1 ? "" : "s");
}

bool check_log(struct report *report, const struct libdstack_log *log,
	       struct log_position *at,
	       const uint8_t want[DSTACK_REGISTER_SIZE])
{
	return check_replay(report, log, at, want) &&
		check_kernel_events(report, log, at);
}
