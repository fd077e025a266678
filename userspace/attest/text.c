// SPDX-License-Identifier: MIT
/*
 * The whole event log as JSON, which clients of upstream's API know
 *
 * Copyright The dstack for Linux authors
 */
#include "attest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Without payloads those are left whose name is all that they say. */
static size_t payload_kept(const struct libdstack_event *event, bool stripped)
{
	return stripped && !*event->name ? 0 : event->payload_len;
}

static int put_event(FILE *out, const struct libdstack_event *event,
		     bool stripped)
{
	size_t len = payload_kept(event, stripped);
	char digest[2 * DSTACK_REGISTER_SIZE + 1];
	char *payload = malloc(2 * len + 1);

	if (!payload)
		return -ENOMEM;
	/* Its name is one of ours, and needs no escapes. */
	fprintf(out, "{\"imr\":%u,\"event_type\":%u,\"digest\":\"%s\",\"event\":\"%s\",\"event_payload\":\"%s\"}",
		event->imr, event->event_type,
		libdstack_to_hex(event->digest, DSTACK_REGISTER_SIZE, digest),
		event->name, libdstack_to_hex(event->payload, len, payload));
	free(payload);
	return 0;
}

static int put_boot(FILE *out, const struct attest_evidence *evidence,
		    bool stripped)
{
	const struct libdstack_log *boot = &evidence->boot;
	size_t i;
	int err = 0;

	for (i = 0; !err && i < boot->count; i++) {
		fputc(i ? ',' : '[', out);
		err = put_event(out, &boot->events[i], stripped);
	}
	fputc(!boot->count ? '[' : evidence->log[1] == ']' ? ' ' : ',', out);
	return err;
}

int attest_text(const struct attest_evidence *evidence, bool stripped,
		char **text)
{
	size_t len, runtime = strlen(evidence->log);
	FILE *out = open_memstream(text, &len);
	char *both = NULL;
	int err;

	if (!out)
		return -ENOMEM;
	err = put_boot(out, evidence, stripped);
	if (fclose(out) && !err)
		err = -ENOMEM;
	/* The log is large, and text already. */
	if (!err)
		both = realloc(*text, len + runtime);
	if (!both) {
		free(*text);
		return err ?: -ENOMEM;
	}
	memcpy(both + len, evidence->log + 1, runtime);
	*text = both;
	return 0;
}
