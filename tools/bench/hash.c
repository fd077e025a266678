// SPDX-License-Identifier: MIT
/*
 * What hashing a file costs anybody: the kernel's SHA-256, through AF_ALG
 *
 * Copyright The dstack for Linux authors
 *
 * The algorithm's socket hashes the caller's pages where they are, so that
 * this is the hash and no copy.
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

static uint64_t hash(int fd, const char *data, size_t size)
{
	unsigned char digest[DIGEST];
	uint64_t begin = ticks();
	size_t at, len;

	for (at = 0; at < size; at += len) {
		len = size - at < PIECE ? size - at : PIECE;
		if (send(fd, data + at, len, MSG_MORE) != (ssize_t)len)
			die("hash the file");
	}
	if (read(fd, digest, sizeof(digest)) != sizeof(digest))
		die("get the digest");
	return ticks() - begin;
}

int cmd_hash(const struct options *opt, char **args)
{
	int file = open(args[0], O_RDONLY | O_CLOEXEC);
	struct series series;
	struct stat st;
	void *data;
	size_t i;
	int fd;

	if (file < 0 || fstat(file, &st))
		die("open the file");
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
