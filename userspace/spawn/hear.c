// SPDX-License-Identifier: MIT
/*
 * What may be done with what a program says
 *
 * Copyright The dstack for Linux authors
 */
#include "spawn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int spawn_ignore(void *arg, const char *data, size_t len)
{
	(void)arg;
	(void)data;
	(void)len;
	return 0;
}

int spawn_keep(void *arg, const char *data, size_t len)
{
	struct spawn_text *text = arg;
	char *more;

	if (len > text->max - text->len)
		return -EFBIG;
	more = realloc(text->data, text->len + len + 1);
	if (!more)
		return -ENOMEM;
	memcpy(more + text->len, data, len);
	text->data = more;
	text->len += len;
	more[text->len] = '\0';
	return 0;
}

int spawn_keep_line(void *arg, const char *data, size_t len)
{
	struct spawn_line *line = arg;
	size_t i;

	for (i = 0; i < len; i++) {
		/* A line that another follows is over. */
		if (line->over)
			line->len = 0;
		line->over = data[i] == '\n';
		if (!line->over && line->len < sizeof(line->text) - 1)
			line->text[line->len++] = data[i];
	}
	line->text[line->len] = '\0';
	return 0;
}
