// SPDX-License-Identifier: MIT
/*
 * The event log as a file: read and write
 *
 * Copyright The dstack for Linux authors
 */
#include "lib.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "event.h"

#define RUNTIME_REGISTER	3
#define ENTRY_FIELDS		5
#define ENTRY_MAX		LIBDSTACK_LOG_ENTRY_MAX
#define WINDOW_SIZE		(16 * ENTRY_MAX)

/* What libdstack_event_to_json() writes around its values. */
#define FORM_DIGEST	"{\"imr\":3,\"event_type\":134217729,\"digest\":\""
#define FORM_NAME	"\",\"event\":\""
#define FORM_PAYLOAD	"\",\"event_payload\":\""
#define FORM_END	"\"}"

/* A log being parsed: a text, or a window that moves over a file. */
struct parser {
	const char *text;
	size_t len, pos;
	char *window;		/* NULL: the text is all there is */
	int fd;
	uint64_t bytes;		/* read so far */
	bool at_end;		/* nothing is left to read */
	int err;		/* of reading; sticky */
	size_t entry;		/* from 1; of a file of lines, the line */
	size_t cap;		/* events that log->events has room for */
	struct libdstack_log *log;
};

/* What differs between the entries of our register. */
struct fields {
	struct dstack_bytes digest, name, payload;
};

static int refuse(const struct parser *p, const char *why)
{
	dstack_message("log entry %zu: %s", p->entry, why);
	return -EBADMSG;
}

