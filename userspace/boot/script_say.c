// SPDX-License-Identifier: MIT
/*
 * What a script says, in the log: readable, and not more than is of use
 *
 * Copyright The dstack for Linux authors
 */
#include "scripts.h"

#include <string.h>

#define BURST		200	/* lines at once */
#define RATE		20	/* lines a second, after that */
#define SECOND		1000000

void script_output_start(struct script_output *out, size_t nr, int64_t now)
{
	memset(out, 0, sizeof(*out));
	out->nr = nr;
	out->room = BURST;
	out->since = now;
}

static void make_room(struct script_output *out, int64_t now)
{
	int64_t lines = (now - out->since) * RATE / SECOND;

	if (lines <= 0)
		return;
	out->room = lines + out->room < BURST ? lines + out->room : BURST;
	out->since = now;
}

static void tell_left_out(struct script_output *out)
{
	if (out->left_out)
		boot_say("init_script %zu: %zu lines were left out", out->nr,
			 out->left_out);
	out->left_out = 0;
}

static void end_line(struct script_output *out)
{
	if (out->room) {
		tell_left_out(out);
		out->line[out->len] = '\0';
		boot_say("init_script %zu: %s%s", out->nr, out->line,
			 out->cut ? "..." : "");
		out->room--;
	} else {
		out->left_out++;
	}
	out->len = 0;
	out->cut = false;
}

/* No terminal of a reader is to obey what a script prints. */
static char shown(char c)
{
	return c == '\t' || (c >= ' ' && c <= '~') ? c : '?';
}

void script_output_add(struct script_output *out, const char *data, size_t len,
		       int64_t now)
{
	make_room(out, now);
	for (; len; data++, len--) {
		if (*data == '\n')
			end_line(out);
		else if (out->len < sizeof(out->line) - 1)
			out->line[out->len++] = shown(*data);
		else
			out->cut = true;
	}
}

void script_output_end(struct script_output *out)
{
	if (out->len)
		end_line(out);
	tell_left_out(out);
}
