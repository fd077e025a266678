// SPDX-License-Identifier: MIT
/*
 * Act for a process, now and later: prog_act PID [FILE]
 *
 * Copyright The dstack for Linux authors
 *
 * Prints for whom it acts, or why not; with FILE again when that is there.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/dstack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int say(const unsigned char *id, int failed)
{
	puts(failed ? strerror(errno) : (const char *)id);
	fflush(stdout);
	return failed ? 1 : 0;
}

static int act(int fd, pid_t pid)
{
	struct dstack_act_for call = { .size = sizeof(call), .pid = pid };
	int failed = ioctl(fd, DSTACK_ACT_FOR, &call);

	return say(call.out_id, failed);
}

static int ask(int fd)
{
	struct dstack_info call = { .size = sizeof(call) };
	int failed = ioctl(fd, DSTACK_INFO, &call);

	return say(call.out_id, failed);
}

int main(int argc, char **argv)
{
	int fd = open("/dev/dstack", O_RDWR), failed;

	if (argc < 2 || fd < 0)
		return 2;
	failed = act(fd, atoi(argv[1]));
	if (failed || argc == 2)
		return failed;
	while (access(argv[2], F_OK))
		usleep(10000);
	return ask(fd);
}
