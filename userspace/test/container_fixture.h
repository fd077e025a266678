/* SPDX-License-Identifier: MIT */
/*
 * Containers that tests and fuzz targets make themselves
 *
 * Copyright The dstack for Linux authors
 */
#ifndef CONTAINER_FIXTURE_H
#define CONTAINER_FIXTURE_H

#include <msgpack.h>
#include <stdint.h>
#include <string.h>

#define CONTAINER_MAX	65536

struct container {
	uint8_t data[CONTAINER_MAX];
	size_t len;
};

struct container_event {
	const char *name;
	const void *payload;
	size_t len;
};

/* What all forms of one container have in common. */
struct container_parts {
	const void *quote;
	size_t quote_len;
	const struct container_event *events;	/* of register 3 */
	size_t nr_events;
	uint8_t report_data[64];
	const char *config;
	const char *pod;			/* its payload; NULL: no pod */
	uint32_t version;			/* of events; 0: not said */
};

static inline void container_put(struct container *c, const void *data,
				 size_t len)
{
	if (len)
		memcpy(c->data + c->len, data, len);
	c->len += len;
}

static inline void container_number(struct container *c, uint64_t value,
				    int bytes)
{
	for (; bytes--; value >>= 8)
		c->data[c->len++] = value;
}

static inline void container_length(struct container *c, uint32_t n)
{
	if (n < 1 << 6)
		container_number(c, n << 2, 1);
	else if (n < 1 << 14)
		container_number(c, n << 2 | 1, 2);
	else
		container_number(c, n << 2 | 2, 4);
}

static inline void container_bytes(struct container *c, const void *data,
				   size_t len)
{
	container_length(c, len);
	container_put(c, data, len);
}

static inline void container_text(struct container *c, const char *text)
{
	container_bytes(c, text, strlen(text));
}

/* The event log without digests, as certificates have it. */
static inline void container_scale(struct container *c,
				   const struct container_parts *parts)
{
	const struct container_event *e;
	size_t i;

	c->len = 0;
	container_number(c, 0, 2);
	container_bytes(c, parts->quote, parts->quote_len);
	container_length(c, parts->nr_events);
	for (i = 0; i < parts->nr_events; i++) {
		e = &parts->events[i];
		container_number(c, 3, 4);
		container_number(c, 0x08000001, 4);
		container_length(c, 0);
		container_text(c, e->name);
		container_bytes(c, e->payload, e->len);
	}
	container_length(c, parts->nr_events);
	for (i = 0; i < parts->nr_events; i++) {
		e = &parts->events[i];
		container_text(c, e->name);
		container_bytes(c, e->payload, e->len);
	}
	container_put(c, parts->report_data, sizeof(parts->report_data));
	container_text(c, parts->config);
}

static inline void mp_put_text(msgpack_packer *pk, const char *text)
{
	msgpack_pack_str_with_body(pk, text, strlen(text));
}

static inline void mp_put_numbers(msgpack_packer *pk, const uint8_t *data,
				  size_t len)
{
	msgpack_pack_array(pk, len);
	while (len--)
		msgpack_pack_uint8(pk, *data++);
}

static inline void mp_put_events(msgpack_packer *pk,
				 const struct container_parts *parts, int log)
{
	size_t i;

	msgpack_pack_array(pk, parts->nr_events);
	for (i = 0; i < parts->nr_events; i++) {
		const struct container_event *e = &parts->events[i];

		msgpack_pack_map(pk, (log ? 5 : 2) + !!parts->version);
		if (log) {
			mp_put_text(pk, "imr");
			msgpack_pack_uint32(pk, 3);
			mp_put_text(pk, "event_type");
			msgpack_pack_uint32(pk, 0x08000001);
			mp_put_text(pk, "digest");
			msgpack_pack_bin_with_body(pk, "", 0);
		}
		mp_put_text(pk, "event");
		mp_put_text(pk, e->name);
		mp_put_text(pk, log ? "event_payload" : "payload");
		msgpack_pack_bin_with_body(pk, e->payload, e->len);
		if (parts->version) {
			mp_put_text(pk, "version");
			msgpack_pack_uint32(pk, parts->version);
		}
	}
}

static inline void container_msgpack(struct container *c,
				     const struct container_parts *parts)
{
	msgpack_sbuffer buffer;
	msgpack_packer pk;

	msgpack_sbuffer_init(&buffer);
	msgpack_packer_init(&pk, &buffer, msgpack_sbuffer_write);
	msgpack_pack_map(&pk, 3);
	mp_put_text(&pk, "version");
	msgpack_pack_uint8(&pk, 1);
	mp_put_text(&pk, "platform");
	msgpack_pack_map(&pk, 2);
	mp_put_text(&pk, "kind");
	mp_put_text(&pk, "tdx");
	mp_put_text(&pk, "data");
	msgpack_pack_map(&pk, 2);
	mp_put_text(&pk, "quote");
	mp_put_numbers(&pk, parts->quote, parts->quote_len);
	mp_put_text(&pk, "event_log");
	mp_put_events(&pk, parts, 1);
	mp_put_text(&pk, "stack");
	msgpack_pack_map(&pk, 2);
	mp_put_text(&pk, "kind");
	mp_put_text(&pk, parts->pod ? "dstack-pod" : "dstack");
	mp_put_text(&pk, "data");
	msgpack_pack_map(&pk, parts->pod ? 4 : 3);
	mp_put_text(&pk, "report_data");
	mp_put_numbers(&pk, parts->report_data, sizeof(parts->report_data));
	mp_put_text(&pk, "runtime_events");
	mp_put_events(&pk, parts, 0);
	mp_put_text(&pk, "config");
	mp_put_text(&pk, parts->config);
	if (parts->pod) {
		mp_put_text(&pk, "report_data_payload");
		mp_put_text(&pk, parts->pod);
	}
	c->len = 0;
	container_put(c, buffer.data, buffer.size);
	msgpack_sbuffer_destroy(&buffer);
}

#endif /* CONTAINER_FIXTURE_H */
