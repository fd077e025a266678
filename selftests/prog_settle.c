// SPDX-License-Identifier: MIT
/*
 * Waits until dstackd has stored all that the kernel recorded
 *
 * Copyright The dstack for Linux authors
 */
#include <fcntl.h>
#include <linux/dstack.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>

#include "prog.h"

#define BUF_SIZE	65536
#define NAP_MS		10
#define NAPS		1000

static __aligned_u64 buf[BUF_SIZE / sizeof(__aligned_u64)];

/* The records from @seq on; the number of events in the log, or -1. */
static int64_t read_from(int fd, uint64_t seq)
{
	struct dstack_read_log get = {
		.size = sizeof(get),
		.seq = seq,
		.buf = (uintptr_t)buf,
		.buf_len = sizeof(buf),
	};

	/* The first ones may be forgotten: the count comes all the same. */
	if (ioctl(fd, DSTACK_READ_LOG, &get) && errno != ENODATA)
		return -1;
	return (int64_t)get.out_count;
}

/* 1 if the last record's content is no longer in the kernel, 0 if it is. */
static int is_stored(int fd)
{
	const struct dstack_log_record *last = (const void *)buf;
	int64_t count = read_from(fd, 0);

	if (count <= 0 || read_from(fd, count - 1) < count)
		return -1;
	return last->flags & DSTACK_RECORD_F_DRAINED ? 1 : 0;
}

int main(void)
{
	const struct timespec nap = { .tv_nsec = NAP_MS * 1000000 };
	const char *scale = getenv("TIME_SCALE");	/* see run.sh */
	int naps = NAPS * (scale ? atoi(scale) : 1);
	int fd = open("/dev/dstack", O_RDWR), i, stored = 0;

	for (i = 0; i < naps && fd >= 0 && !stored; i++) {
		stored = is_stored(fd);
		if (!stored)
			nanosleep(&nap, NULL);
	}
	if (fd < 0 || stored < 0)
		fprintf(stderr, "prog_settle: %s\n", errno_name());
	return stored == 1 ? 0 : 1;
}
