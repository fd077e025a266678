// SPDX-License-Identifier: MIT
/*
 * Holds files open for writing in a way that no descriptor table shows
 *
 * Copyright The dstack for Linux authors
 *
 * Prints "holds", and lets go at the end of standard input.  A line that comes
 * before is written to the end of the last file, if it is mapped.
 */
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "prog.h"

static char *map;
static size_t size;

static int usage(void)
{
	fputs("Usage: prog_writer [-c CGROUP] map|flight FILE...\n\n"
	      "  -c CGROUP  move to this cgroup directory first\n"
	      "  map        a shared mapping\n"
	      "  flight     a descriptor that is on its way to somebody\n",
	      stderr);
	return 2;
}

static int hold_map(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return -1;
	size = st.st_size;
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return map == MAP_FAILED ? -1 : 0;
}

static int hold_in_flight(int fd)
{
	char byte = 0, space[CMSG_SPACE(sizeof(fd))];
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = space, .msg_controllen = sizeof(space),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	int sockets[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets))
		return -1;
	memset(space, 0, sizeof(space));
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	return sendmsg(sockets[0], &msg, 0) == 1 ? 0 : -1;
}

static void write_lines(void)
{
	char line[64];
	size_t len;

	while (fgets(line, sizeof(line), stdin)) {
		len = strcspn(line, "\n");
		if (map && len <= size)
			memcpy(map + size - len, line, len);
		puts("written");
		fflush(stdout);
	}
}

static int hold(const char *how, const char *file)
{
	int fd = open(file, O_RDWR | O_CLOEXEC), err;

	if (fd < 0)
		return -1;
	err = strcmp(how, "map") ? hold_in_flight(fd) : hold_map(fd);
	close(fd);
	return err;
}

int main(int argc, char **argv)
{
	int at = 1, i, err = 0;

	if (argc > 3 && !strcmp(argv[1], "-c")) {
		if (enter_cgroup(argv[2]))
			return 1;
		at = 3;
	}
	if (argc < at + 2)
		return usage();
	for (i = at + 1; i < argc && !err; i++)
		err = hold(argv[at], argv[i]);
	puts(err ? errno_name() : "holds");
	fflush(stdout);
	write_lines();
	return err ? 1 : 0;
}
