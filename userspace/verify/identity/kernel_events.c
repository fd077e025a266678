// SPDX-License-Identifier: MIT
/*
 * Are the events with reserved names such as our module writes
 *
 * Copyright The dstack for Linux authors
 */
#include "identity.h"

#include <errno.h>
#include <string.h>

bool libdstack_start_base(const struct libdstack_event *event,
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
		libdstack_from_hex(hex, strlen(hex), base,
				   DSTACK_REGISTER_SIZE);
}

/* A check that goes from one dstack.start to the next. */
struct check {
	const struct libdstack_log *log;
	struct libdstack_kernel_events *found;
	struct libdstack_failure *failure;
	size_t done;			/* events that @value is of */
	uint8_t value[DSTACK_REGISTER_SIZE];
};

/*
 * The register that a dstack.start found must be what the events before it
 * make.
 */
static int check_start(struct check *c, size_t i)
{
	const struct libdstack_log part = {
		.events = c->log->events + c->done, .count = i - c->done,
	};
	uint8_t base[DSTACK_REGISTER_SIZE];
	size_t bad;

	if (libdstack_log_replay(&part, part.count, c->value, &bad))
		return verify_fail(c->failure, REASON(MISMATCH),
				   "can't replay to event %zu", i);
	c->done = i;
	c->found->starts++;
	if (!libdstack_start_base(&c->log->events[i], base) ||
	    memcmp(base, c->value, sizeof(base)))
		return verify_fail(c->failure, REASON(MISMATCH),
				   "event %zu: the module found a register that the events before it do not make",
				   i);
	return 0;
}

static int check_event(struct check *c, size_t i)
{
	const struct libdstack_event *event = &c->log->events[i];
	struct dstack_event_fields fields;
	int err;

	err = dstack_event_decode(event->name, event->payload,
				  event->payload_len, &fields);
	if (err == -ENOENT)
		return 0;
	/* Kernels know one rule of digests. */
	if (err || event->version > 1)
		return verify_fail(c->failure, REASON(MALFORMED),
				   "event %zu ('%s') has a payload that no kernel writes",
				   i, event->name);
	c->found->nr++;
	if (fields.id == DSTACK_EVENT_START) {
		err = check_start(c, i);
		if (err)
			return err;
	}
	if (!c->found->starts)
		return verify_fail(c->failure, REASON(MISMATCH),
				   "event %zu ('%s') comes before any dstack.start",
				   i, event->name);
	return 0;
}

int libdstack_kernel_events_check(const struct libdstack_log *log, size_t count,
				  const uint8_t base[DSTACK_REGISTER_SIZE],
				  struct libdstack_kernel_events *found,
				  struct libdstack_failure *failure)
{
	struct check c = { .log = log, .found = found, .failure = failure };
	size_t i;
	int err;

	memset(found, 0, sizeof(*found));
	memset(failure, 0, sizeof(*failure));
	memcpy(c.value, base, sizeof(c.value));
	for (i = 0; i < count; i++) {
		err = check_event(&c, i);
		if (err) {
			verify_step(failure, "kernel events");
			return err;
		}
	}
	return 0;
}
