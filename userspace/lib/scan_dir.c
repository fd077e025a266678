// SPDX-License-Identifier: MIT
/*
 * A directory tree as the source of files
 *
 * Copyright The dstack for Linux authors
 *
 * The tree may belong to somebody who changes it meanwhile: every step is
 * taken from an open directory and follows no link, so that the walk can't
 * leave the root it was given.
 */
#include "lib.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scan.h"

/* @path is that of the current directory, without the slash behind it. */
struct walk {
	struct scan *scan;
	dev_t device;
	unsigned int depth;
	size_t len;
	char path[PATH_MAX];
};

static int walk_dir(struct walk *walk, int dir);

/*
 * A file that was removed since its name was read is not in the tree: the
 * scans of live roots meet such.
 */
static int gone_or(const struct walk *walk, const char *what)
{
	int err = -errno;

	if (err == -ENOENT)
		return 0;
	return scan_refuse(err, walk->path, "%s: %s", what, strerror(-err));
}

/* Between fstatat() and openat() a file may become a FIFO or a device. */
static int visit_file(struct walk *walk, int dir, const char *name)
{
	struct scan_source source = { .read = scan_read_fd };
	struct scan_content content;
	struct stat st;
	int err;

	source.fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK |
			   O_NOCTTY | O_CLOEXEC);
	if (source.fd < 0)
		return gone_or(walk, "can't be opened");
	if (fstat(source.fd, &st) || !S_ISREG(st.st_mode))
		err = scan_refuse(-EBUSY, walk->path, "changed during the scan; scan a tree that is not in use");
	else
		err = scan_content(walk->scan, walk->path, &source, &content);
	close(source.fd);
	return err ? err : scan_add(walk->scan, walk->path, &content);
}

static int visit_dir(struct walk *walk, int dir, const char *name)
{
	struct stat st;
	int fd;

	if (walk->depth == SCAN_DEPTH_MAX)
		return scan_refuse(-ELOOP, walk->path, "more than %d directories deep",
				   SCAN_DEPTH_MAX);
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
		    O_CLOEXEC);
	if (fd < 0)
		return gone_or(walk, "can't be opened");
	if (!fstat(fd, &st) && st.st_dev == walk->device)
		return walk_dir(walk, fd);
	close(fd);
	scan_note(walk->path, "is on another file system and was left out; name it too if its files shall run");
	return 0;
}

static int visit(struct walk *walk, int dir, const char *name)
{
	size_t len = walk->len;
	struct stat st;
	int n, err;

	err = scan_count_entry(walk->scan);
	if (err)
		return err;
	n = snprintf(walk->path + len, sizeof(walk->path) - len, "/%s", name);
	if (n < 0 || (size_t)n >= sizeof(walk->path) - len) {
		walk->path[len] = '\0';
		return scan_refuse(-ENAMETOOLONG, walk->path, "has a longer path than the kernel takes");
	}
	walk->len += n;
	walk->depth++;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
		err = gone_or(walk, "can't be examined");
	else if (S_ISREG(st.st_mode))
		err = visit_file(walk, dir, name);
	else if (S_ISDIR(st.st_mode))
		err = visit_dir(walk, dir, name);
	walk->depth--;
	walk->len = len;
	walk->path[len] = '\0';
	return err;
}

/* Takes @dir over. */
static int walk_dir(struct walk *walk, int dir)
{
	DIR *stream = fdopendir(dir);
	struct dirent *entry;
	int err = 0;

	if (!stream) {
		err = -errno;
		close(dir);
		return err;
	}
	while (!err) {
		errno = 0;
		entry = readdir(stream);
		if (!entry) {
			if (errno)
				err = scan_refuse(-errno, walk->path, "can't be read: %s",
						  strerror(errno));
			break;
		}
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			err = visit(walk, dir, entry->d_name);
	}
	closedir(stream);
	return err;
}

/**
 * scan_dir() - add what can run below a directory
 * @scan: the scan
 * @dir: an open directory, which stays the caller's
 *
 * Stays on the directory's file system: a live root has /proc in it.
 *
 * Return: 0 or -errno.
 */
int scan_dir(struct scan *scan, int dir)
{
	struct walk walk = { .scan = scan };
	struct stat st;
	int fd;

	if (fstat(dir, &st))
		return -errno;
	walk.device = st.st_dev;
	fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return walk_dir(&walk, fd);
}
