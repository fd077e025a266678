// SPDX-License-Identifier: MIT
/*
 * The container "V0", written: SCALE
 *
 * Copyright The dstack for Linux authors
 *
 * verify/attestation/container_scale.c has the layout, and reads it.
 */
#include "encode.h"

#include <errno.h>
#include <string.h>

#define VERSION		0
#define TAG_TDX		0
/* Lengths from here on take two bytes, and four. */
#define SHORT		(1U << 6)
#define MIDDLE		(1U << 14)

/* Writing goes on from a failure, which is told at the end. */
struct writer {
	msgpack_sbuffer *out;
	bool failed;
};

static void put(struct writer *w, const void *data, size_t len)
{
	if (len && msgpack_sbuffer_write(w->out, data, len))
		w->failed = true;
}

static void put_number(struct writer *w, uint32_t value, size_t len)
{
	uint8_t bytes[sizeof(value)] = { 0 };
	size_t i;

	for (i = 0; i < len; i++, value >>= 8)
		bytes[i] = value;
	put(w, bytes, len);
}

/* The two low bits say how many bytes there are. */
static void put_length(struct writer *w, uint32_t len)
{
	if (len < SHORT)
		put_number(w, len << 2, 1);
	else if (len < MIDDLE)
		put_number(w, len << 2 | 1, 2);
	else
		put_number(w, len << 2 | 2, 4);
}

static void put_bytes(struct writer *w, const void *data, size_t len)
{
	/* What is longer than any container is refused by its size. */
	put_length(w, len < MIDDLE << 12 ? len : 0);
	put(w, data, len);
}

static void put_listed(struct writer *w, const struct libdstack_event *event,
		       bool stripped)
{
	put_number(w, event->imr, 4);
	put_number(w, event->event_type, 4);
	put_bytes(w, event->digest, attest_digest_len(event, stripped));
	put_bytes(w, event->name, strlen(event->name));
	put_bytes(w, event->payload, event->payload_len);
}

static void put_log(struct writer *w, const struct libdstack_attestation *parts,
		    bool stripped)
{
	const struct libdstack_event *event;
	size_t at = 0;

	put_length(w, attest_count(parts, stripped));
	while ((event = attest_next(parts, stripped, &at)))
		put_listed(w, event, stripped);
}

/* The list that upstream replays. */
static void put_runtime(struct writer *w, const struct libdstack_log *log)
{
	size_t i;

	put_length(w, log->count);
	for (i = 0; i < log->count; i++) {
		const struct libdstack_event *event = &log->events[i];

		put_bytes(w, event->name, strlen(event->name));
		put_bytes(w, event->payload, event->payload_len);
	}
}

int attest_write_scale(const struct libdstack_attestation *parts,
		       bool stripped, msgpack_sbuffer *out)
{
	struct writer w = { .out = out };

	put_number(&w, VERSION, 1);
	put_number(&w, TAG_TDX, 1);
	put_bytes(&w, parts->evidence.data, parts->evidence.len);
	put_log(&w, parts, stripped);
	put_runtime(&w, &parts->runtime);
	put(&w, parts->report_data, sizeof(parts->report_data));
	put_bytes(&w, parts->config.data, parts->config.len);
	return w.failed ? -ENOMEM : 0;
}
