// SPDX-License-Identifier: MIT
/*
 * Memory for secrets, and files that have some
 *
 * Copyright The dstack for Linux authors
 */
#include "lib.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static size_t whole_pages(size_t size)
{
	size_t page = sysconf(_SC_PAGESIZE);

	return (size + !size + page - 1) / page * page;
}

/*
 * Pages of its own, so that nothing else is in them.  Not every caller may
 * lock as much memory as a blob has; what is not locked is wiped all the same.
 */
int libdstack_secret_alloc(size_t size, void **secret)
{
	void *data;

	*secret = NULL;
	if (size > SIZE_MAX / 2)
		return -ENOMEM;
	data = mmap(NULL, whole_pages(size), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (data == MAP_FAILED)
		return -ENOMEM;
	/* Neither in a core dump nor in a child. */
	if (madvise(data, whole_pages(size), MADV_DONTDUMP) ||
	    madvise(data, whole_pages(size), MADV_WIPEONFORK)) {
		int err = -errno;

		munmap(data, whole_pages(size));
		return err;
	}
	(void)mlock(data, whole_pages(size));
	*secret = data;
	return 0;
}

void libdstack_secret_free(void *secret, size_t size)
{
	if (!secret)
		return;
	explicit_bzero(secret, size);
	munmap(secret, whole_pages(size));
}

/* A file that others may read has told the secret already. */
int libdstack_secret_open(const char *path)
{
	struct stat st;
	int fd, err;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st)) {
		err = -errno;
		dstack_message("can't open '%s': %s", path, strerror(-err));
		if (fd >= 0)
			close(fd);
		return err;
	}
	if (S_ISREG(st.st_mode) && !(st.st_mode & 077) &&
	    (st.st_uid == geteuid() || !st.st_uid))
		return fd;
	close(fd);
	dstack_message("'%s' must be a file that belongs to you and that nobody else may read: 'chmod 600' it, and think of who has read it",
		       path);
	return -EPERM;
}

/* Not through stdio, which would keep a copy. */
static int read_to_end(int fd, char *data, size_t room, size_t *len)
{
	ssize_t n;

	*len = 0;
	do {
		n = read(fd, data + *len, room - *len);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			*len += n;
	} while (n && *len < room);
	return *len < room ? 0 : -EFBIG;
}

int libdstack_secret_read(int fd, const char *name, size_t max, void **secret,
			  size_t *len)
{
	int err;

	err = libdstack_secret_alloc(max + 1, secret);
	if (err) {
		dstack_message("can't get memory for '%s': %s", name,
			       strerror(-err));
		return err;
	}
	err = read_to_end(fd, *secret, max + 1, len);
	if (!err)
		return 0;
	if (err == -EFBIG)
		dstack_message("'%s' has more than %zu bytes", name, max);
	else
		dstack_message("can't read '%s': %s", name, strerror(-err));
	libdstack_secret_free(*secret, max + 1);
	*secret = NULL;
	return err;
}
