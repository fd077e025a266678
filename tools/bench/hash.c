// SPDX-License-Identifier: MIT
/*
 * What hashing a file costs anybody: the kernel's SHA-256, through AF_ALG
 *
 * Copyright The dstack for Linux authors
 *
 * The algorithm's socket hashes the caller's pages where they are.  Pages that
 * are mapped give the hash alone; pages that read(2) fills give what whoever
 * wants the digest of a file has to do, the copy of its content included.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_alg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"

#define PIECE	65536
#define DIGEST	32

static int open_hash(void)
{
	struct sockaddr_alg name = {
		.salg_family = AF_ALG,
		.salg_type = "hash",
		.salg_name = "sha256",
	};
	int socket_fd = socket(AF_ALG, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), fd;

	if (socket_fd < 0 ||
	    bind(socket_fd, (struct sockaddr *)&name, sizeof(name)))
		die("get the kernel's sha256");
	fd = accept4(socket_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		die("open the kernel's sha256");
	close(socket_fd);
	return fd;
}

static void hash_piece(int fd, const char *data, size_t len)
{
	if (send(fd, data, len, MSG_MORE) != (ssize_t)len)
		die("hash the file");
}

static void end_hash(int fd)
{
	unsigned char digest[DIGEST];

	if (read(fd, digest, sizeof(digest)) != sizeof(digest))
		die("get the digest");
}

/* @data: the content, mapped. */
static uint64_t hash(int fd, const char *data, size_t size)
{
	uint64_t begin = ticks();
	size_t at, len;

	for (at = 0; at < size; at += len) {
		len = size - at < PIECE ? size - at : PIECE;
		hash_piece(fd, data + at, len);
	}
	end_hash(fd);
	return ticks() - begin;
}

static uint64_t read_and_hash(int fd, int file)
{
	static char buf[PIECE];
	uint64_t begin = ticks();
	off_t at = 0;
	ssize_t got;

	while ((got = pread(file, buf, sizeof(buf), at)) > 0) {
		hash_piece(fd, buf, got);
		at += got;
	}
	if (got < 0)
		die("read the file");
	end_hash(fd);
	return ticks() - begin;
}

static int open_to_read(const char *path, struct stat *st)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);

	if (file < 0 || fstat(file, st))
		die("open the file");
	return file;
}

int cmd_hash(const struct options *opt, char **args)
{
	struct series series;
	struct stat st;
	int file = open_to_read(args[0], &st);
	void *data;
	size_t i;
	int fd;

	data = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE,
		    file, 0);
	if (data == MAP_FAILED)
		die("map the file");
	fd = open_hash();
	series_init(&series, opt->count);
	for (i = 0; i < opt->warm; i++)
		hash(fd, data, st.st_size);
	mark(opt->phase);
	for (i = 0; i < opt->count; i++)
		series_add(&series, hash(fd, data, st.st_size));
	mark(0);
	series_print(&series, opt->name);
	return 0;
}

int cmd_content(const struct options *opt, char **args)
{
	struct series series;
	struct stat st;
	int file = open_to_read(args[0], &st), fd = open_hash();
	size_t i;

	series_init(&series, opt->count);
	for (i = 0; i < opt->warm; i++)
		read_and_hash(fd, file);
	mark(opt->phase);
	for (i = 0; i < opt->count; i++)
		series_add(&series, read_and_hash(fd, file));
	mark(0);
	series_print(&series, opt->name);
	return 0;
}
