// SPDX-License-Identifier: MIT
/*
 * Adds large events to the log until the kernel refuses
 *
 * Copyright The dstack for Linux authors
 *
 * Prints the name of the errno.  No more than so many are added: with a daemon
 * that drains it would never end.
 */
#include <fcntl.h>
#include <linux/dstack.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>

#include "prog.h"

#define EVENTS_MAX 20000

int main(void)
{
	static uint8_t data[DSTACK_USER_DATA_MAX];
	struct dstack_extend extend = {
		.size = sizeof(extend), .name = "flood",
		.data = (uintptr_t)data, .data_len = sizeof(data),
	};
	int fd = open("/dev/dstack", O_RDWR), i, err = 0;

	for (i = 0; i < EVENTS_MAX && fd >= 0 && !err; i++)
		err = ioctl(fd, DSTACK_EXTEND, &extend);
	puts(fd < 0 || err ? errno_name() : "it never ends");
	return err ? 0 : 1;
}
