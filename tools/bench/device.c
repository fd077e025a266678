// SPDX-License-Identifier: MIT
/*
 * What calls of /dev/dstack cost
 *
 * Copyright The dstack for Linux authors
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/dstack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#define DATA_SIZE	32
#define BUF_SIZE	65536
#define NAP_MS		10
#define NAPS		3000

static __aligned_u64 buf[BUF_SIZE / sizeof(__aligned_u64)];

static int open_device(void)
{
	int fd = open("/dev/dstack", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		die("open /dev/dstack");
	return fd;
}

static uint64_t extend(int fd)
{
	static const unsigned char data[DATA_SIZE];
	struct dstack_extend call = {
		.size = sizeof(call),
		.name = "bench",
		.data = (uintptr_t)data,
		.data_len = sizeof(data),
	};
	uint64_t begin = ticks(), end;
	int err = ioctl(fd, DSTACK_EXTEND, &call);

	end = ticks();
	if (err)
		die("extend");
	return end - begin;
}

int cmd_extend(const struct options *opt, char **args)
{
	struct series series;
	size_t i;
	int fd;

	(void)args;
	enter(opt->cgroup);
	fd = open_device();
	series_init(&series, opt->count);
	for (i = 0; i < opt->warm; i++)
		extend(fd);
	mark(opt->phase);
	for (i = 0; i < opt->count; i++)
		series_add(&series, extend(fd));
	mark(0);
	series_print(&series, opt->name);
	return 0;
}

static uint64_t ask(int fd, int file, const char *id)
{
	struct dstack_why call = {
		.size = sizeof(call),
		.fd = file,
		.kind = DSTACK_KIND_EXEC,
	};
	uint64_t begin, end;
	int err;

	strncpy((char *)call.id, id, sizeof(call.id) - 1);
	begin = ticks();
	err = ioctl(fd, DSTACK_WHY, &call);
	end = ticks();
	if (err)
		die("ask for the verdict");
	return end - begin;
}

static int open_next(char ***file, char **files)
{
	int fd = open(**file, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die("open the file");
	if (!*++*file)
		*file = files;
	return fd;
}

/* Every file has a digest of its own; an empty id asks for the caller. */
int cmd_why(const struct options *opt, char **args)
{
	char **file = args + 1;
	struct series series;
	int fd, asked;
	size_t i;

	enter(opt->cgroup);
	fd = open_device();
	series_init(&series, opt->count);
	for (i = 0; i < opt->warm + opt->count; i++) {
		uint64_t took;

		asked = open_next(&file, args + 1);
		if (i == opt->warm)
			mark(opt->phase);
		took = ask(fd, asked, args[0]);
		close(asked);
		if (i >= opt->warm)
			series_add(&series, took);
	}
	mark(0);
	series_print(&series, opt->name);
	return 0;
}

/* The records from @seq on; the number of events in the log. */
static uint64_t read_log(int fd, uint64_t seq)
{
	struct dstack_read_log call = {
		.size = sizeof(call),
		.seq = seq,
		.buf = (uintptr_t)buf,
		.buf_len = sizeof(buf),
	};

	/* The first ones may be forgotten: the count comes all the same. */
	if (ioctl(fd, DSTACK_READ_LOG, &call) && errno != ENODATA)
		die("read the log");
	return call.out_count;
}

/* Prints how many events there are. */
int cmd_settle(const struct options *opt, char **args)
{
	const struct dstack_log_record *last = (const void *)buf;
	const struct timespec nap = { .tv_nsec = NAP_MS * 1000000 };
	int fd = open_device(), i;
	uint64_t count;

	(void)args;
	for (i = 0; i < NAPS; i++) {
		count = read_log(fd, 0);
		if (!count || (read_log(fd, count - 1) == count &&
			       last->flags & DSTACK_RECORD_F_DRAINED)) {
			printf("%s %llu\n", opt->name,
			       (unsigned long long)count);
			return 0;
		}
		nanosleep(&nap, NULL);
	}
	errno = ETIMEDOUT;
	die("wait until the log is stored");
}
