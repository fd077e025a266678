// SPDX-License-Identifier: MIT
/*
 * Files that are there as a whole or not at all, and nobody else's
 *
 * Copyright The dstack for Linux authors
 */
#include "room.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define NEW_FILE	".new"

static bool is_in_memory(int fd)
{
	struct statfs fs;

	return !fstatfs(fd, &fs) && ((unsigned long)fs.f_type == TMPFS_MAGIC ||
				     (unsigned long)fs.f_type == RAMFS_MAGIC);
}

static int check_dir(int fd, bool memory)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (st.st_uid != geteuid() || st.st_mode & 077)
		return -EPERM;
	if (memory && !is_in_memory(fd))
		return -EPERM;
	/* It ends with the descriptor, however the program ends. */
	if (flock(fd, LOCK_EX | LOCK_NB))
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	return 0;
}

int file_open_dir(const char *path, bool memory)
{
	int fd, err;

	if (mkdir(path, 0700) && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ELOOP || errno == ENOTDIR ? -EPERM : -errno;
	err = check_dir(fd, memory);
	if (!err)
		return fd;
	close(fd);
	return err;
}

static int check_file(int fd, size_t max)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
	    st.st_mode & 077 || st.st_nlink != 1)
		return -EPERM;
	return st.st_size >= (off_t)max ? -EFBIG : 0;
}

/* The size that was looked at may be none of it by now. */
int file_read_all(int fd, size_t max, uint8_t *data, size_t *len)
{
	ssize_t done;

	*len = 0;
	do {
		done = read(fd, data + *len, max - *len);
		if (done < 0 && errno != EINTR)
			return -errno;
		if (done > 0)
			*len += done;
	} while (done && *len < max);
	return *len < max ? 0 : -EFBIG;
}

int file_read(int dir, const char *name, size_t max, uint8_t *data,
	      size_t *len)
{
	int fd, err;

	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY |
		    O_CLOEXEC);
	if (fd < 0)
		return errno == ELOOP || errno == ENXIO ? -EPERM : -errno;
	err = check_file(fd, max) ?: file_read_all(fd, max, data, len);
	close(fd);
	return err;
}

static int write_all(int fd, const char *data, size_t len)
{
	ssize_t done;

	for (; len; data += done, len -= done) {
		done = write(fd, data, len);
		if (done < 0 && errno == EINTR)
			done = 0;
		else if (done <= 0)
			return done ? -errno : -EIO;
	}
	return 0;
}

/* Stored before it gets its name: else a file of that name could be empty. */
static int write_new(int dir, mode_t mode, const void *data, size_t len)
{
	int fd, err;

	file_clean(dir);
	fd = openat(dir, NEW_FILE, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
		    O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	err = write_all(fd, data, len);
	if (!err && fchmod(fd, mode))
		err = -errno;
	if (!err && fsync(fd))
		err = -errno;
	if (close(fd) && !err)
		err = -errno;
	return err;
}

int file_replace(int dir, const char *name, mode_t mode, const void *data,
		 size_t len)
{
	int err = write_new(dir, mode, data, len);

	if (!err && renameat(dir, NEW_FILE, dir, name))
		err = -errno;
	if (err) {
		file_clean(dir);
		return err;
	}
	/* The name as well: or a loss of power brings back the old file. */
	return fsync(dir) ? -errno : 0;
}

void file_clean(int dir)
{
	unlinkat(dir, NEW_FILE, 0);
}
