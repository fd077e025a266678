// SPDX-License-Identifier: MIT
/*
 * The sandbox of 'dstackctl run'
 *
 * Copyright The dstack for Linux authors
 *
 * Identity is the cgroup, so the sandbox must keep its root user from leaving
 * the cgroup and from making the host run something: no writable cgroup or
 * proc settings, no devices, none of the capabilities that bring them back.
 */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CAP_BIT(cap)	(1ULL << (cap))

/* What a program that is root in a container expects, and no more. */
static const uint64_t kept_capabilities =
	CAP_BIT(CAP_CHOWN) | CAP_BIT(CAP_DAC_OVERRIDE) | CAP_BIT(CAP_FOWNER) |
	CAP_BIT(CAP_FSETID) | CAP_BIT(CAP_KILL) | CAP_BIT(CAP_SETGID) |
	CAP_BIT(CAP_SETUID) | CAP_BIT(CAP_SETPCAP) | CAP_BIT(CAP_SETFCAP) |
	CAP_BIT(CAP_NET_BIND_SERVICE) | CAP_BIT(CAP_AUDIT_WRITE);

static const char * const devices[] = {
	"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom",
	"/dev/tty", "/dev/dstack",
};

#define NR_DEVICES (sizeof(devices) / sizeof(devices[0]))

static const struct {
	const char *path, *target;
} links[] = {
	{ "/dev/fd", "/proc/self/fd" },
	{ "/dev/stdin", "/proc/self/fd/0" },
	{ "/dev/stdout", "/proc/self/fd/1" },
	{ "/dev/stderr", "/proc/self/fd/2" },
	{ "/dev/ptmx", "pts/ptmx" },
};

/* Writing to these changes the host. */
static const char * const read_only[] = {
	"/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus",
};

/* A copy of each device's mount, which survives the change of root. */
static void take_devices(int fds[NR_DEVICES])
{
	size_t i;

	for (i = 0; i < NR_DEVICES; i++)
		fds[i] = syscall(SYS_open_tree, AT_FDCWD, devices[i],
				 OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
}

/* Links in @rootfs are followed only once it is the root. */
static int change_root(const char *rootfs)
{
	if (mount(rootfs, rootfs, NULL, MS_BIND | MS_REC, NULL) ||
	    chdir(rootfs))
		return -errno;
	if (!syscall(SYS_pivot_root, ".", ".")) {
		if (umount2(".", MNT_DETACH))
			return -errno;
	} else if (errno != EINVAL || mount(".", "/", NULL, MS_MOVE, NULL) ||
		   chroot(".")) {
		/* EINVAL: the root is an initramfs, which can't be pivoted. */
		return -errno;
	}
	return chdir("/") ? -errno : 0;
}

static int put_device(int fd, const char *path)
{
	int file;

	if (fd < 0)
		return 0;	/* the host doesn't have it either */
	file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (file < 0)
		return -errno;
	close(file);
	if (syscall(SYS_move_mount, fd, "", AT_FDCWD, path,
		    MOVE_MOUNT_F_EMPTY_PATH))
		return -errno;
	close(fd);
	return 0;
}

static int make_dev(const int fds[NR_DEVICES])
{
	size_t i;
	int err;

	if (mkdir("/dev", 0755) && errno != EEXIST)
		return -errno;
	if (mount("dev", "/dev", "tmpfs", MS_NOSUID | MS_NOEXEC | MS_NODEV,
		  "mode=755,size=64k"))
		return -errno;
	for (i = 0; i < NR_DEVICES; i++) {
		err = put_device(fds[i], devices[i]);
		if (err)
			return err;
	}
	for (i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (symlink(links[i].target, links[i].path))
			return -errno;
	if (mkdir("/dev/pts", 0755) || mkdir("/dev/shm", 0755) ||
	    mount("shm", "/dev/shm", "tmpfs",
		  MS_NOSUID | MS_NOEXEC | MS_NODEV, "mode=1777"))
		return -errno;
	/* A kernel without pseudo terminals is no reason to fail. */
	(void)mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
		    "newinstance,ptmxmode=0666,mode=0620");
	return 0;
}

static int make_proc(void)
{
	size_t i;

	if (mkdir("/proc", 0555) && errno != EEXIST)
		return -errno;
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV,
		  NULL))
		return -errno;
	for (i = 0; i < sizeof(read_only) / sizeof(read_only[0]); i++) {
		const char *path = read_only[i];

		if (mount(path, path, NULL, MS_BIND | MS_REC, NULL)) {
			if (errno == ENOENT)
				continue;
			return -errno;
		}
		if (mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY |
			  MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL))
			return -errno;
	}
	return 0;
}

/* The host's /sys with all that is mounted in it, the cgroups included. */
static int protect_sys(void)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

	if (syscall(SYS_mount_setattr, AT_FDCWD, "/sys", AT_RECURSIVE, &attr,
		    sizeof(attr)))
		return -errno;
	return 0;
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct data[2];
	int cap;

	for (cap = 0; cap < 64; cap++) {
		if (kept_capabilities & CAP_BIT(cap))
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) && errno != EINVAL)
			return -errno;	/* EINVAL: past the kernel's last */
	}
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))
		return -errno;
	memset(data, 0, sizeof(data));
	data[0].permitted = (uint32_t)kept_capabilities;
	data[1].permitted = kept_capabilities >> 32;
	data[0].effective = data[0].permitted;
	data[1].effective = data[1].permitted;
	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

int run_sandbox_enter(const char *rootfs, const char *name, const char **step)
{
	int fds[NR_DEVICES], err;

	*step = "leave the cgroup namespace";
	if (unshare(CLONE_NEWCGROUP))
		return -errno;
	*step = "make the mounts private";
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -errno;
	*step = "set the host name";
	/* Of a long id the kernel takes the first part. */
	if (sethostname(name, strnlen(name, HOST_NAME_MAX)))
		return -errno;
	take_devices(fds);
	*step = "change the root directory";
	err = rootfs ? change_root(rootfs) : 0;
	if (err)
		return err;
	*step = "make /sys read-only";
	err = rootfs ? 0 : protect_sys();
	if (err)
		return err;
	*step = "mount /proc";
	err = make_proc();
	if (err)
		return err;
	*step = "make /dev";
	err = make_dev(fds);
	if (err)
		return err;
	*step = "drop capabilities";
	return drop_capabilities();
}
