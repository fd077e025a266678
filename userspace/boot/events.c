// SPDX-License-Identifier: MIT
/*
 * What is in the event log already: compared, so that nothing is there twice
 *
 * Copyright The dstack for Linux authors
 */
#include "events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN	32	/* bytes of a payload in a message */

/* Upstream's of all versions: verifiers take the first of each. */
static const char *const names[] = {
	"system-preparing", "app-id", "compose-hash", "init-script-hash",
	"gpu-policy-hash", "gpu-attestation", "instance-id", "boot-mr-done",
	"mr-kms", "os-image-hash", "key-provider", "storage-fs",
	"system-ready", NULL
};

static const char *own_name(const char *name, size_t len)
{
	const char *const *own;

	for (own = names; *own; own++)
		if (strlen(*own) == len && !memcmp(*own, name, len))
			return *own;
	return NULL;
}

int boot_events_add(struct boot_events *events, const char *name,
		    size_t name_len, const void *payload, size_t len)
{
	const char *own = own_name(name, name_len);
	struct boot_event *event;

	if (!own)
		return 0;
	event = reallocarray(events->items, events->nr + 1, sizeof(*event));
	if (!event)
		return -ENOMEM;
	events->items = event;
	event += events->nr;
	event->payload = malloc(len + 1);
	if (!event->payload)
		return -ENOMEM;
	if (len)
		memcpy(event->payload, payload, len);
	event->len = len;
	snprintf(event->name, sizeof(event->name), "%s", own);
	events->nr++;
	return 0;
}

void boot_events_free(struct boot_events *events)
{
	size_t i;

	for (i = 0; i < events->nr; i++)
		free(events->items[i].payload);
	free(events->items);
	memset(events, 0, sizeof(*events));
}

/* For a person: hex digits, and how much is not shown. */
static const char *shown(const void *data, size_t len, char *out, size_t size)
{
	char hex[2 * SHOWN + 1];

	if (!len)
		return "nothing";
	libdstack_to_hex(data, len < SHOWN ? len : SHOWN, hex);
	snprintf(out, size, "%s%s", hex, len > SHOWN ? "..." : "");
	return out;
}

int boot_events_find(const struct boot_events *events, size_t at,
		     const char *name, const void *data, size_t len, bool any)
{
	const struct boot_event *event = &events->items[at];
	char was[2 * SHOWN + 4], is[2 * SHOWN + 4];

	if (at >= events->nr)
		return 0;
	if (!strcmp(event->name, name) &&
	    (any || (event->len == len && !memcmp(event->payload, data, len))))
		return 1;
	if (any)
		return boot_fail(-EBUSY, "this machine measured '%s' where '%s' would be: it booted another application; reboot to boot this one",
				 event->name, name);
	return boot_fail(-EBUSY, "this machine measured '%s' (%s) where '%s' (%s) would be: what was measured stays; reboot to boot something else",
			 event->name,
			 shown(event->payload, event->len, was, sizeof(was)),
			 name, shown(data, len, is, sizeof(is)));
}
