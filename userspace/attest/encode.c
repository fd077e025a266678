// SPDX-License-Identifier: MIT
/*
 * Containers are written: which form, and what goes in
 *
 * Copyright The dstack for Linux authors
 */
#include "encode.h"

#include <errno.h>
#include <stdlib.h>

static bool kept(const struct libdstack_event *event, bool stripped)
{
	return !stripped || event->imr == ATTEST_RUNTIME_REGISTER ||
		attest_is_acpi(event->imr, event->event_type, event->payload,
			       event->payload_len);
}

/* The boot's, then the runtime's. */
static const struct libdstack_event *
event_at(const struct libdstack_attestation *parts, size_t at)
{
	if (at < parts->boot.count)
		return &parts->boot.events[at];
	at -= parts->boot.count;
	return at < parts->runtime.count ? &parts->runtime.events[at] : NULL;
}

const struct libdstack_event *
attest_next(const struct libdstack_attestation *parts, bool stripped,
	    size_t *at)
{
	const struct libdstack_event *event;

	do {
		event = event_at(parts, (*at)++);
	} while (event && !kept(event, stripped));
	return event;
}

size_t attest_count(const struct libdstack_attestation *parts, bool stripped)
{
	size_t at = 0, nr = 0;

	while (attest_next(parts, stripped, &at))
		nr++;
	return nr;
}

size_t attest_digest_len(const struct libdstack_event *event, bool stripped)
{
	return stripped && event->imr == ATTEST_RUNTIME_REGISTER ? 0 :
		sizeof(event->digest);
}

/* The digests of others follow from more than is written. */
static bool all_version_1(const struct libdstack_log *log)
{
	size_t i;

	for (i = 0; i < log->count; i++)
		if (log->events[i].version > 1)
			return false;
	return true;
}

static int take(msgpack_sbuffer *buffer, uint8_t **out, size_t *len)
{
	if (buffer->size > LIBDSTACK_ATTESTATION_MAX)
		return -EFBIG;
	*len = buffer->size;
	*out = (uint8_t *)msgpack_sbuffer_release(buffer);
	return 0;
}

int attest_encode(const struct libdstack_attestation *parts,
		  enum libdstack_attestation_form form, bool stripped,
		  uint8_t **out, size_t *len)
{
	msgpack_sbuffer buffer;
	int err;

	if (parts->tee != LIBDSTACK_TEE_TDX || parts->pod ||
	    !all_version_1(&parts->runtime))
		return -EOPNOTSUPP;
	msgpack_sbuffer_init(&buffer);
	switch (form) {
	case LIBDSTACK_FORM_SCALE:
		err = attest_write_scale(parts, stripped, &buffer);
		break;
	case LIBDSTACK_FORM_MSGPACK:
		err = attest_write_msgpack(parts, stripped, &buffer);
		break;
	default:
		err = -EOPNOTSUPP;
	}
	if (!err)
		err = take(&buffer, out, len);
	msgpack_sbuffer_destroy(&buffer);
	return err;
}
