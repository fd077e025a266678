// SPDX-License-Identifier: MIT
/*
 * The event log as a file: read, write, replay
 *
 * Copyright The dstack for Linux authors
 */
#include "lib.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "event.h"

#define RUNTIME_REGISTER	3
#define ENTRY_FIELDS		5

/* A log being parsed. */
struct parser {
	const char *text;
	size_t len, pos;
	size_t entry;		/* from 1; of a file of lines, the line */
	size_t cap;		/* events that log->events has room for */
	struct libdstack_log *log;
};

static int refuse(const struct parser *p, const char *why)
{
	dstack_message("log entry %zu: %s", p->entry, why);
	return -EBADMSG;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_space(struct parser *p)
{
	while (p->pos < p->len && is_space(p->text[p->pos]))
		p->pos++;
}

static bool take(struct parser *p, char c)
{
	if (p->pos == p->len || p->text[p->pos] != c)
		return false;
	p->pos++;
	return true;
}

static int add_event(struct parser *p, const struct libdstack_event *event)
{
	struct libdstack_log *log = p->log;

	if (log->count == p->cap) {
		size_t cap = p->cap ? 2 * p->cap : 64;
		struct libdstack_event *events;

		events = reallocarray(log->events, cap, sizeof(*events));
		if (!events)
			return -ENOMEM;
		log->events = events;
		p->cap = cap;
	}
	log->events[log->count++] = *event;
	return 0;
}

static int computed_digest(const struct libdstack_event *event,
			   uint8_t digest[DSTACK_REGISTER_SIZE])
{
	return dstack_event_digest(event->name, strlen(event->name),
				   event->payload, event->payload_len, digest);
}

static int get_digest(struct parser *p, const char *hex, size_t len,
		      struct libdstack_event *event)
{
	if (!len)
		return computed_digest(event, event->digest);
	if (!dstack_hex_decode(hex, len, event->digest, sizeof(event->digest)))
		return refuse(p, "the digest is not 96 hex digits");
	return 0;
}

/* Name and payload share one allocation, which the name starts. */
static int get_name_payload(struct parser *p, const json_t *name,
			    const json_t *payload,
			    struct libdstack_event *event)
{
	size_t name_len = json_string_length(name);

	if (!dstack_event_name_ok(json_string_value(name)))
		return refuse(p, "the name is not 1 to 63 of A-Z a-z 0-9 . _ -");
	event->payload_len = json_string_length(payload) / 2;
	event->name = malloc(name_len + 1 + event->payload_len);
	if (!event->name)
		return -ENOMEM;
	memcpy(event->name, json_string_value(name), name_len + 1);
	event->payload = (uint8_t *)event->name + name_len + 1;
	if (!dstack_hex_decode(json_string_value(payload),
			       json_string_length(payload), event->payload,
			       event->payload_len))
		return refuse(p, "the payload is not hex");
	return 0;
}

static int parse_runtime_event(struct parser *p, const json_t *obj)
{
	const json_t *digest = json_object_get(obj, "digest");
	struct libdstack_event event = { .imr = RUNTIME_REGISTER };
	int err;

	if (json_integer_value(json_object_get(obj, "event_type")) !=
	    DSTACK_EVENT_TYPE)
		return refuse(p, "the event type is not 134217729, so the digest cannot be computed");
	event.event_type = DSTACK_EVENT_TYPE;
	err = get_name_payload(p, json_object_get(obj, "event"),
			       json_object_get(obj, "event_payload"), &event);
	if (!err)
		err = get_digest(p, json_string_value(digest),
				 json_string_length(digest), &event);
	if (!err)
		err = add_event(p, &event);
	if (err)
		free(event.name);
	return err;
}

static int parse_object(struct parser *p, const json_t *obj)
{
	json_int_t imr;

	if (!json_is_object(obj))
		return refuse(p, "not a JSON object");
	if (!json_is_integer(json_object_get(obj, "imr")) ||
	    !json_is_integer(json_object_get(obj, "event_type")) ||
	    !json_is_string(json_object_get(obj, "digest")) ||
	    !json_is_string(json_object_get(obj, "event")) ||
	    !json_is_string(json_object_get(obj, "event_payload")))
		return refuse(p, "imr, event_type, digest, event or event_payload is missing or of another type");
	if (json_object_size(obj) != ENTRY_FIELDS)
		return refuse(p, "unknown field; only imr, event_type, digest, event and event_payload are known");
	imr = json_integer_value(json_object_get(obj, "imr"));
	if (imr < 0 || imr > RUNTIME_REGISTER)
		return refuse(p, "imr is not 0 to 3");
	if (imr == RUNTIME_REGISTER)
		return parse_runtime_event(p, obj);
	p->log->others++;
	return 0;
}

/* One JSON value of bounded size, wherever it ends. */
static int parse_entry(struct parser *p)
{
	const size_t flags = JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK;
	size_t len = p->len - p->pos;
	json_error_t error;
	json_t *obj;
	int err;

	p->entry++;
	if (len > LIBDSTACK_LOG_ENTRY_MAX)
		len = LIBDSTACK_LOG_ENTRY_MAX;
	obj = json_loadb(p->text + p->pos, len, flags, &error);
	if (!obj && json_error_code(&error) == json_error_out_of_memory)
		return -ENOMEM;
	if (!obj && json_error_code(&error) == json_error_premature_end_of_input)
		return refuse(p, len < LIBDSTACK_LOG_ENTRY_MAX ?
			      "cut off" : "more than 65536 bytes");
	if (!obj)
		return refuse(p, error.text);
	p->pos += error.position;
	err = parse_object(p, obj);
	json_decref(obj);
	return err;
}

static int parse_lines(struct parser *p)
{
	int err;

	while (p->pos < p->len) {
		err = parse_entry(p);
		if (err)
			return err;
		if (p->pos < p->len && !take(p, '\n'))
			return refuse(p, "something follows on the same line");
	}
	return 0;
}

static int parse_array(struct parser *p)
{
	int err;

	skip_space(p);
	if (!take(p, ']')) {
		do {
			skip_space(p);
			err = parse_entry(p);
			if (err)
				return err;
			skip_space(p);
		} while (take(p, ','));
		if (!take(p, ']'))
			return refuse(p, "neither ',' nor ']' follows");
	}
	skip_space(p);
	if (p->pos < p->len)
		return refuse(p, "something follows the array");
	return 0;
}

int libdstack_log_parse(const char *text, size_t len,
			struct libdstack_log **log)
{
	struct parser p = { .text = text, .len = len };
	int err;

	if (len > LIBDSTACK_LOG_FILE_MAX)
		return -EFBIG;
	p.log = calloc(1, sizeof(*p.log));
	if (!p.log)
		return -ENOMEM;
	skip_space(&p);
	err = take(&p, '[') ? parse_array(&p) : parse_lines(&p);
	if (err) {
		libdstack_log_free(p.log);
		return err;
	}
	*log = p.log;
	return 0;
}

int libdstack_log_read(const char *path, struct libdstack_log **log)
{
	size_t len;
	char *text;
	int err;

	err = dstack_file_read(path, LIBDSTACK_LOG_FILE_MAX, &text, &len);
	if (err)
		return err;
	err = libdstack_log_parse(text, len, log);
	if (err)
		dstack_message("'%s' is not an event log that can be used: %s",
			       path, strerror(-err));
	free(text);
	return err;
}

void libdstack_log_free(struct libdstack_log *log)
{
	size_t i;

	if (!log)
		return;
	for (i = 0; i < log->count; i++)
		free(log->events[i].name);
	free(log->events);
	free(log);
}

int libdstack_event_to_json(const char *name, size_t name_len,
			    const void *payload, size_t len,
			    const uint8_t digest[DSTACK_REGISTER_SIZE],
			    char **line)
{
	static const char format[] =
		"{\"imr\":%d,\"event_type\":%u,\"digest\":\"%s\",\"event\":\"%s\",\"event_payload\":\"%s\"}\n";
	char hex[2 * DSTACK_REGISTER_SIZE + 1];
	char text[DSTACK_NAME_SIZE] = "";
	char *payload_hex;
	int n;

	if (name_len >= sizeof(text) || memchr(name, 0, name_len))
		return -EINVAL;
	memcpy(text, name, name_len);
	if (!dstack_event_name_ok(text))
		return -EINVAL;
	payload_hex = malloc(2 * len + 1);
	if (!payload_hex)
		return -ENOMEM;
	/* A name that is well-formed needs no escapes. */
	n = asprintf(line, format, RUNTIME_REGISTER, DSTACK_EVENT_TYPE,
		     dstack_hex_encode(digest, DSTACK_REGISTER_SIZE, hex), text,
		     dstack_hex_encode(payload, len, payload_hex));
	free(payload_hex);
	return n < 0 ? -ENOMEM : 0;
}

/* What extending the register with this event does to its value. */
static int fold(const struct libdstack_event *event,
		uint8_t value[DSTACK_REGISTER_SIZE])
{
	uint8_t digest[DSTACK_REGISTER_SIZE];
	int err;

	err = computed_digest(event, digest);
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
