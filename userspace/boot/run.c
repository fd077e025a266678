// SPDX-License-Identifier: MIT
/*
 * Programs that do a part of the work
 *
 * Copyright The dstack for Linux authors
 */
#include "boot.h"

#include "../spawn/spawn.h"

int run(const char *const *argv, const void *input, size_t len)
{
	/* Nothing of our environment is a program's business. */
	static const char *const env[] = {
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL
	};
	/* What it says goes where ours goes; the step's limit is its. */
	const struct spawn spawn = {
		.argv = argv, .env = env, .input = input, .input_len = len,
	};

	return spawn_run(&spawn);
}
