// SPDX-License-Identifier: MIT
/*
 * A script, with bash, in a bounded time
 *
 * Copyright The dstack for Linux authors
 *
 * What it leaves in the background stays, as upstream's does; only what it says
 * later nobody hears.  A script that is given up ends with all that it started.
 */
#include "scripts.h"

#include <sys/stat.h>

#include "../spawn/spawn.h"

#define MS_PER_S	1000LL

static void tell(void *arg, const char *line)
{
	const struct script *script = arg;

	boot_say("init_script %zu: %s", script->nr, line);
}

int script_run(const struct script *script)
{
	static const char *const env[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:"
		"/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root", "LC_ALL=C.UTF-8", NULL
	};
	const char *const argv[] = { "bash", "--", script->file, NULL };
	struct spawn_lines lines;
	const struct spawn spawn = {
		.argv = argv, .env = env, .dir = script->dir,
		.out = { spawn_lines_hear, &lines }, .together = true,
		.timeout_ms = script->seconds * MS_PER_S,
	};
	mode_t mask = umask(0022);	/* as scripts expect it, and not ours */
	int status;

	spawn_lines_start(&lines, tell, (void *)script);
	status = spawn_run(&spawn);
	spawn_lines_end(&lines);
	umask(mask);
	return status;
}
