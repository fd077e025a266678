// SPDX-License-Identifier: MIT
/*
 * The event logs of a container
 *
 * Copyright The dstack for Linux authors
 *
 * A container may hold the events of register 3 twice: in the event log, for
 * people, and in the list that upstream replays.  Both must say the same, so
 * that nobody looks at one and trusts the other.
 */
#include "attestation.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Name and payload share one allocation, which the name starts. */
static int copy_event(struct att *att, const struct att_event *in,
		      struct libdstack_event *event)
{
	const struct libdstack_span *name = &in->name;

	*event = (struct libdstack_event){
		.imr = in->imr, .event_type = in->type,
		.version = in->version, .payload_len = in->payload.len,
	};
	if (name->len && memchr(name->data, 0, name->len))
		return att_fail(att, REASON(MALFORMED),
				"an event's name has a NUL in it");
	event->name = malloc(name->len + 1 + in->payload.len);
	if (!event->name)
		return att_no_memory(att);
	if (name->len)
		memcpy(event->name, name->data, name->len);
	event->name[name->len] = '\0';
	event->payload = (uint8_t *)event->name + name->len + 1;
	if (in->payload.len)
		memcpy(event->payload, in->payload.data, in->payload.len);
	return 0;
}

static int set_digest(struct att *att, const struct att_event *in,
		      struct libdstack_event *event)
{
	bool runtime = in->imr == ATT_RUNTIME_REGISTER;
	int err;

	if (in->digest.len == sizeof(event->digest)) {
		memcpy(event->digest, in->digest.data, in->digest.len);
		return 0;
	}
	if (in->digest.len || !runtime)
		return att_fail(att, REASON(MALFORMED),
				"an event of register %u has a digest of %zu bytes, not SHA-384",
				in->imr, in->digest.len);
	err = dstack_log_digest(event, event->digest);
	if (err == -ENOMEM)
		return att_no_memory(att);
	return err ? att_fail(att, REASON(UNSUPPORTED),
			      "the digest of event '%s' can't be computed",
			      event->name) : 0;
}

static int check_head(struct att *att, const struct att_event *in)
{
	if (in->imr >= ATT_REGISTERS)
		return att_fail(att, REASON(MALFORMED),
				"an event of register %u, which TDX has not",
				in->imr);
	if (in->imr == ATT_RUNTIME_REGISTER && in->type != DSTACK_EVENT_TYPE)
		return att_fail(att, REASON(UNSUPPORTED),
				"an event of type %#x in register 3, whose digest can't be computed",
				in->type);
	if (in->version > 2)
		return att_fail(att, REASON(UNSUPPORTED),
				"an event of version %u; 1 and 2 are known",
				in->version);
	return 0;
}

static int add(struct att *att, struct libdstack_log *log, size_t *cap,
	       const struct att_event *in)
{
	struct libdstack_event event;
	int err;

	err = check_head(att, in);
	if (!err && log->count == LIBDSTACK_ATTESTATION_EVENTS_MAX)
		err = att_fail(att, REASON(MALFORMED), "more than %u events",
			       LIBDSTACK_ATTESTATION_EVENTS_MAX);
	if (err)
		return err;
	err = copy_event(att, in, &event);
	if (!err)
		err = set_digest(att, in, &event);
	if (!err && dstack_log_add(log, cap, &event))
		err = att_no_memory(att);
	if (err)
		free(event.name);
	return err;
}

int att_add_listed(struct att *att, const struct att_event *event)
{
	if (event->imr == ATT_RUNTIME_REGISTER)
		return add(att, &att->listed, &att->listed_cap, event);
	return add(att, &att->out->boot, &att->boot_cap, event);
}

int att_add_runtime(struct att *att, const struct att_event *event)
{
	return add(att, &att->out->runtime, &att->runtime_cap, event);
}

static bool same(const struct libdstack_event *a,
		 const struct libdstack_event *b)
{
	return !strcmp(a->name, b->name) && a->payload_len == b->payload_len &&
		!memcmp(a->payload, b->payload, a->payload_len) &&
		!memcmp(a->digest, b->digest, sizeof(a->digest));
}

int att_check_lists(struct att *att)
{
	const struct libdstack_log *runtime = &att->out->runtime;
	const struct libdstack_log *listed = &att->listed;
	size_t i;

	if (!listed->count)
		return 0;
	if (listed->count != runtime->count)
		return att_fail(att, REASON(MISMATCH),
				"the event log has %zu events of register 3, and the list to replay %zu",
				listed->count, runtime->count);
	for (i = 0; i < listed->count; i++)
		if (!same(&listed->events[i], &runtime->events[i]))
			return att_fail(att, REASON(MISMATCH),
					"event %zu ('%s') is another in the list to replay",
					i, listed->events[i].name);
	return 0;
}

void att_adopt_listed(struct att *att)
{
	att->out->runtime = att->listed;
	memset(&att->listed, 0, sizeof(att->listed));
}
