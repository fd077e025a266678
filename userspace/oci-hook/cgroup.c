// SPDX-License-Identifier: MIT
/*
 * Find and open the container's cgroup
 *
 * Copyright The dstack for Linux authors
 */
#include "oci-hook.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define CGROUP_ROOT	"/sys/fs/cgroup"
#define PROC_TEXT_MAX	65536	/* of a file in /proc */
#define ANCESTORS_MAX	256	/* from the hook up to process 1 */

/* The whole of a file in /proc, for free(). */
static int read_proc(int proc, pid_t pid, const char *name, char **text)
{
	size_t used = 0;
	char path[64];
	ssize_t n;
	int fd, err = 0;

	*text = NULL;
	snprintf(path, sizeof(path), "%d/%s", pid, name);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	*text = malloc(PROC_TEXT_MAX);
	do {
		n = *text ? read(fd, *text + used,
				 PROC_TEXT_MAX - 1 - used) : -1;
		if (n > 0)
			used += n;
	} while (n > 0 && used < PROC_TEXT_MAX - 1);
	if (n)
		err = !*text ? -ENOMEM : n < 0 ? -errno : -EFBIG;
	close(fd);
	if (err) {
		free(*text);
		*text = NULL;
	} else {
		(*text)[used] = '\0';
	}
	return err;
}

/* A /proc of another pid namespace would show us somebody else. */
static int open_proc(void)
{
	int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char self[32] = "", pid[32];
	struct statfs fs;

	snprintf(pid, sizeof(pid), "%d", getpid());
	if (proc >= 0 && !fstatfs(proc, &fs) &&
	    fs.f_type == PROC_SUPER_MAGIC &&
	    readlinkat(proc, "self", self, sizeof(self) - 1) > 0 &&
	    !strcmp(self, pid))
		return proc;
	msg("/proc is not that of this hook's pid namespace: run the hook at createRuntime, where the runtime itself runs");
	if (proc >= 0)
		close(proc);
	return -EXDEV;
}

static int path_of_pid(int proc, pid_t pid, char path[PATH_MAX])
{
	char *text;
	int err;

	err = read_proc(proc, pid, "cgroup", &text);
	if (err) {
		msg("can't see the cgroup of process %d: %s", pid,
		    strerror(-err));
		return err;
	}
	err = path_of_process(text, path);
	free(text);
	return err;
}

/* proc(5): "pid (name) state ppid ...", and a name may have ')' in it. */
static pid_t parent_of(int proc, pid_t pid)
{
	int parent = 0;
	char *text, *end;

	if (read_proc(proc, pid, "stat", &text))
		return 0;
	end = strrchr(text, ')');
	/* NOLINTNEXTLINE(cert-err34-c): the kernel wrote it */
	if (!end || sscanf(end, ") %*c %d", &parent) != 1)
		parent = 0;
	free(text);
	return parent;
}

static int check_ancestor(char *text, const char *top)
{
	char *path = strncmp(text, "0::", 3) ? text : text + 3;

	path[strcspn(path, "\n")] = '\0';
	return path_is_below(path, top) ? -ELOOP : 0;
}

/*
 * The hook, the runtime that waits for it, conmon above that: if one of them
 * were in the container, the host would be measured and denied as it.
 */
static int check_ancestors(int proc, const char *top)
{
	pid_t pid = getpid();
	int i, err = 0;
	char *text;

	for (i = 0; i < ANCESTORS_MAX && pid > 0; i++) {
		err = read_proc(proc, pid, "cgroup", &text);
		if (err == -ESRCH)
			return 0;	/* what waits for us has not ended */
		if (!err)
			err = check_ancestor(text, top);
		free(text);
		if (err)
			break;
		pid = parent_of(proc, pid);
	}
	if (!err && pid > 0)
		err = -ELOOP;
	if (err)
		msg("process %d of the engine is in the container's cgroup '%s', or can't be seen (%s): let the engine make a cgroup for each container (podman without '--cgroups=disabled')",
		    pid, top, strerror(-err));
	return err;
}

