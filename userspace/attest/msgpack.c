// SPDX-License-Identifier: MIT
/*
 * The container "V1", written: MessagePack
 *
 * Copyright The dstack for Linux authors
 *
 * verify/attestation/container_msgpack.c has the layout, and reads it.  Quote
 * and report data are arrays of numbers, digests and payloads are bin: so has
 * upstream's decoder.
 */
#include "encode.h"

#include <errno.h>
#include <string.h>

#define VERSION	1

/* Writing goes on from a failure, which is told at the end. */
struct writer {
	msgpack_packer pk;
	msgpack_sbuffer *out;
	bool failed;
};

/* msgpack's writer, which keeps its failures to itself. */
static int write_on(void *data, const char *bytes, size_t len)
{
	struct writer *w = data;
	int err = msgpack_sbuffer_write(w->out, bytes, len);

	if (err)
		w->failed = true;
	return err;
}

static void put_text(struct writer *w, const char *text, size_t len)
{
	msgpack_pack_str(&w->pk, len);
	if (len)
		msgpack_pack_str_body(&w->pk, text, len);
}

static void put_name(struct writer *w, const char *name)
{
	put_text(w, name, strlen(name));
}

static void put_bin(struct writer *w, const char *name, const void *data,
		    size_t len)
{
	put_name(w, name);
	msgpack_pack_bin(&w->pk, len);
	if (len)
		msgpack_pack_bin_body(&w->pk, data, len);
}

static void put_numbers(struct writer *w, const char *name, const uint8_t *data,
			size_t len)
{
	put_name(w, name);
	msgpack_pack_array(&w->pk, len);
	while (len--)
		msgpack_pack_uint8(&w->pk, *data++);
}

static void put_kind(struct writer *w, const char *name, const char *kind,
		     size_t fields)
{
	put_name(w, name);
	msgpack_pack_map(&w->pk, 2);
	put_name(w, "kind");
	put_name(w, kind);
	put_name(w, "data");
	msgpack_pack_map(&w->pk, fields);
}

static void put_listed(struct writer *w, const struct libdstack_event *event,
		       bool stripped)
{
	msgpack_pack_map(&w->pk, 5);
	put_name(w, "imr");
	msgpack_pack_uint32(&w->pk, event->imr);
	put_name(w, "event_type");
	msgpack_pack_uint32(&w->pk, event->event_type);
	put_bin(w, "digest", event->digest, attest_digest_len(event, stripped));
	put_name(w, "event");
	put_name(w, event->name);
	put_bin(w, "event_payload", event->payload, event->payload_len);
}

static void put_log(struct writer *w, const struct libdstack_attestation *parts,
		    bool stripped)
{
	const struct libdstack_event *event;
	size_t at = 0;

	put_name(w, "event_log");
	msgpack_pack_array(&w->pk, attest_count(parts, stripped));
	while ((event = attest_next(parts, stripped, &at)))
		put_listed(w, event, stripped);
}

/* The list that upstream replays. */
static void put_runtime(struct writer *w, const struct libdstack_log *log)
{
	size_t i;

	put_name(w, "runtime_events");
	msgpack_pack_array(&w->pk, log->count);
	for (i = 0; i < log->count; i++) {
		const struct libdstack_event *event = &log->events[i];

		msgpack_pack_map(&w->pk, 2);
		put_name(w, "event");
		put_name(w, event->name);
		put_bin(w, "payload", event->payload, event->payload_len);
	}
}

int attest_write_msgpack(const struct libdstack_attestation *parts,
			 bool stripped, msgpack_sbuffer *out)
{
	struct writer w = { .out = out };

	msgpack_packer_init(&w.pk, &w, write_on);
	msgpack_pack_map(&w.pk, 3);
	put_name(&w, "version");
	msgpack_pack_uint8(&w.pk, VERSION);
	put_kind(&w, "platform", "tdx", 2);
	put_numbers(&w, "quote", parts->evidence.data, parts->evidence.len);
	put_log(&w, parts, stripped);
	put_kind(&w, "stack", "dstack", 3);
	put_numbers(&w, "report_data", parts->report_data,
		    sizeof(parts->report_data));
	put_runtime(&w, &parts->runtime);
	put_name(&w, "config");
	put_text(&w, (const char *)parts->config.data, parts->config.len);
	return w.failed ? -ENOMEM : 0;
}
