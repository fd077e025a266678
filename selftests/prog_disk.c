// SPDX-License-Identifier: MIT
/*
 * Reaches for a disk below the file systems
 *
 * Copyright The dstack for Linux authors
 *
 * Prints what came of it.
 */
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "prog.h"

static int usage(void)
{
	fputs("Usage: prog_disk read|write|direct DEVICE\n"
	      "       prog_disk mount|fsmount DEVICE DIR TYPE\n\n"
	      "  read, write, direct  open it so\n"
	      "  mount, fsmount       by the one or the other system call\n",
	      stderr);
	return 2;
}

static int flags_of(const char *how)
{
	if (!strcmp(how, "read"))
		return O_RDONLY;
	return strcmp(how, "direct") ? O_RDWR : O_RDWR | O_DIRECT;
}

/* The newer way, of which musl has no functions. */
static int mount_fs(const char *device, const char *dir, const char *type)
{
	int fs = syscall(SYS_fsopen, type, 0), mnt;

	if (fs < 0 || syscall(SYS_fsconfig, fs, 1, "source", device, 0) ||
	    syscall(SYS_fsconfig, fs, 6, NULL, NULL, 0))
		return -1;
	mnt = syscall(SYS_fsmount, fs, 0, 0);
	return mnt < 0 ? -1 : syscall(SYS_move_mount, mnt, "", AT_FDCWD, dir,
				      4);
}

static int run(int argc, char **argv)
{
	if (argc == 3)
		return open(argv[2], flags_of(argv[1]) | O_CLOEXEC);
	if (!strcmp(argv[1], "mount"))
		return mount(argv[2], argv[3], argv[4], 0, NULL);
	return mount_fs(argv[2], argv[3], argv[4]);
}

int main(int argc, char **argv)
{
	if (argc != 3 && argc != 5)
		return usage();
	if (run(argc, argv) < 0) {
		puts(errno_name());
		return 1;
	}
	puts("done");
	return 0;
}
