// SPDX-License-Identifier: MIT
/*
 * The log file: append and sync
 *
 * Copyright The dstack for Linux authors
 */
#include "dstackd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Its digest is another event's: a replay stops here and says so. */
#define LOST_NAME	"lost"

int store_sync_parent(const char *path)
{
	char dir[PATH_MAX];
	char *slash;
	int fd, err = 0;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir] = '\0';
	fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd))
		err = -errno;
	if (fd >= 0)
		close(fd);
	return err;
}

int store_make_parent(const char *path)
{
	char dir[PATH_MAX];
	char *slash;

	if (snprintf(dir, sizeof(dir), "%s", path) >= PATH_MAX)
		return -ENAMETOOLONG;
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return 0;
	*slash = '\0';
	if (!mkdir(dir, 0700))
		return store_sync_parent(dir);
	return errno == EEXIST ? 0 : -errno;
}

int store_open(struct store *store, const char *path)
{
	struct stat st;
	int err;

	memset(store, 0, sizeof(*store));
	store->path = path;
	store->fd = -1;
	err = store_make_parent(path);
	if (err)
		return err;
	/* A FIFO in its place must not make us wait for a reader. */
	store->fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC |
			 O_NOFOLLOW | O_NONBLOCK, 0600);
	if (store->fd < 0 || fstat(store->fd, &st))
		err = -errno;
	else if (!S_ISREG(st.st_mode))
		err = -EINVAL;
	else if (!st.st_size)	/* perhaps it is new */
		err = store_sync_parent(path);
	if (err) {
		store_close(store);
		return err;
	}
	store->size = st.st_size;
	store->mtime = st.st_mtim;
	return 0;
}

void store_close(struct store *store)
{
	if (store->fd >= 0)
		close(store->fd);
	free(store->buf);
	memset(store, 0, sizeof(*store));
	store->fd = -1;
}

/*
 * After a failed sync nobody knows which pages are on the disk: cut them.  Not
 * if somebody else cut more: that would make it longer.
 */
static int cut_back(struct store *store)
{
	struct stat st;

	if (!store->dirty)
		return 0;
	if (fstat(store->fd, &st) ||
	    (st.st_size > store->size && ftruncate(store->fd, store->size)) ||
	    fstat(store->fd, &st))
		return -errno;
	store->mtime = st.st_mtim;
	store->dirty = false;
	return 0;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

int store_check(struct store *store, const char **what)
{
	struct stat ours, named;
	int err;

	*what = NULL;
	err = cut_back(store);
	if (err)
		return err;
	if (fstat(store->fd, &ours))
		return -errno;
	if (lstat(store->path, &named)) {
		if (errno != ENOENT && errno != ENOTDIR)
			return -errno;
		*what = ours.st_nlink ? "moved" : "removed";
	} else if (named.st_dev != ours.st_dev ||
		   named.st_ino != ours.st_ino) {
		*what = "replaced";
	} else if (ours.st_size != store->size) {
		*what = ours.st_size < store->size ? "cut" : "appended to";
	} else if (!same_time(&ours.st_mtim, &store->mtime)) {
		*what = "written to";
	}
	return 0;
}

int store_add_text(struct store *store, const char *text, size_t len)
{
	if (!store->buf || len > store->cap - store->len) {
		size_t cap = 2 * store->cap + len;
		char *buf = realloc(store->buf, cap);

		if (!buf)
			return -ENOMEM;
		store->buf = buf;
		store->cap = cap;
	}
	memcpy(store->buf + store->len, text, len);
	store->len += len;
	return 0;
}

int store_add(struct store *store, const char *name, size_t name_len,
	      const void *payload, size_t len,
	      const uint8_t digest[DSTACK_REGISTER_SIZE])
{
	char *line;
	int err;

	err = libdstack_event_to_json(name, name_len, payload, len, digest,
				      &line);
	if (err)
		return err;
	err = store_add_text(store, line, strlen(line));
	free(line);
	return err;
}

int store_add_lost(struct store *store,
		   const uint8_t digest[DSTACK_REGISTER_SIZE])
{
	return store_add(store, LOST_NAME, strlen(LOST_NAME), "", 0, digest);
}

static int write_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= n;
	}
	return 0;
}

int store_write(struct store *store)
{
	size_t len = store->len;

	store->len = 0;
	return write_all(store->fd, store->buf, len);
}

int store_commit(struct store *store)
{
	size_t len = store->len;
	struct stat st;
	int err;

	err = cut_back(store);
	if (err || !len) {
		store->len = 0;
		return err;
	}
	store->dirty = true;
	err = store_write(store);
	if (!err && (fdatasync(store->fd) || fstat(store->fd, &st)))
		err = -errno;
	if (err) {
		(void)cut_back(store);	/* or before the next write */
		return err;
	}
	store->dirty = false;
	store->size += len;
	store->mtime = st.st_mtim;
	return 0;
}
