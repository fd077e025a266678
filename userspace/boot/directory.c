// SPDX-License-Identifier: MIT
/*
 * The application's directory: in memory, and nobody else's
 *
 * Copyright The dstack for Linux authors
 */
#include "boot.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define NEW_FILE	".new"

/* As mkdir -p, without the last one's mode. */
static int make_directories(const char *path)
{
	char *copy = strdup(path), *slash;

	if (!copy)
		return -ENOMEM;
	for (slash = copy + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		if (mkdir(copy, 0755) && errno != EEXIST)
			break;
		*slash = '/';
	}
	if (!slash && mkdir(copy, 0700) && errno != EEXIST)
		slash = copy;
	free(copy);
	return slash ? -errno : 0;
}

static int open_directory(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static bool is_in_memory(int fd)
{
	struct statfs fs;

	return !fstatfs(fd, &fs) && ((unsigned long)fs.f_type == TMPFS_MAGIC ||
				     (unsigned long)fs.f_type == RAMFS_MAGIC);
}

/* Keys will be there: on no disk, neither as files nor as swapped pages. */
static int mount_memory(const char *path)
{
	static const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;

	if (!mount("tmpfs", path, "tmpfs", flags, "mode=0700,size=256m,noswap"))
		return 0;
	/* An older kernel does not know the last option. */
	if (errno == EINVAL &&
	    !mount("tmpfs", path, "tmpfs", flags, "mode=0700,size=256m"))
		return 0;
	return -errno;
}

static int open_in_memory(const char *path)
{
	int err = make_directories(path), fd;

	if (err)
		return err;
	fd = open_directory(path);
	if (fd < 0 || is_in_memory(fd))
		return fd;
	close(fd);
	err = mount_memory(path);
	return err ? err : open_directory(path);
}

/* Whoever may write there could change what was checked. */
static int take(int fd, const char *path)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (st.st_uid != geteuid())
		return boot_fail(-EPERM, "'%s' is somebody else's: remove it, or name another with --dir",
				 path);
	if (fchmod(fd, 0700))
		return -errno;
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return 0;
	return errno == EWOULDBLOCK ?
		boot_fail(-EBUSY, "another dstack-boot is at work") : -errno;
}

int directory_open(struct boot *boot)
{
	const char *path = boot->opt->dir;
	int err;

	boot->dir = open_in_memory(path);
	if (boot->dir < 0)
		return boot_fail(boot->dir, "can't have '%s' in memory: %s",
				 path, strerror(-boot->dir));
	err = take(boot->dir, path);
	if (err)
		return err;
	path = boot->opt->host;
	boot->host = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (boot->host < 0)
		return boot_fail(-errno, "can't open '%s', where the host's files should be: %s",
				 path, strerror(errno));
	return 0;
}

static int write_all(int fd, const char *data, size_t len)
{
	ssize_t done;

	for (; len; data += done, len -= done) {
		done = write(fd, data, len);
		if (done < 0 && errno == EINTR)
			done = 0;
		else if (done < 0)
			return -errno;
	}
	return 0;
}

static int cannot_write(const struct boot *boot, const char *name, int err)
{
	return boot_fail(err, "can't write '%s/%s': %s%s", boot->opt->dir, name,
			 strerror(-err), err != -ENOSPC ? "" :
			 ": what is mounted there has to be larger ('mount -o remount,size=256m'); then start dstack-boot again");
}

int directory_write(const struct boot *boot, const char *name,
		    const void *data, size_t len)
{
	int fd, err;

	unlinkat(boot->dir, NEW_FILE, 0);
	fd = openat(boot->dir, NEW_FILE, O_WRONLY | O_CREAT | O_EXCL |
		    O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return cannot_write(boot, name, -errno);
	err = write_all(fd, data, len);
	if (close(fd) && !err)
		err = -errno;
	if (!err && renameat(boot->dir, NEW_FILE, boot->dir, name))
		err = -errno;
	if (!err)
		return 0;
	unlinkat(boot->dir, NEW_FILE, 0);
	return cannot_write(boot, name, err);
}

int directory_read(const struct boot *boot, const char *name, size_t max,
		   char **text, size_t *len)
{
	return app_file_read(boot->dir, name, max, text, len, boot_tell);
}
