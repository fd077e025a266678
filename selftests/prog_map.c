// SPDX-License-Identifier: MIT
/*
 * Maps files executable, as a loader does, or as none does
 *
 * Copyright The dstack for Linux authors
 *
 * Prints "mapped", or the name of the errno, for each file.  A mapping stays
 * until the end; before each but the first, a line is read from standard
 * input.  For all files that follow:
 *
 *	-s	mappings are shared
 *	-p	what can be read can be executed: personality(READ_IMPLIES_EXEC)
 *	-r	the same, once the file is mapped: remap_file_pages() does it
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "prog.h"

static int flags = MAP_PRIVATE;
static int prot = PROT_READ | PROT_EXEC;
static int remap;

/* Executable although nobody asks for that, of what was mapped before. */
static int remap_executable(void *at, size_t size)
{
	if (personality(READ_IMPLIES_EXEC) < 0)
		return -1;
	return syscall(SYS_remap_file_pages, at, size, 0, 0, 0);
}

static const char *map(const char *file)
{
	/* What is mapped shared, but cannot be written, counts as private. */
	int fd = open(file, remap ? O_RDWR : O_RDONLY);
	struct stat st;
	void *at;

	if (fd < 0 || fstat(fd, &st))
		return errno_name();
	at = mmap(NULL, st.st_size, prot, flags, fd, 0);
	if (at == MAP_FAILED || (remap && remap_executable(at, st.st_size)))
		return errno_name();
	return "mapped";
}

static int set(const char *option)
{
	switch (option[1]) {
	case 's':
		flags = MAP_SHARED;
		return 0;
	case 'p':
		prot = PROT_READ;
		return personality(READ_IMPLIES_EXEC) < 0;
	case 'r':
		prot = PROT_READ;
		flags = MAP_SHARED;
		remap = 1;
		return 0;
	}
	return 1;
}

int main(int argc, char **argv)
{
	char line[64];
	int i, mapped = 0;

	for (i = 1; i < argc; i++) {
		if (argv[i][0] == '-') {
			if (set(argv[i]))
				return 2;
			continue;
		}
		if (mapped++ && !fgets(line, sizeof(line), stdin))
			return 1;
		puts(map(argv[i]));
		fflush(stdout);
	}
	return 0;
}
