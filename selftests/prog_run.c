// SPDX-License-Identifier: MIT
/*
 * Runs a program in a cgroup, in one of several ways
 *
 * Copyright The dstack for Linux authors
 *
 * The move into the cgroup comes first, so that the next exec is already the
 * container's: no shell and no fork comes between.  If the exec fails, prints
 * the name of the errno and exits with 126.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "prog.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

enum how { BY_PATH, BY_FD, BY_PROC, BY_MEMFD, BY_SEALED_MEMFD };

static int usage(void)
{
	fputs("Usage: prog_run [-c CGROUP] [-f|-p|-m|-s] FILE [ARG]...\n\n"
	      "  -c CGROUP  move to this cgroup directory first\n"
	      "  -f         exec a descriptor of FILE\n"
	      "  -p         exec /proc/self/fd/N of it\n"
	      "  -m         exec a memfd with a copy of it\n"
	      "  -s         the same, sealed\n", stderr);
	return 2;
}

static int fail(const char *what)
{
	const char *name = errno_name();

	if (what)
		fprintf(stderr, "prog_run: can't %s: ", what);
	fprintf(what ? stderr : stdout, "%s\n", name);
	return what ? 1 : 126;
}

static int copy_to_memfd(const char *file, int seal)
{
	int from, to;
	ssize_t n;

	from = open(file, O_RDONLY | O_CLOEXEC);
	to = memfd_create("copy", MFD_ALLOW_SEALING | MFD_EXEC);
	if (from < 0 || to < 0)
		return -1;
	do {
		n = sendfile(to, from, NULL, 1 << 20);
	} while (n > 0);
	close(from);
	if (n < 0 || (seal && fcntl(to, F_ADD_SEALS, SEALS)))
		return -1;
	return to;
}

static int open_file(const char *file, enum how how)
{
	if (how == BY_MEMFD || how == BY_SEALED_MEMFD)
		return copy_to_memfd(file, how == BY_SEALED_MEMFD);
	return open(file, O_RDONLY);
}

static void run(enum how how, int fd, char **argv)
{
	char path[32];

	if (how == BY_PATH) {
		execv(argv[0], argv);
	} else if (how == BY_PROC) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		execv(path, argv);
	} else {
		syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH);
	}
}

int main(int argc, char **argv)
{
	const char *cgroup = NULL;
	enum how how = BY_PATH;
	int c, fd = -1;

	while ((c = getopt(argc, argv, "+c:fpms")) != -1) {
		if (c == '?')
			return usage();
		if (c == 'c')
			cgroup = optarg;
		else
			how = c == 'f' ? BY_FD : c == 'p' ? BY_PROC :
			      c == 'm' ? BY_MEMFD : BY_SEALED_MEMFD;
	}
	if (optind == argc)
		return usage();
	if (cgroup && enter_cgroup(cgroup))
		return fail("enter the cgroup");
	if (how != BY_PATH) {
		fd = open_file(argv[optind], how);
		if (fd < 0)
			return fail("open the file");
	}
	run(how, fd, argv + optind);
	return fail(NULL);
}