static int open_root(void)
{
	int root = open(CGROUP_ROOT, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;

	if (root >= 0 && !fstatfs(root, &fs) &&
	    fs.f_type == CGROUP2_SUPER_MAGIC)
		return root;
	msg("'%s' is not cgroup v2: boot with 'systemd.unified_cgroup_hierarchy=1', or 'mount -t cgroup2 none %s'",
	    CGROUP_ROOT, CGROUP_ROOT);
	if (root >= 0)
		close(root);
	return -EOPNOTSUPP;
}

/* @path is absolute in the hierarchy, not in the file system. */
static int open_below(int root, const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
			   RESOLVE_NO_XDEV,
	};
	long fd = syscall(SYS_openat2, root, path + 1, &how, sizeof(how));
	struct statfs fs;
	int err = 0;

	if (fd < 0)
		err = -errno;
	else if (fstatfs((int)fd, &fs) || fs.f_type != CGROUP2_SUPER_MAGIC)
		err = -EXDEV;
	if (!err)
		return (int)fd;
	msg("can't open the container's cgroup '" CGROUP_ROOT "%s': %s", path,
	    strerror(-err));
	if (fd >= 0)
		close((int)fd);
	return err;
}

/* Does this very directory hold the process, or one of the same path? */
static bool holds(int dir, pid_t pid)
{
	int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	bool found = false;
	char line[32];

	if (!file) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	while (!found && fgets(line, sizeof(line), file))
		found = strtol(line, NULL, 10) == pid;
	fclose(file);
	return found;
}

static int check_own(int root, const char *own, pid_t pid)
{
	int err = 0, dir = open_below(root, own);

	if (dir < 0)
		return dir;
	if (!holds(dir, pid)) {
		msg("process %d is not in '%s%s', where /proc says it is: '%s' must be the whole hierarchy, not a part of it",
		    pid, CGROUP_ROOT, own, CGROUP_ROOT);
		err = -EXDEV;
	}
	close(dir);
	return err;
}

static bool ended(int pidfd)
{
	struct pollfd poller = { .fd = pidfd, .events = POLLIN };

	return poll(&poller, 1, 0) != 0;
}

/* What is read about @pid is about the process behind @pidfd. */
static int open_checked(const struct oci_state *state, const char *cgroups_path,
			int proc, int pidfd)
{
	char own[PATH_MAX], top[PATH_MAX];
	int root, fd, err;

	err = path_of_pid(proc, state->pid, own) ?:
		path_of_container(own, cgroups_path, state->id, top) ?:
		check_ancestors(proc, top);
	if (err)
		return err;
	root = open_root();
	if (root < 0)
		return root;
	err = check_own(root, own, state->pid);
	fd = err ? err : open_below(root, top);
	close(root);
	if (fd >= 0 && ended(pidfd)) {
		msg("process %d has ended", state->pid);
		close(fd);
		return -ESRCH;
	}
	return fd;
}

static int open_process(pid_t pid)
{
	int fd = pidfd_open(pid, 0);

	if (fd >= 0)
		return fd;
	fd = -errno;
	msg("the runtime's state names process %d: %s", pid, strerror(-fd));
	return fd;
}

int cgroup_of_container(const struct oci_state *state, int *fd)
{
	char *cgroups_path = NULL;
	int proc, pidfd, err;

	*fd = -1;
	proc = open_proc();
	if (proc < 0)
		return proc;
	pidfd = open_process(state->pid);
	err = pidfd < 0 ? pidfd : state_cgroups_path(state, &cgroups_path);
	if (!err) {
		*fd = open_checked(state, cgroups_path, proc, pidfd);
		err = *fd < 0 ? *fd : 0;
	}
	free(cgroups_path);
	if (pidfd >= 0)
		close(pidfd);
	close(proc);
	return err;
}
