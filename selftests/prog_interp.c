// SPDX-License-Identifier: MIT
/*
 * An interpreter that asks the kernel, when it is told to
 *
 * Copyright The dstack for Linux authors
 *
 *	FILE	"run" the script: print its last line
 *	-c CODE	the same with CODE, which is no file's
 *	-k FILE	ask whether FILE may run: "yes", or the name of the errno
 *	-b	print the securebits
 *	-x	clear them, and print what came of it
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "prog.h"

#ifndef AT_EXECVE_CHECK
#define AT_EXECVE_CHECK 0x10000
#endif
/* As in linux/securebits.h since Linux 6.14. */
#define EXEC_RESTRICT_FILE	(1 << 8)
#define EXEC_DENY_INTERACTIVE	(1 << 10)

static int may_run(int fd)
{
	char *argv[] = { "", NULL };

	return !syscall(SYS_execveat, fd, "", argv, environ,
			AT_EMPTY_PATH | AT_EXECVE_CHECK);
}

static int run_file(const char *path)
{
	int bits = prctl(PR_GET_SECUREBITS);
	char text[4096], *line;
	ssize_t n;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || bits < 0) {
		puts(errno_name());
		return 1;
	}
	if (bits & EXEC_RESTRICT_FILE && !may_run(fd)) {
		printf("refused %s\n", errno_name());
		return 126;
	}
	n = read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return 1;
	while (n && text[n - 1] == '\n')
		n--;
	text[n] = '\0';
	line = strrchr(text, '\n');
	puts(line ? line + 1 : text);
	return 0;
}

static int run_code(const char *code)
{
	if (prctl(PR_GET_SECUREBITS) & EXEC_DENY_INTERACTIVE) {
		puts("refused");
		return 126;
	}
	puts(code);
	return 0;
}

static int check(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	puts(fd >= 0 && may_run(fd) ? "yes" : errno_name());
	return 0;
}

int main(int argc, char **argv)
{
	switch (getopt(argc, argv, "+c:k:bx")) {
	case 'c':
		return run_code(optarg);
	case 'k':
		return check(optarg);
	case 'b':
		printf("%#x\n", (unsigned int)prctl(PR_GET_SECUREBITS));
		return 0;
	case 'x':
		puts(prctl(PR_SET_SECUREBITS, 0) ? errno_name() : "cleared");
		return 0;
	case -1:
		return argc == 2 ? run_file(argv[1]) : 2;
	default:
		return 2;
	}
}
