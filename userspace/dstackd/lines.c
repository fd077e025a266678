// SPDX-License-Identifier: MIT
/*
 * The lines of a log file, whatever is in it
 *
 * Copyright The dstack for Linux authors
 *
 * Read through a window: a mapping of a file that somebody cuts, or that the
 * disk refuses, would be a signal instead of an error.
 */
#include "dstackd.h"
#include "event.h"
#include "lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WINDOW		1048576
#define LINE_MAX_LEN	65536

/* A place that store_add_lost() kept is good, too: it is known to be lost. */
static bool content_ok(const struct libdstack_event *event)
{
	uint8_t digest[DSTACK_REGISTER_SIZE];

	if (!event->payload_len && !strcmp(event->name, "lost"))
		return true;
	return !dstack_event_digest(event->name, strlen(event->name),
				    event->payload, event->payload_len,
				    digest) &&
		!memcmp(digest, event->digest, sizeof(digest));
}

static void parse_line(const char *text, struct line *line)
{
	struct libdstack_log *log;

	if (line->len > LINE_MAX_LEN ||
	    libdstack_log_parse(text, line->len, &log)) {
		line->len = 0;
		return;
	}
	if (log->count == 1)
		memcpy(line->digest, log->events[0].digest,
		       sizeof(line->digest));
	if (log->count != 1 || !content_ok(&log->events[0]))
		line->len = 0;
	libdstack_log_free(log);
}

static int add_line(struct lines *lines, int fd, off_t at, const char *text,
		    size_t len)
{
	struct line *line;

	if (lines->nr == lines->cap) {
		size_t cap = lines->cap ? 2 * lines->cap : 1024;

		line = reallocarray(lines->items, cap, sizeof(*line));
		if (!line)
			return -ENOMEM;
		lines->items = line;
		lines->cap = cap;
	}
	line = &lines->items[lines->nr++];
	memset(line, 0, sizeof(*line));
	line->at = at;
	line->fd = fd;
	line->len = len;	/* less than the window */
	parse_line(text, line);
	return 0;
}

/* The whole lines in a text that is at @at in the file.  Sets *used. */
static int add_lines(struct lines *lines, int fd, off_t at, const char *text,
		     size_t len, size_t *used)
{
	const char *newline;
	int err = 0;

	*used = 0;
	while (!err && (newline = memchr(text + *used, '\n', len - *used))) {
		const char *start = text + *used;
		size_t line_len = newline + 1 - start;

		err = add_line(lines, fd, at + *used, start, line_len);
		*used += line_len;
	}
	/* No event is as long as this: drop it, piece by piece. */
	if (!err && !*used && len == WINDOW) {
		err = add_line(lines, fd, at, text, len);
		*used = len;
	}
	return err;
}

static int read_window(struct lines *lines, int fd, char *window)
{
	size_t len = 0, used;
	off_t at = 0;
	ssize_t n;
	int err;

	for (;;) {
		n = pread(fd, window + len, WINDOW - len, at + (off_t)len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : 0;
		len += n;
		err = add_lines(lines, fd, at, window, len, &used);
		if (err)
			return err;
		at += used;
		lines->end = at;
		len -= used;
		memmove(window, window + used, len);
		notify_alive();
	}
}

int lines_read(struct lines *lines, int fd)
{
	char *window = malloc(WINDOW);
	int err;

	if (!window)
		return -ENOMEM;
	/* A bad line is no error here: the result is told once, as a whole. */
	libdstack_set_message_callback(NULL);
	lines->end = 0;
	err = read_window(lines, fd, window);
	libdstack_set_message_callback(library_message);
	free(window);
	return err;
}

void lines_free(struct lines *lines)
{
	free(lines->items);
	memset(lines, 0, sizeof(*lines));
}
