/* SPDX-License-Identifier: MIT */
/*
 * What the helper programs share
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _SELFTESTS_PROG_H
#define _SELFTESTS_PROG_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* The name of errno, of those that a test asks for. */
static inline const char *errno_name(void)
{
	static const struct {
		int value;
		const char *name;
	} names[] = {
		{ EACCES, "EACCES" }, { EINVAL, "EINVAL" }, { ELOOP, "ELOOP" },
		{ ENOBUFS, "ENOBUFS" }, { EDQUOT, "EDQUOT" },
		{ ENODATA, "ENODATA" },
		{ ENOENT, "ENOENT" }, { ENOEXEC, "ENOEXEC" },
		{ EIO, "EIO" }, { EPERM, "EPERM" },
		{ ETXTBSY, "ETXTBSY" }, { E2BIG, "E2BIG" },
	};
	static char other[32];
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].value == errno)
			return names[i].name;
	snprintf(other, sizeof(other), "errno %d", errno);
	return other;
}

/* Move to a cgroup: what is run next is already run in that container. */
static inline int enter_cgroup(const char *cgroup)
{
	int dir, fd, err;

	dir = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = dir < 0 ? -1 : openat(dir, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	err = fd < 0 || write(fd, "0", 1) != 1;
	if (fd >= 0)
		close(fd);
	if (dir >= 0)
		close(dir);
	return err ? -1 : 0;
}

#endif /* _SELFTESTS_PROG_H */
