// SPDX-License-Identifier: MIT
/*
 * How far an image is that is being pulled, for a person
 *
 * Copyright The dstack for Linux authors
 *
 * podman says which layers it fetches, several at once, and when only the
 * configuration is left.  That it says so proves nothing: store.c looks.
 */
#include "run.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LAYER		"Copying blob sha256:"
#define CONFIG		"Copying config "
#define DIGEST_SHOWN	12

static void say(const struct run_pull *pull, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void say(const struct run_pull *pull, const char *fmt, ...)
{
	char line[LIBDSTACK_MESSAGE_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	pull->tell(line);
}

void run_pull_tell(void *arg, const char *line)
{
	struct run_pull *pull = arg;
	long long s = (spawn_now_ms() - pull->began_ms) / 1000;

	if (!strncmp(line, LAYER, strlen(LAYER)))
		say(pull, "pulling %s: layer %zu (%.*s) after %lld s",
		    pull->name, ++pull->layers, DIGEST_SHOWN,
		    line + strlen(LAYER), s);
	else if (!strncmp(line, CONFIG, strlen(CONFIG)))
		say(pull, "pulling %s: all %zu layers are here after %lld s",
		    pull->name, pull->layers, s);
	else
		say(pull, "podman: %s", line);
}
