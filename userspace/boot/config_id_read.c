// SPDX-License-Identifier: MIT
/*
 * MR_CONFIG_ID, read from the machine
 *
 * Copyright The dstack for Linux authors
 *
 * From the TDX module by way of the kernel, and not from a quote: that one
 * comes from the host.
 */
#include "boot.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Wherever the kernel can extend registers, it has this. */
#define REGISTER	"/sys/class/misc/tdx_guest/measurements/mrconfigid"

int config_id_read(struct boot *boot, uint8_t value[BOOT_CONFIG_ID_SIZE])
{
	ssize_t got;
	int fd, err;

	memset(value, 0, BOOT_CONFIG_ID_SIZE);
	if (boot->backend != DSTACK_BACKEND_TDX)
		return 0;
	fd = open(REGISTER, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return boot_fail(-errno, "can't open '" REGISTER "': %s: has the kernel the driver tdx-guest?",
				 strerror(errno));
	got = read(fd, value, BOOT_CONFIG_ID_SIZE);
	err = got < 0 ? -errno : got == BOOT_CONFIG_ID_SIZE ? 0 : -EIO;
	close(fd);
	return err ? boot_fail(err, "can't read '" REGISTER "': %s",
			       strerror(-err)) : 0;
}
