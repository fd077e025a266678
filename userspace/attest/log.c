// SPDX-License-Identifier: MIT
/*
 * The event log as a text, up to the event that a quote covers
 *
 * Copyright The dstack for Linux authors
 *
 * dstackd keeps one event a line, from the first; its lines are the objects of
 * the array that clients of upstream's API know.
 */
#include "attest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TEXT_MAX	(8U << 20)	/* more fits into no container */
#define PATIENCE	100		/* looks, */
#define PAUSE_NS	20000000	/* and so long between two */

struct text {
	char *data;
	size_t len, room;
};

/* The line, with '[' or ',' before it instead of its newline. */
static int add_line(struct text *text, const char *line, size_t len)
{
	size_t room = text->room ? 2 * text->room : 65536;
	char *grown;

	while (room < text->len + len + 3)
		room *= 2;
	if (text->len + len + 3 > text->room) {
		grown = realloc(text->data, room);
		if (!grown)
			return -ENOMEM;
		text->data = grown;
		text->room = room;
	}
	text->data[text->len] = text->len ? ',' : '[';
	memcpy(text->data + text->len + 1, line, len);
	text->len += len + 1;
	return 0;
}

/* -EAGAIN: they are not all there yet. */
static int read_lines(FILE *file, uint64_t count, struct text *text)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t len;
	int err = 0;

	while (!err && count) {
		len = getline(&line, &room, file);
		if (len <= 0 || line[len - 1] != '\n')
			err = -EAGAIN;
		else if (text->len + len > TEXT_MAX)
			err = -EFBIG;
		else
			err = add_line(text, line, len - 1);
		count--;
	}
	free(line);
	return err;
}

static int read_log(const char *path, uint64_t count, struct text *text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), err;
	FILE *file;

	if (fd < 0)
		return -errno;
	file = fdopen(fd, "r");
	if (!file) {
		err = -errno;
		close(fd);
		return err;
	}
	text->len = 0;
	err = read_lines(file, count, text);
	fclose(file);
	return err;
}

int attest_log_text(const char *path, uint64_t count, char **out)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	struct text text = { NULL, 0, 0 };
	int tries = 0, err;

	do {
		if (tries)
			nanosleep(&pause, NULL);
		err = read_log(path, count, &text);
	} while (err == -EAGAIN && ++tries < PATIENCE);
	if (!err && !text.len)
		err = add_line(&text, "", 0);
	if (err) {
		free(text.data);
		return err;
	}
	text.data[text.len] = ']';
	text.data[text.len + 1] = '\0';
	*out = text.data;
	return 0;
}
