// SPDX-License-Identifier: MIT
/*
 * What a program says, in the log: readable, and not more than is of use
 *
 * Copyright The dstack for Linux authors
 */
#include "spawn.h"

#include <stdio.h>
#include <string.h>

#define BURST		200	/* lines at once */
#define RATE		20	/* lines a second, after that */
#define SECOND		1000	/* milliseconds */

void spawn_lines_start(struct spawn_lines *lines, spawn_tell_fn tell, void *arg)
{
	memset(lines, 0, sizeof(*lines));
	lines->tell = tell;
	lines->arg = arg;
	lines->room = BURST;
	lines->since = spawn_now_ms();
}

static void make_room(struct spawn_lines *lines)
{
	int64_t now = spawn_now_ms();
	int64_t more = (now - lines->since) * RATE / SECOND;

	if (more <= 0)
		return;
	lines->room = more + lines->room < BURST ? more + lines->room : BURST;
	lines->since = now;
}

static void tell_left_out(struct spawn_lines *lines)
{
	char text[64];

	if (!lines->left_out)
		return;
	snprintf(text, sizeof(text), "%zu lines were left out",
		 lines->left_out);
	lines->tell(lines->arg, text);
	lines->left_out = 0;
}

static void end_line(struct spawn_lines *lines)
{
	if (lines->room) {
		tell_left_out(lines);
		memcpy(lines->line + lines->len, lines->cut ? "..." : "",
		       lines->cut ? sizeof("...") : 1);
		lines->tell(lines->arg, lines->line);
		lines->room--;
	} else {
		lines->left_out++;
	}
	lines->len = 0;
	lines->cut = false;
}

/* No terminal of a reader is to obey what a program prints. */
static char shown(char c)
{
	return c == '\t' || (c >= ' ' && c <= '~') ? c : '?';
}

int spawn_lines_hear(void *arg, const char *data, size_t len)
{
	struct spawn_lines *lines = arg;

	make_room(lines);
	for (; len; data++, len--) {
		if (*data == '\n')
			end_line(lines);
		else if (lines->len < sizeof(lines->line) - sizeof("..."))
			lines->line[lines->len++] = shown(*data);
		else
			lines->cut = true;
	}
	return 0;
}

void spawn_lines_end(struct spawn_lines *lines)
{
	if (lines->len)
		end_line(lines);
	tell_left_out(lines);
}
