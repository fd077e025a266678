// SPDX-License-Identifier: MIT
/*
 * The cgroup of 'dstackctl run'
 *
 * Copyright The dstack for Linux authors
 */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define CGROUP_ROOT	"/sys/fs/cgroup"
#define CGROUP_PARENT	CGROUP_ROOT "/dstack"
#define KILL_SECONDS	10

/* Identity is a cgroup of the unified hierarchy; v1 has no such thing. */
static int check_root(void)
{
	struct statfs fs;

	if (statfs(CGROUP_ROOT, &fs)) {
		int err = -errno;

		error_msg_errno(err, "can't look at '%s'", CGROUP_ROOT);
		return err;
	}
	if (fs.f_type == CGROUP2_SUPER_MAGIC)
		return 0;
	error_msg("'%s' is not cgroup v2: boot with 'systemd.unified_cgroup_hierarchy=1', or 'mount -t cgroup2 none %s'",
		  CGROUP_ROOT, CGROUP_ROOT);
	return -ENOTSUP;
}

/* 1, 0, or -errno if that can't be known. */
static int populated(int dir)
{
	char text[256] = "";
	ssize_t n;
	int fd;

	fd = openat(dir, "cgroup.events", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n < 0)
		return -EIO;
	return !!strstr(text, "populated 1");
}

static int wait_empty(int dir)
{
	int i, state = 1;

	/* The event file would have to be polled and read: a sleep does. */
	for (i = 0; i < KILL_SECONDS * 100 && state == 1; i++) {
		if (i)
			poll(NULL, 0, 10);
		state = populated(dir);
	}
	return state == 1 ? -ETIMEDOUT : state;
}

/* After a run that was killed, its cgroup and its registration are there. */
static int remove_leftover(const struct run_cgroup *cgroup, const char *name,
			   struct libdstack_control *control)
{
	int dir, busy;

	dir = open(cgroup->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	busy = populated(dir);
	close(dir);
	if (busy) {
		error_msg("container '%s' is running: choose another name",
			  name);
		return -EBUSY;
	}
	libdstack_set_message_callback(NULL);
	(void)libdstack_remove_container(control, name);
	libdstack_set_message_callback(library_message);
	return rmdir(cgroup->path) ? -errno : 0;
}

static int make_dir(const struct run_cgroup *cgroup, const char *name,
		    struct libdstack_control *control)
{
	int err;

	if (mkdir(CGROUP_PARENT, 0755) && errno != EEXIST)
		return -errno;
	if (!mkdir(cgroup->path, 0755))
		return 0;
	if (errno != EEXIST)
		return -errno;
	err = remove_leftover(cgroup, name, control);
	if (!err && mkdir(cgroup->path, 0755))
		err = -errno;
	return err;
}

int run_cgroup_make(struct run_cgroup *cgroup, const char *name,
		    struct libdstack_control *control)
{
	int err;

	cgroup->fd = -1;
	snprintf(cgroup->path, sizeof(cgroup->path), CGROUP_PARENT "/%s", name);
	err = check_root();
	if (err)
		return err;
	err = make_dir(cgroup, name, control);
	if (!err) {
		cgroup->fd = open(cgroup->path,
				  O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (cgroup->fd < 0)
			err = -errno;
	}
	if (err && err != -EBUSY)
		error_msg_errno(err, "can't make cgroup '%s'", cgroup->path);
	return err;
}

int run_cgroup_kill(const struct run_cgroup *cgroup)
{
	int fd, err = 0;

	fd = openat(cgroup->fd, "cgroup.kill", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "1", 1) != 1)
		err = -errno;
	if (fd >= 0)
		close(fd);
	if (!err)
		err = wait_empty(cgroup->fd);
	if (err)
		error_msg_errno(err, "can't end the processes in '%s'",
				cgroup->path);
	return err;
}

void run_cgroup_remove(struct run_cgroup *cgroup)
{
	if (cgroup->fd < 0)
		return;
	close(cgroup->fd);
	cgroup->fd = -1;
	if (rmdir(cgroup->path))
		error_msg_errno(errno, "can't remove cgroup '%s'",
				cgroup->path);
}
