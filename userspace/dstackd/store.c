// SPDX-License-Identifier: MIT
/*
 * The log file: append and sync
 *
 * Copyright The dstack for Linux authors
 */
#include "dstackd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Its digest is another event's: a replay stops here and says so. */
#define LOST_NAME	"lost"

static int make_parent(const char *path)
{
	char *dir = strdup(path), *slash;
	int err = 0;

	if (!dir)
		return -ENOMEM;
	slash = strrchr(dir, '/');
	if (slash && slash != dir) {
		*slash = '\0';
		if (mkdir(dir, 0700) && errno != EEXIST) {
			err = -errno;
			msg("can't make directory '%s': %s", dir,
			    strerror(-err));
		}
	}
	free(dir);
	return err;
}

static int open_file(struct store *store)
{
	struct stat st;
	int err = 0;

	store->fd = open(store->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC |
			 O_NOFOLLOW, 0600);
	if (store->fd < 0 || fstat(store->fd, &st))
		err = -errno;
	else if (!S_ISREG(st.st_mode))
		err = -EINVAL;
	else
		store->size = st.st_size;
	if (err)
		msg("can't open event log '%s': %s", store->path,
		    err == -EINVAL ? "not a regular file" : strerror(-err));
	return err;
}

int store_open(struct store *store, const char *path)
{
	int err;

	memset(store, 0, sizeof(*store));
	store->fd = -1;
	err = make_parent(path);
	if (err)
		return err;
	store->path = strdup(path);
	err = store->path ? open_file(store) : -ENOMEM;
	if (err)
		store_close(store);
	return err;
}

void store_close(struct store *store)
{
	if (store->fd >= 0)
		close(store->fd);
	free(store->path);
	free(store->buf);
	memset(store, 0, sizeof(*store));
	store->fd = -1;
}

static int add_text(struct store *store, const char *text, size_t len)
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
	err = add_text(store, line, strlen(line));
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

/* After a failed sync nobody knows which pages are on the disk: cut them. */
static int cut_back(struct store *store)
{
	if (store->dirty && ftruncate(store->fd, store->size))
		return -errno;
	store->dirty = false;
	return 0;
}

int store_commit(struct store *store)
{
	size_t len = store->len;
	int err;

	store->len = 0;
	err = cut_back(store);
	if (err || !len)
		return err;
	store->dirty = true;
	err = write_all(store->fd, store->buf, len);
	if (!err && fdatasync(store->fd))
		err = -errno;
	if (err) {
		(void)cut_back(store);	/* or before the next write */
		return err;
	}
	store->dirty = false;
	store->size += len;
	return 0;
}
