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

static int hear(void *output, const char *data, size_t len)
{
	script_output_add(output, data, len, now_us());
	return 0;
}

int script_run(const struct script *script)
{
	static const char *const env[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:"
		"/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root", "LC_ALL=C.UTF-8", NULL
	};
	const char *const argv[] = { "bash", "--", script->file, NULL };
	struct script_output output;
	const struct spawn spawn = {
		.argv = argv, .env = env, .dir = script->dir,
		.out = { hear, &output }, .together = true,
		.timeout_ms = script->seconds * MS_PER_S,
	};
	mode_t mask = umask(0022);	/* as scripts expect it, and not ours */
	int status;

	script_output_start(&output, script->nr, now_us());
	status = spawn_run(&spawn);
	script_output_end(&output);
	umask(mask);
	return status;
}