/* Move the window on, so that a whole entry is in it or the end. */
static void fill(struct parser *p)
{
	if (!p->window || p->at_end || p->len - p->pos >= ENTRY_MAX)
		return;
	p->len -= p->pos;
	memmove(p->window, p->window + p->pos, p->len);
	p->pos = 0;
	while (p->len < WINDOW_SIZE) {
		ssize_t got = read(p->fd, p->window + p->len,
				   WINDOW_SIZE - p->len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			p->err = -errno;
		else if (p->bytes + got > LIBDSTACK_LOG_FILE_MAX)
			p->err = -EFBIG;
		if (got <= 0 || p->err) {
			p->at_end = true;
			return;
		}
		p->len += got;
		p->bytes += got;
	}
}

/* The next character, or -1 at the end. */
static int peek(struct parser *p)
{
	if (p->pos == p->len)
		fill(p);
	return p->pos < p->len ? (unsigned char)p->text[p->pos] : -1;
}

static void skip_space(struct parser *p)
{
	int c;

	while (c = peek(p), c == ' ' || c == '\t' || c == '\n' || c == '\r')
		p->pos++;
}

static bool take(struct parser *p, char c)
{
	if (peek(p) != c)
		return false;
	p->pos++;
	return true;
}

static int get_digest(struct parser *p, const char *hex, size_t len,
		      struct libdstack_event *event)
{
	if (!len)
		return dstack_log_digest(event, event->digest);
	if (!libdstack_from_hex(hex, len, event->digest, sizeof(event->digest)))
		return refuse(p, "the digest is not 96 hex digits");
	return 0;
}

/* Name and payload share one allocation, which the name starts. */
static int get_name_payload(struct parser *p, const struct fields *f,
			    struct libdstack_event *event)
{
	event->payload_len = f->payload.len / 2;
	event->name = malloc(f->name.len + 1 + event->payload_len);
	if (!event->name)
		return -ENOMEM;
	memcpy(event->name, f->name.data, f->name.len);
	event->name[f->name.len] = '\0';
	event->payload = (uint8_t *)event->name + f->name.len + 1;
	if (strlen(event->name) != f->name.len ||
	    !dstack_event_name_ok(event->name))
		return refuse(p, "the name is not 1 to 63 of A-Z a-z 0-9 . _ -");
	if (!libdstack_from_hex(f->payload.data, f->payload.len, event->payload,
				event->payload_len))
		return refuse(p, "the payload is not hex");
	return 0;
}

static int take_fields(struct parser *p, const struct fields *f)
{
	struct libdstack_event event = {
		.imr = RUNTIME_REGISTER, .event_type = DSTACK_EVENT_TYPE,
	};
	int err;

	err = get_name_payload(p, f, &event);
	if (!err)
		err = get_digest(p, f->digest.data, f->digest.len, &event);
	if (!err)
		err = dstack_log_add(p->log, &p->cap, &event);
	if (err)
		free(event.name);
	return err;
}

static struct dstack_bytes string_of(const json_t *obj, const char *key)
{
	const json_t *value = json_object_get(obj, key);

	return (struct dstack_bytes){
		json_string_value(value), json_string_length(value)
	};
}

static int parse_runtime_event(struct parser *p, const json_t *obj)
{
	const struct fields fields = {
		string_of(obj, "digest"), string_of(obj, "event"),
		string_of(obj, "event_payload"),
	};

	if (json_integer_value(json_object_get(obj, "event_type")) !=
	    DSTACK_EVENT_TYPE)
		return refuse(p, "the event type is not 134217729, so the digest cannot be computed");
	return take_fields(p, &fields);
}

static int parse_object(struct parser *p, const json_t *obj)
{
	json_int_t imr;

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

/* The bytes up to @end, which is skipped too; @end starts with a quote. */
static bool take_until(struct dstack_bytes *in, const char *end,
		       struct dstack_bytes *out)
{
	size_t len = strlen(end);
	const char *p = memchr(in->data, '"', in->len);

	if (!p)
		return false;
	out->data = in->data;
	out->len = p - (const char *)in->data;
	in->len -= out->len;
	in->data = p;
	if (in->len < len || memcmp(p, end, len))
		return false;
	in->data = p + len;
	in->len -= len;
	return true;
}

/*
 * An entry exactly as libdstack_event_to_json() writes it.  A log is long and
 * nearly always ours; taking it apart as JSON costs five times the hashing.
 * All that is not our form, an escape for instance, is left to the parser.
 */
static bool split_own_form(struct parser *p, size_t len, struct fields *f)
{
	const char *start = p->text + p->pos;
	const size_t head = strlen(FORM_DIGEST);
	struct dstack_bytes in;

	if (len < head || memcmp(start, FORM_DIGEST, head))
		return false;
	in.data = start + head;
	in.len = len - head;
	if (!take_until(&in, FORM_NAME, &f->digest) ||
	    !take_until(&in, FORM_PAYLOAD, &f->name) ||
	    !take_until(&in, FORM_END, &f->payload) ||
	    memchr(start, '\\', len - in.len))
		return false;
	p->pos += len - in.len;
	return true;
}

static int refuse_json(const struct parser *p, size_t len,
		       const json_error_t *error)
{
	switch (json_error_code(error)) {
	case json_error_out_of_memory:
		return -ENOMEM;
	case json_error_premature_end_of_input:
		return refuse(p, len < ENTRY_MAX ? "cut off" :
			      "more than 65536 bytes");
	default:
		return refuse(p, error->text);
	}
}

/* One JSON value of bounded size, wherever it ends. */
static int parse_json(struct parser *p, size_t len)
{
	const size_t flags = JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK;
	json_error_t error;
	json_t *obj;
	int err;

	obj = json_loadb(p->text + p->pos, len, flags, &error);
	if (!obj)
		return refuse_json(p, len, &error);
	p->pos += error.position;
	err = parse_object(p, obj);
	json_decref(obj);
	return err;
}

static int parse_entry(struct parser *p)
{
	struct fields fields;
	size_t len;

	p->entry++;
	fill(p);
	len = p->len - p->pos;
	if (len > ENTRY_MAX)
		len = ENTRY_MAX;
	if (peek(p) != '{')
		return refuse(p, "not a JSON object");
	if (split_own_form(p, len, &fields))
		return take_fields(p, &fields);
	return parse_json(p, len);
}

static int parse_lines(struct parser *p)
{
	int err;

	while (peek(p) >= 0) {
		err = parse_entry(p);
		if (err)
			return err;
		if (!take(p, '\n') && peek(p) >= 0)
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
	if (peek(p) >= 0)
		return refuse(p, "something follows the array");
	return 0;
}

static int parse(struct parser *p, struct libdstack_log **log)
{
	int err;

	p->log = calloc(1, sizeof(*p->log));
	if (!p->log)
		return -ENOMEM;
	skip_space(p);
	err = take(p, '[') ? parse_array(p) : parse_lines(p);
	/* What could not be read whole must not pass for a shorter log. */
	if (p->err)
		err = p->err;
	if (err)
		libdstack_log_free(p->log);
	else
		*log = p->log;
	return err;
}

int libdstack_log_parse(const char *text, size_t len,
			struct libdstack_log **log)
{
	struct parser p = { .text = text, .len = len };

	return len > LIBDSTACK_LOG_FILE_MAX ? -EFBIG : parse(&p, log);
}

int libdstack_log_read(const char *path, struct libdstack_log **log)
{
	struct parser p = { .text = NULL };
	int err = -ENOMEM;

	p.fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (p.fd < 0) {
		err = -errno;
		dstack_message("can't open '%s': %s", path, strerror(-err));
		return err;
	}
	p.window = malloc(WINDOW_SIZE);
	p.text = p.window;
	if (p.window)
		err = parse(&p, log);
	free(p.window);
	close(p.fd);
	if (err)
		dstack_message("'%s' is not an event log that can be used: %s",
			       path, strerror(-err));
	return err;
}

int libdstack_event_to_json(const char *name, size_t name_len,
			    const void *payload, size_t len,
			    const uint8_t digest[DSTACK_REGISTER_SIZE],
			    char **line)
{
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
	n = asprintf(line, FORM_DIGEST "%s" FORM_NAME "%s" FORM_PAYLOAD "%s"
		     FORM_END "\n",
		     libdstack_to_hex(digest, DSTACK_REGISTER_SIZE, hex), text,
		     libdstack_to_hex(payload, len, payload_hex));
	free(payload_hex);
	return n < 0 ? -ENOMEM : 0;
}
