// SPDX-License-Identifier: MIT
/*
 * Event logs in JSON, as lines or as an array
 *
 * Copyright The dstack for Linux authors
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include <libdstack.h>

/* An event is written in a form that is read as the same. */
static void write_again(const struct libdstack_event *event)
{
	struct libdstack_log *log;
	char *line;

	must(!libdstack_event_to_json(event->name, strlen(event->name),
				      event->payload, event->payload_len,
				      event->digest, &line));
	must(!libdstack_log_parse(line, strlen(line), &log));
	must(log->count == 1 && !strcmp(log->events[0].name, event->name) &&
	     log->events[0].payload_len == event->payload_len &&
	     !memcmp(log->events[0].payload, event->payload,
		     event->payload_len) &&
	     !memcmp(log->events[0].digest, event->digest,
		     sizeof(event->digest)));
	libdstack_log_free(log);
	free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t value[DSTACK_REGISTER_SIZE] = { 0 };
	char *text = fuzz_copy(data, len);
	struct libdstack_log *log;
	size_t i, bad;

	if (!libdstack_log_parse(text, len, &log)) {
		for (i = 0; i < log->count; i++)
			write_again(&log->events[i]);
		libdstack_log_replay(log, log->count, value, &bad);
		libdstack_log_free(log);
	}
	free(text);
	return 0;
}

#define EVENT(imr, digest, name, payload) \
	"{\"imr\":" imr ",\"event_type\":134217729,\"digest\":\"" digest \
	"\",\"event\":\"" name "\",\"event_payload\":\"" payload "\"}"
#define ZEROS	"000000000000000000000000000000000000000000000000"

void fuzz_seeds(void)
{
	fuzz_seed_text(EVENT("3", "", "app-id", "00ff") "\n"
		       EVENT("3", ZEROS ZEROS, "lost", "") "\n");
	fuzz_seed_text("[" EVENT("0", "", "", "") ", "
		       EVENT("3", "", "\\u0061b", "7631") "]\n");
	fuzz_seed_text("{ \"imr\" : 3, \"event_type\": 134217729, \"digest\": \"\", \"event_payload\": \"\", \"event\": \"x\" }\n");
}
