// SPDX-License-Identifier: MIT
/*
 * Programs that do a part of the work, in a bounded time
 *
 * Copyright The dstack for Linux authors
 */
#include "run.h"

#include <string.h>
#include <unistd.h>

#define GRACE_MS	5000
#define ENVIRONMENT_MAX	32

/*
 * Nothing of our environment is a program's business but how to reach
 * registries, and where an administrator has put podman's files.
 */
static void choose_environment(const char *env[ENVIRONMENT_MAX])
{
	static const char *const kept[] = {
		"CONTAINERS_", "REGISTRY_AUTH_FILE=", "HTTP_PROXY=",
		"HTTPS_PROXY=", "NO_PROXY=", "http_proxy=", "https_proxy=",
		"no_proxy=", NULL
	};
	size_t nr = 0, i, j;

	env[nr++] = "PATH=/usr/local/sbin:/usr/local/bin:"
		"/usr/sbin:/usr/bin:/sbin:/bin";
	env[nr++] = "HOME=/root";
	env[nr++] = "LC_ALL=C.UTF-8";
	for (i = 0; environ[i]; i++)
		for (j = 0; kept[j] && nr < ENVIRONMENT_MAX - 1; j++)
			if (!strncmp(environ[i], kept[j], strlen(kept[j])))
				env[nr++] = environ[i];
	env[nr] = NULL;
}

int run_command(const char *const *argv, unsigned int seconds,
		const struct spawn_ear *out, const struct spawn_ear *err)
{
	const char *env[ENVIRONMENT_MAX];
	const struct spawn spawn = {
		.argv = argv, .env = env,
		.out = out ? *out : (struct spawn_ear){ spawn_ignore, NULL },
		.err = err ? *err : (struct spawn_ear){ NULL, NULL },
		.timeout_ms = seconds * 1000LL, .grace_ms = GRACE_MS,
	};

	choose_environment(env);
	return spawn_run(&spawn);
}
