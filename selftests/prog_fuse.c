// SPDX-License-Identifier: MIT
/*
 * A FUSE file system with one program in it
 *
 * Copyright The dstack for Linux authors
 *
 * Serves a copy of FILE as DIR/file until it is unmounted, to who opens it
 * first.  Those who come later get OTHER, of the same size, if that is given.
 * What it answers is up to a process: that is why nothing may run from there.
 */
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "prog.h"

#define FILE_NODE	2
#define BUF_SIZE	(FUSE_MIN_READ_BUFFER + 131072)

static char *content, *later;
static size_t size;

static void reply(int fd, uint64_t unique, int err, const void *data,
		  size_t len)
{
	struct fuse_out_header header = {
		.len = sizeof(header) + (err ? 0 : len),
		.error = -err,
		.unique = unique,
	};
	struct iovec parts[2] = {
		{ &header, sizeof(header) }, { (void *)data, err ? 0 : len },
	};

	/* An interrupted request is gone: nobody misses the answer. */
	if (writev(fd, parts, 2) < 0 && errno != ENOENT)
		_exit(1);
}

static void fill_attr(struct fuse_attr *attr, uint64_t node)
{
	memset(attr, 0, sizeof(*attr));
	attr->ino = node;
	attr->nlink = 1;
	attr->mode = node == FILE_NODE ? S_IFREG | 0755 : S_IFDIR | 0755;
	attr->size = node == FILE_NODE ? size : 0;
	attr->blksize = 4096;
}

static void lookup(int fd, uint64_t unique, const char *name)
{
	struct fuse_entry_out entry = { .nodeid = FILE_NODE };

	fill_attr(&entry.attr, FILE_NODE);
	reply(fd, unique, strcmp(name, "file") ? ENOENT : 0, &entry,
	      sizeof(entry));
}

static void init(int fd, uint64_t unique)
{
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = 31,
		.max_readahead = 65536,
		.max_write = 4096,
	};

	reply(fd, unique, 0, &out, sizeof(out));
}

static void read_file(int fd, uint64_t unique, const struct fuse_read_in *in)
{
	const char *bytes = later && in->fh > 1 ? later : content;
	size_t at = in->offset < size ? in->offset : size;

	reply(fd, unique, 0, bytes + at,
	      in->size < size - at ? in->size : size - at);
}

static void answer(int fd, const struct fuse_in_header *in)
{
	struct fuse_attr_out attr = { .attr_valid = 1 };
	static struct fuse_open_out open_out = { .fh = 1 };

	switch (in->opcode) {
	case FUSE_INIT:
		init(fd, in->unique);
		break;
	case FUSE_LOOKUP:
		lookup(fd, in->unique, (const char *)(in + 1));
		break;
	case FUSE_GETATTR:
		fill_attr(&attr.attr, in->nodeid);
		reply(fd, in->unique, 0, &attr, sizeof(attr));
		break;
	case FUSE_OPEN:
		/* The handle says who was first. */
		reply(fd, in->unique, 0, &open_out, sizeof(open_out));
		open_out.fh++;
		break;
	case FUSE_READ:
		read_file(fd, in->unique, (const void *)(in + 1));
		break;
	case FUSE_FLUSH:
	case FUSE_RELEASE:
		reply(fd, in->unique, 0, NULL, 0);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break;
	default:
		reply(fd, in->unique, EOPNOTSUPP, NULL, 0);
	}
}

static char *load(const char *file)
{
	int fd = open(file, O_RDONLY);
	struct stat st;
	char *bytes;

	if (fd < 0 || fstat(fd, &st) || (size && (size_t)st.st_size != size))
		return NULL;
	size = st.st_size;
	bytes = malloc(size);
	if (!bytes || read(fd, bytes, size) != (ssize_t)size)
		return NULL;
	close(fd);
	return bytes;
}

int main(int argc, char **argv)
{
	static char buf[BUF_SIZE];
	char options[64];
	int fd;

	if (argc < 3 || argc > 4)
		return 2;
	content = load(argv[2]);
	later = argc > 3 ? load(argv[3]) : NULL;
	if (!content || (argc > 3 && !later))
		return 2;
	fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	if (fd < 0 || mount("prog_fuse", argv[1], "fuse", 0, options)) {
		fprintf(stderr, "prog_fuse: %s\n", errno_name());
		return 1;
	}
	/* Mounted: from here on in the background. */
	if (fork())
		return 0;
	close(STDOUT_FILENO);
	close(STDERR_FILENO);
	while (read(fd, buf, sizeof(buf)) > 0)
		answer(fd, (const void *)buf);
	return 0;
}
