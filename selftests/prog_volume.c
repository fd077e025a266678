// SPDX-License-Identifier: MIT
/*
 * Adds so many events to the log
 *
 * Copyright The dstack for Linux authors
 *
 * Waits when these are too many, as often as that takes, and prints how
 * often it did; or the errno of another error, and after how many events.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/dstack.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "prog.h"

static int usage(void)
{
	fputs("Usage: prog_volume [-c CGROUP] [-b | -n] EVENTS [BYTES]\n"
	      "       prog_volume -r SEQ\n\n"
	      "  -b         waits for the daemon to store events, not for the rate\n"
	      "  -c CGROUP  move to this cgroup directory first\n"
	      "  -n         no waiting\n"
	      "  -r SEQ     read this event instead, and say where to go on\n",
	      stderr);
	return 2;
}

static int read_one(int fd, uint64_t seq)
{
	static __aligned_u64 buf[8192];
	struct dstack_read_log get = {
		.size = sizeof(get), .seq = seq, .buf = (uintptr_t)buf,
		.buf_len = sizeof(buf),
	};
	int err = ioctl(fd, DSTACK_READ_LOG, &get);

	printf("%s %" PRIu64 "\n", err ? errno_name() : "ok",
	       (uint64_t)get.out_next);
	return 0;
}

enum patience { NONE, ROOM, ROOM_AND_RATE };

static int add(int fd, unsigned long nr, size_t len, enum patience patience)
{
	static uint8_t data[DSTACK_USER_DATA_MAX];
	const struct timespec nap = { .tv_nsec = 10000000 };
	struct dstack_extend extend = {
		.size = sizeof(extend), .name = "volume",
		.data = (uintptr_t)data, .data_len = len,
	};
	unsigned long i = 0, waits = 0;

	while (i < nr) {
		memcpy(data, &i, sizeof(i) < len ? sizeof(i) : len);
		if (!ioctl(fd, DSTACK_EXTEND, &extend)) {
			i++;
		} else if ((errno == ENOBUFS && patience >= ROOM) ||
			   (errno == EDQUOT && patience == ROOM_AND_RATE)) {
			waits++;
			nanosleep(&nap, NULL);
		} else {
			printf("%s after %lu\n", errno_name(), i);
			return 0;
		}
	}
	printf("added %lu, %lu waits\n", nr, waits);
	return 0;
}

int main(int argc, char **argv)
{
	const char *cgroup = NULL, *seq = NULL;
	enum patience patience = ROOM_AND_RATE;
	int c, fd;
	size_t len = 0;

	while ((c = getopt(argc, argv, "bc:nr:")) != -1) {
		if (c == 'c')
			cgroup = optarg;
		else if (c == 'r')
			seq = optarg;
		else if (c == 'n')
			patience = NONE;
		else if (c == 'b')
			patience = ROOM;
		else
			return usage();
	}
	if (!seq && optind == argc)
		return usage();
	if (optind + 1 < argc)
		len = strtoul(argv[optind + 1], NULL, 10);
	if (len > DSTACK_USER_DATA_MAX)
		return usage();
	/* Opened where it is used: another's descriptor is of no use. */
	fd = cgroup && enter_cgroup(cgroup) ? -1 : open("/dev/dstack", O_RDWR);
	if (fd < 0) {
		perror("prog_volume");
		return 1;
	}
	if (seq)
		return read_one(fd, strtoull(seq, NULL, 10));
	return add(fd, strtoul(argv[optind], NULL, 10), len,
		   patience);
}
