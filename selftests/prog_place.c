// SPDX-License-Identifier: MIT
/*
 * Runs a program from where its files are not what the host sees there
 *
 * Copyright The dstack for Linux authors
 *
 * Takes the steps in the order given, inside the container once -c is done.
 * If a step or the exec fails, prints the errno's name.
 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "prog.h"

#define EVERY_OTHER_NAMESPACE \
	(CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWPID | \
	 CLONE_NEWUTS)

static int usage(void)
{
	fputs("Usage: prog_place [STEP]... FILE [ARG]...\n"
	      "\n"
	      "  -c CGROUP   move to this cgroup directory\n"
	      "  -m          make a mount namespace\n"
	      "  -u          make a user namespace, be root in it; and -m\n"
	      "  -a          make namespaces of every other kind\n"
	      "  -t DIR      mount a tmpfs\n"
	      "  -b FROM:TO  bind mount\n"
	      "  -o DIR:TO   mount an overlay of DIR and TO\n"
	      "  -k FROM:TO  copy a file\n"
	      "  -r DIR      change the root\n"
	      "  -p DIR      pivot the root, and unmount the old one\n",
	      stderr);
	return 2;
}

/* Call @fn with both halves of "FROM:TO". */
static int with_both(int (*fn)(const char *from, const char *to), char *pair)
{
	char *colon = strchr(pair, ':');

	if (!colon)
		exit(usage());
	*colon = '\0';
	return fn(pair, colon + 1);
}

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err;

	if (fd < 0)
		return -1;
	err = write(fd, text, strlen(text)) != (ssize_t)strlen(text);
	close(fd);
	return err ? -1 : 0;
}

static int mount_namespace(int flags)
{
	if (unshare(CLONE_NEWNS | flags))
		return -1;
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

static int put_map(const char *path, unsigned int id)
{
	char map[32];

	snprintf(map, sizeof(map), "0 %u 1", id);
	return put(path, map);
}

static int user_namespace(void)
{
	uid_t uid = getuid();
	gid_t gid = getgid();

	if (mount_namespace(CLONE_NEWUSER) ||
	    put_map("/proc/self/uid_map", uid) ||
	    put("/proc/self/setgroups", "deny"))
		return -1;
	return put_map("/proc/self/gid_map", gid);
}

static int bind(const char *from, const char *to)
{
	return mount(from, to, NULL, MS_BIND, NULL);
}

static int overlay(const char *dir, const char *at)
{
	char options[1024];

	snprintf(options, sizeof(options), "lowerdir=%s:%s", at, dir);
	return mount("overlay", at, "overlay", 0, options);
}

static int copy(const char *from, const char *to)
{
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	ssize_t n = -1;

	if (in >= 0 && out >= 0)
		do {
			n = sendfile(out, in, NULL, 1 << 20);
		} while (n > 0);
	close(in);
	close(out);
	return n;
}

static int pivot(const char *dir)
{
	if (mount(dir, dir, NULL, MS_BIND, NULL) || chdir(dir) ||
	    syscall(SYS_pivot_root, ".", "."))
		return -1;
	return umount2(".", MNT_DETACH) ? -1 : chdir("/");
}

static int step(int what, char *arg)
{
	switch (what) {
	case 'c':
		return enter_cgroup(arg);
	case 'm':
		return mount_namespace(0);
	case 'u':
		return user_namespace();
	case 'a':
		return unshare(EVERY_OTHER_NAMESPACE);
	case 't':
		return mount("tmpfs", arg, "tmpfs", 0, NULL);
	case 'b':
		return with_both(bind, arg);
	case 'o':
		return with_both(overlay, arg);
	case 'k':
		return with_both(copy, arg);
	case 'r':
		return chroot(arg) ? -1 : chdir("/");
	case 'p':
		return pivot(arg);
	}
	exit(usage());
}

int main(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "+c:muat:b:o:k:r:p:")) != -1)
		if (step(c, optarg)) {
			printf("-%c: %s\n", c, errno_name());
			return 1;
		}
	if (optind == argc)
		return usage();
	execv(argv[optind], argv + optind);
	puts(errno_name());
	return 126;
}
