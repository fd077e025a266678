// SPDX-License-Identifier: MIT
/*
 * Says with which rights it runs
 *
 * Copyright The dstack for Linux authors
 */
#include <linux/capability.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return 1;
	printf("uid=%d euid=%d net_raw=%d\n", getuid(), geteuid(),
	       data[0].effective & 1U << CAP_NET_RAW ? 1 : 0);
	return 0;
}
