// SPDX-License-Identifier: MIT
/*
 * What mapping a library costs
 *
 * Copyright The dstack for Linux authors
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"

static int open_file(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		die("open the file");
	*size = st.st_size;
	read_whole(fd);
	return fd;
}

static uint64_t map(int fd, size_t size)
{
	uint64_t begin = ticks(), end;
	void *at;

	at = mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	end = ticks();
	if (at == MAP_FAILED)
		die("map the file");
	munmap(at, size);
	return end - begin;
}

int cmd_map(const struct options *opt, char **args)
{
	struct series series;
	size_t i, size;
	int fd;

	enter(opt->cgroup);
	fd = open_file(args[0], &size);
	series_init(&series, opt->count);
	for (i = 0; i < opt->warm; i++)
		map(fd, size);
	mark(opt->phase);
	for (i = 0; i < opt->count; i++)
		series_add(&series, map(fd, size));
	mark(0);
	series_print(&series, opt->name);
	return 0;
}

/*
 * Map whole files until killed.  The first to map a page and the last to unmap
 * it pay for statistics; who is first shall not depend on what else runs.
 */
int cmd_pin(const struct options *opt, char **args)
{
	size_t size;
	int fd;

	(void)opt;
	for (; *args; args++) {
		fd = open_file(*args, &size);
		if (mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd,
			 0) == MAP_FAILED)
			die("map the file");
		close(fd);
	}
	for (;;)
		pause();
}
