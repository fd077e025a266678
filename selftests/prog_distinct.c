// SPDX-License-Identifier: MIT
/*
 * Tries to run many files, each with content that no other has
 *
 * Copyright The dstack for Linux authors
 *
 * No program among them: where it may run, execve(2) fails with ENOEXEC.
 * Prints how many failed with which errno.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "prog.h"

#define ERRNO_MAX 256

static int usage(void)
{
	fputs("Usage: prog_distinct [-c CGROUP] FILE FIRST COUNT\n\n"
	      "  -c CGROUP  move to this cgroup directory first\n", stderr);
	return 2;
}

static int write_file(const char *path, unsigned long nr)
{
	char text[32];
	int fd, len = snprintf(text, sizeof(text), "file %lu\n", nr);

	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	if (fd < 0 || write(fd, text, len) != len)
		return -1;
	return close(fd);
}

int main(int argc, char **argv)
{
	static unsigned long failed[ERRNO_MAX];
	unsigned long nr, end;
	char *args[2] = { NULL };
	int c;

	while ((c = getopt(argc, argv, "c:")) != -1) {
		if (c != 'c')
			return usage();
		if (enter_cgroup(optarg)) {
			perror(optarg);
			return 1;
		}
	}
	if (argc != optind + 3)
		return usage();
	args[0] = argv[optind];
	nr = strtoul(argv[optind + 1], NULL, 10);
	for (end = nr + strtoul(argv[optind + 2], NULL, 10); nr < end; nr++) {
		if (write_file(args[0], nr)) {
			perror(args[0]);
			return 1;
		}
		execv(args[0], args);
		failed[errno < ERRNO_MAX ? errno : 0]++;
	}
	for (c = 0; c < ERRNO_MAX; c++) {
		errno = c;
		if (failed[c])
			printf("%s %lu\n", errno_name(), failed[c]);
	}
	return 0;
}
