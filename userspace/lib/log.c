// SPDX-License-Identifier: MIT
/*
 * Replay an event log: fold its events as the register did
 *
 * Copyright The dstack for Linux authors
 */
#include "lib.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "event.h"

void libdstack_log_free(struct libdstack_log *log)
{
	size_t i;

	if (!log)
		return;
	for (i = 0; i < log->count; i++)
		free(log->events[i].name);
	free(log->events);
	free(log);
}

static int computed_digest(const struct libdstack_event *event,
			   uint8_t digest[DSTACK_REGISTER_SIZE])
{
	return dstack_event_digest(event->name, strlen(event->name),
				   event->payload, event->payload_len, digest);
}

/* What extending the register with this event does to its value. */
static int fold(const struct libdstack_event *event,
		uint8_t value[DSTACK_REGISTER_SIZE])
{
	uint8_t digest[DSTACK_REGISTER_SIZE];
	int err;

	err = computed_digest(event, digest);
	if (err)
		return err;
	if (memcmp(digest, event->digest, sizeof(digest)))
		return -EBADMSG;
	return dstack_event_fold(value, digest);
}

int libdstack_log_replay(const struct libdstack_log *log, size_t count,
			 uint8_t value[DSTACK_REGISTER_SIZE], size_t *bad)
{
	size_t i;
	int err;

	if (count > log->count)
		return -EINVAL;
	for (i = 0; i < count; i++) {
		err = fold(&log->events[i], value);
		if (err) {
			*bad = i;
			return err;
		}
	}
	return 0;
}

int libdstack_log_find(const struct libdstack_log *log,
		       uint8_t value[DSTACK_REGISTER_SIZE],
		       const uint8_t want[DSTACK_REGISTER_SIZE],
		       size_t *count, size_t *bad)
{
	size_t i;
	int err;

	for (i = 0; memcmp(value, want, DSTACK_REGISTER_SIZE); i++) {
		if (i == log->count)
			return -ENOENT;
		err = fold(&log->events[i], value);
		if (err) {
			*bad = i;
			return err;
		}
	}
	*count = i;
	return 0;
}
