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
	if (!log)
		return;
	dstack_log_clear(log);
	free(log);
}

void dstack_log_clear(struct libdstack_log *log)
{
	size_t i;

	for (i = 0; i < log->count; i++)
		free(log->events[i].name);
	free(log->events);
	memset(log, 0, sizeof(*log));
}

int dstack_log_add(struct libdstack_log *log, size_t *cap,
		   const struct libdstack_event *event)
{
	if (log->count == *cap) {
		size_t more = *cap ? 2 * *cap : 64;
		struct libdstack_event *events;

		events = reallocarray(log->events, more, sizeof(*events));
		if (!events)
			return -ENOMEM;
		log->events = events;
		*cap = more;
	}
	log->events[log->count++] = *event;
	return 0;
}

/* In RFC 8785's JSON nothing but these is written as an escape. */
static bool needs_no_escape(const char *name)
{
	for (; *name; name++)
		if ((unsigned char)*name < 0x20 || *name == '"' ||
		    *name == '\\')
			return false;
	return true;
}

/* Upstream's "V2": the hash of a canonical JSON object. */
static int digest_v2(const struct libdstack_event *event,
		     uint8_t digest[DSTACK_REGISTER_SIZE])
{
	static const char name_is[] = "{\"name\":\"";
	static const char payload_is[] = "\",\"payload\":\"";
	static const char type_is[] = "\",\"type\":134217729}";
	struct dstack_bytes parts[] = {
		{ name_is, sizeof(name_is) - 1 },
		{ event->name, strlen(event->name) },
		{ payload_is, sizeof(payload_is) - 1 },
		{ NULL, 2 * event->payload_len },
		{ type_is, sizeof(type_is) - 1 },
	};
	char *hex;
	int err;

	if (!needs_no_escape(event->name))
		return -EOPNOTSUPP;
	hex = malloc(2 * event->payload_len + 1);
	if (!hex)
		return -ENOMEM;
	parts[3].data = libdstack_to_hex(event->payload, event->payload_len,
					 hex);
	err = dstack_sha384(parts, sizeof(parts) / sizeof(parts[0]), digest);
	free(hex);
	return err;
}

int dstack_log_digest(const struct libdstack_event *event,
		      uint8_t digest[DSTACK_REGISTER_SIZE])
{
	if (event->version == 2)
		return digest_v2(event, digest);
	if (event->version > 2)
		return -EOPNOTSUPP;
	return dstack_event_digest(event->name, strlen(event->name),
				   event->payload, event->payload_len, digest);
}

/* What extending the register with this event does to its value. */
static int fold(const struct libdstack_event *event,
		uint8_t value[DSTACK_REGISTER_SIZE])
{
	uint8_t digest[DSTACK_REGISTER_SIZE];
	int err;

	err = dstack_log_digest(event, digest);
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
