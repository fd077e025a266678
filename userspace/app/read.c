// SPDX-License-Identifier: MIT
/*
 * Read files that somebody else may change meanwhile
 *
 * Copyright The dstack for Linux authors
 */
#include "app.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ROOM_FIRST	65536U

static int fail(libdstack_message_fn tell, const char *name, int err,
		const char *why)
{
	char line[LIBDSTACK_MESSAGE_MAX];

	snprintf(line, sizeof(line), "%.255s: %s", name, why);
	tell(line);
	return err;
}

static const char *kind_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFLNK:
		return "a symbolic link, which none follows";
	case S_IFIFO:
		return "a pipe, and not a file";
	case S_IFSOCK:
		return "a socket, and not a file";
	case S_IFCHR:
	case S_IFBLK:
		return "a device, and not a file";
	case S_IFDIR:
		return "a directory, and not a file";
	default:
		return "not a file";
	}
}

/*
 * A pointer to the file, which opens nothing: a device would notice, a pipe
 * would wait.
 */
static int find(int dir, const char *name)
{
	const struct open_how how = {
		.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS |
			RESOLVE_NO_XDEV,
	};
	int fd;

	/* Not even its own directories. */
	if (strchr(name, '/')) {
		errno = EINVAL;
		return -1;
	}
	do {
		fd = syscall(SYS_openat2, dir, name, &how, sizeof(how));
	} while (fd < 0 && errno == EAGAIN);
	return fd;
}

/* The very file that was looked at, whatever has its name by now. */
static int open_found(int found)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", found);
	return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

int app_file_open(int dir, const char *name, libdstack_message_fn tell)
{
	int found = find(dir, name), fd, err;
	struct stat st;

	if (found < 0 && errno == ENOENT)
		return -ENOENT;
	if (found < 0)
		return fail(tell, name, -errno, strerror(errno));
	if (fstat(found, &st)) {
		err = fail(tell, name, -errno, strerror(errno));
	} else if (!S_ISREG(st.st_mode)) {
		err = fail(tell, name, -EBADMSG, kind_of(st.st_mode));
	} else {
		fd = open_found(found);
		err = fd < 0 ? fail(tell, name, -errno, strerror(errno)) : fd;
	}
	close(found);
	return err;
}

/* One byte beyond @max is asked for, so that a larger file is noticed. */
static int read_bounded(int fd, size_t max, char **text, size_t *len)
{
	size_t room = 0, n = 0;
	char *grown;
	ssize_t got;

	do {
		if (n + 1 >= room) {
			room = room ? 2 * room : ROOM_FIRST;
			room = room > max + 2 ? max + 2 : room;
			grown = realloc(*text, room);
			if (!grown)
				return -ENOMEM;
			*text = grown;
		}
		got = read(fd, *text + n, room - 1 - n);
		if (got < 0 && errno != EINTR)
			return -errno;
		n += got > 0 ? got : 0;
		if (n > max)
			return -EFBIG;
	} while (got);
	(*text)[n] = '\0';
	*len = n;
	return 0;
}

int app_file_read(int dir, const char *name, size_t max, char **text,
		  size_t *len, libdstack_message_fn tell)
{
	int fd = app_file_open(dir, name, tell), err;
	char why[64];

	*text = NULL;
	*len = 0;
	if (fd < 0)
		return fd;
	err = read_bounded(fd, max, text, len);
	close(fd);
	if (!err)
		return 0;
	free(*text);
	*text = NULL;
	*len = 0;
	snprintf(why, sizeof(why), "larger than %zu bytes", max);
	return fail(tell, name, err, err == -EFBIG ? why : strerror(-err));
}

int app_path_read(const char *path, size_t max, char **text, size_t *len,
		  libdstack_message_fn tell)
{
	const char *slash = strrchr(path, '/');
	char *parent = slash ? strndup(path, slash - path + 1) : strdup(".");
	int dir, err;

	if (!parent)
		return -ENOMEM;
	dir = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	err = dir < 0 ? -errno :
		app_file_read(dir, slash ? slash + 1 : path, max, text, len,
			      tell);
	if (dir < 0 || err == -ENOENT)
		fail(tell, path, err, strerror(-err));
	if (dir >= 0)
		close(dir);
	free(parent);
	return err;
}

int app_compose_read(const char *path, struct app_compose **out,
		     libdstack_message_fn tell)
{
	size_t len;
	char *text;
	int err = app_path_read(path, APP_COMPOSE_MAX, &text, &len, tell);

	*out = NULL;
	if (err)
		return err;
	err = app_compose_parse(text, len, out, tell);
	free(text);
	return err;
}

int app_sys_config_read(const char *path, struct app_sys_config **out,
			libdstack_message_fn tell)
{
	size_t len;
	char *text;
	int err = app_path_read(path, APP_SYS_CONFIG_MAX, &text, &len, tell);

	*out = NULL;
	if (err)
		return err;
	err = app_sys_config_parse(text, len, out, tell);
	free(text);
	return err;
}
