// SPDX-License-Identifier: MIT
/*
 * What starting a program costs
 *
 * Copyright The dstack for Linux authors
 */
#include <errno.h>
#include <fcntl.h>
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

/* What a process took so far, in ns; here a nanosecond is an instruction. */
static unsigned long long time_of(size_t pid)
{
	char path[64], text[64];
	ssize_t len;
	int fd;

	if (!pid)
		return 0;
	snprintf(path, sizeof(path), "/proc/%zu/schedstat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (len < 0)
		die("read the process's time");
	close(fd);
	text[len] = '\0';
	return strtoull(text, NULL, 10);
}

/*
 * Files in turn, so that each can be another that nobody has run yet.  Where a
 * program's parts lie is not random meanwhile: where they share a page table
 * and where not would be most of the spread.
 */
int cmd_exec(const struct options *opt, char **args)
{
	unsigned long long begin, end, before, after;
	struct series series;
	char **file = args;
	size_t i;

	enter(opt->cgroup);
	if (personality(ADDR_NO_RANDOMIZE) < 0)
		die("fix the layout of programs");
	series_init(&series, opt->count);
	for (i = 0; i < opt->warm; i++) {
		start(*file);
		if (!*++file)
			file = args;
	}
	before = time_of(opt->other);
	mark(opt->phase);
	begin = ticks();
	for (i = 0, file = args; i < opt->count; i++) {
		series_add(&series, start(*file));
		if (!*++file)
			file = args;
	}
	end = ticks();
	mark(0);
	after = time_of(opt->other);
	series_print(&series, opt->name);
	if (opt->other)
		printf("%s.elapsed %llu\n%s.other %llu\n", opt->name,
		       end - begin, opt->name, after - before);
	return 0;
}
