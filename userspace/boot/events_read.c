// SPDX-License-Identifier: MIT
/*
 * The event log: from the kernel, and what it has no more from dstackd's file
 *
 * Copyright The dstack for Linux authors
 *
 * The file is on a disk, and its disk is the host's.  Nothing of it is believed
 * that does not replay to what the kernel has.
 */
#include "event.h"
#include "events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TRIES		50	/* while dstackd writes, */
#define PAUSE_NS	20000000	/* and so long between two */

struct reader {
	struct boot_events *events;
	const struct libdstack_log *file;	/* NULL: not read */
	size_t first;		/* its line of the kernel's first event */
	bool needed;		/* some events are only there */
	size_t at;		/* which of its lines is missing or wrong */
};

/* What the kernel no longer has the words of, the line of this digest says. */
static int take_line(struct reader *reader, const struct dstack_log_record *r)
{
	const struct libdstack_event *event;
	size_t at = reader->first + r->seq;

	reader->needed = true;
	if (!reader->file)
		return 0;
	reader->at = at;
	if (at >= reader->file->count)
		return -EAGAIN;
	event = &reader->file->events[at];
	if (memcmp(event->digest, r->digest, DSTACK_REGISTER_SIZE))
		return -EBADMSG;
	return boot_events_add(reader->events, event->name, strlen(event->name),
			       event->payload, event->payload_len);
}

static int take_record(const struct dstack_log_record *r, void *arg)
{
	struct reader *reader = arg;

	if (r->flags & DSTACK_RECORD_F_DRAINED)
		return take_line(reader, r);
	return boot_events_add(reader->events, (const char *)r->data,
			       r->name_len, r->data + r->name_len,
			       r->payload_len);
}

/* Lines of events that are only there replay to where the kernel's begin. */
static int take_oldest(struct reader *reader,
		       const struct libdstack_status *status)
{
	const struct libdstack_log *file = reader->file;
	uint8_t value[DSTACK_REGISTER_SIZE];
	const struct libdstack_event *event;
	uint64_t seq;
	int err = 0;

	memcpy(value, status->base, sizeof(value));
	for (seq = 0; !err && seq < status->log_first; seq++) {
		reader->at = reader->first + seq;
		if (reader->at >= file->count)
			return -EAGAIN;
		event = &file->events[reader->at];
		err = dstack_event_fold(value, event->digest) ?:
			boot_events_add(reader->events, event->name,
					strlen(event->name), event->payload,
					event->payload_len);
	}
	if (!err && memcmp(value, status->log_start, sizeof(value)))
		err = -EBADMSG;
	return err;
}

/* Which of its lines is the kernel's first event; and no line lies. */
static int align(struct reader *reader, const struct libdstack_status *status)
{
	uint8_t value[DSTACK_REGISTER_SIZE] = { 0 };
	int err;

	reader->at = reader->file->count;
	err = libdstack_log_find(reader->file, value, status->base,
				 &reader->first, &reader->at);
	if (err)
		return err;
	memset(value, 0, sizeof(value));
	return libdstack_log_replay(reader->file, reader->file->count, value,
				    &reader->at);
}

/* 0 or -errno; with reader->needed, the file is, and there is none. */
static int read_once(struct boot *boot, struct reader *reader)
{
	struct libdstack_status status;
	uint64_t seq;
	int err = libdstack_status(boot->control, &status);

	boot_events_free(reader->events);
	reader->needed = status.log_first > 0;
	if (!err && reader->file)
		err = align(reader, &status) ?: take_oldest(reader, &status);
	if (err)
		return err;
	seq = status.log_first;
	return libdstack_read_log(boot->device, &seq, take_record, reader);
}

static int read_with_file(struct boot *boot, struct reader *reader)
{
	struct libdstack_log *file;
	int err = libdstack_log_read(boot->opt->log, &file);

	/* The library has said which line is none. */
	if (err)
		return err == -EBADMSG ? -EINVAL : err;
	reader->file = file;
	err = read_once(boot, reader);
	reader->file = NULL;
	libdstack_log_free(file);
	return err;
}

/* What a person has to look at. */
static int explain(const struct boot *boot, const struct reader *reader,
		   int err)
{
	const char *file = boot->opt->log;

	switch (err) {
	case -EAGAIN:
		return boot_fail(err, "can't know what was measured: event %zu was, and '%s' ends before its line: is dstackd running, and is that its file?",
				 reader->at + 1, file);
	case -EBADMSG:
		return boot_fail(err, "can't know what was measured: line %zu of '%s' is not the event that was: put back a copy that was not damaged, or reboot",
				 reader->at + 1, file);
	case -ENOENT:
		return boot_fail(err, "can't know what was measured: '%s' is of another boot, or not there: is that dstackd's file?",
				 file);
	default:
		return boot_fail(err, "can't know what was measured: '%s' and the kernel's log can't be read",
				 file);
	}
}

int boot_events_read(struct boot *boot, struct boot_events *events)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	struct reader reader = { .events = events };
	int tries = 0, err;

	memset(events, 0, sizeof(*events));
	do {
		if (tries)
			nanosleep(&pause, NULL);
		err = read_once(boot, &reader);
		if (!err && reader.needed)
			err = read_with_file(boot, &reader);
	} while ((err == -EAGAIN || err == -ENODATA) && ++tries < TRIES);
	if (!err)
		return 0;
	boot_events_free(events);
	return explain(boot, &reader, err);
}
