// SPDX-License-Identifier: MIT
/*
 * What starting a program costs
 *
 * Copyright The dstack for Linux authors
 */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

/* From posix_spawn() to the end of wait: all that a caller pays. */
static uint64_t start(char *file)
{
	static char *environment[] = { NULL };
	char *argv[] = { file, NULL };
	int status, err;
	uint64_t begin;
	pid_t pid;

	begin = ticks();
	err = posix_spawn(&pid, file, NULL, NULL, argv, environment);
	if (err) {
		errno = err;
		die("start the program");
	}
	if (waitpid(pid, &status, 0) != pid || status)
		die("run the program to its good end");
	return ticks() - begin;
}

/*
 * Files in turn, so that each can be another file that nobody has run yet.
 * The profile covers the samples only.
 */
int cmd_exec(const struct options *opt, char **args)
{
	struct series series;
	uint64_t begin;
	char **file;
	size_t i;

	enter(opt->cgroup);
	if (personality(ADDR_NO_RANDOMIZE) < 0)
		die("fix the layout of programs");
	series_init(&series, opt->count);
	for (i = 0, file = args; i < opt->warm; i++) {
		start(*file);
		if (!*++file)
			file = args;
	}
	mark(opt->phase);
	begin = ticks();
	for (i = 0, file = args; i < opt->count; i++) {
		series_add(&series, start(*file));
		if (!*++file)
			file = args;
	}
	begin = ticks() - begin;
	mark(0);
	series_print(&series, opt->name);
	printf("%s.elapsed %llu\n", opt->name, (unsigned long long)begin);
	return 0;
}
