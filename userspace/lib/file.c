// SPDX-License-Identifier: MIT
/*
 * Read a file of bounded size
 *
 * Copyright The dstack for Linux authors
 */
#include "lib.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Double the buffer: pipes and proc files don't know their size. */
static int grow(char **buf, size_t *cap, size_t max)
{
	size_t more = *cap > max / 2 ? max + 2 : 2 * *cap;
	char *data;

	data = realloc(*buf, more);
	if (!data)
		return -ENOMEM;
	*buf = data;
	*cap = more;
	return 0;
}

/* One byte beyond @max is asked for, so that a larger file is noticed. */
static int read_all(int fd, size_t max, char **buf, size_t *cap, size_t *len)
{
	size_t n = 0;
	int err;

	for (;;) {
		ssize_t got;

		if (n + 1 >= *cap) {
			err = grow(buf, cap, max);
			if (err)
				return err;
		}
		got = read(fd, *buf + n, *cap - 1 - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			break;
		n += got;
		if (n > max)
			return -EFBIG;
	}
	(*buf)[n] = '\0';
	*len = n;
	return 0;
}

static int read_fd(int fd, size_t max, char **text, size_t *len)
{
	size_t cap = 4096;
	struct stat st;
	char *buf;
	int err;

	if (fstat(fd, &st))
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (S_ISREG(st.st_mode) && st.st_size > 0) {
		if ((uint64_t)st.st_size > max)
			return -EFBIG;
		cap = st.st_size + 2;
	}
	buf = malloc(cap);
	if (!buf)
		return -ENOMEM;
	err = read_all(fd, max, &buf, &cap, len);
	if (err)
		free(buf);
	else
		*text = buf;
	return err;
}

int dstack_file_read(const char *path, size_t max, char **text, size_t *len)
{
	int fd, err;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		err = -errno;
		dstack_message("can't open '%s': %s", path, strerror(-err));
		return err;
	}
	err = read_fd(fd, max, text, len);
	close(fd);
	if (err == -EFBIG)
		dstack_message("'%s' is larger than %zu bytes", path, max);
	else if (err)
		dstack_message("can't read '%s': %s", path, strerror(-err));
	return err;
}
