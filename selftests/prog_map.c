// SPDX-License-Identifier: MIT
/*
 * Maps files executable, as a loader does
 *
 * Copyright The dstack for Linux authors
 *
 * Prints "mapped", or the name of the errno, for each file.  A mapping stays
 * until the end; before each but the first, a line is read from standard
 * input.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "prog.h"

static const char *map(const char *file)
{
	int fd = open(file, O_RDONLY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return errno_name();
	if (mmap(NULL, st.st_size, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) ==
	    MAP_FAILED)
		return errno_name();
	return "mapped";
}

int main(int argc, char **argv)
{
	char line[64];
	int i;

	for (i = 1; i < argc; i++) {
		if (i > 1 && !fgets(line, sizeof(line), stdin))
			return 1;
		puts(map(argv[i]));
		fflush(stdout);
	}
	return 0;
}
