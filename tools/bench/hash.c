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

struct content {
	int file;
	size_t size;
	int hash;		/* an open hash of the kernel's */
};

static void open_content(struct content *content, const char *path)
{
	struct stat st;

	content->file = open(path, O_RDONLY | O_CLOEXEC);
	if (content->file < 0 || fstat(content->file, &st))
		die("open the file");
	content->size = st.st_size;
	content->hash = open_hash();
}

static void hash_mapped(const struct content *content, const char *data)
{
	size_t at, len;

	for (at = 0; at < content->size; at += len) {
		len = content->size - at < PIECE ? content->size - at : PIECE;
		hash_piece(content->hash, data + at, len);
	}
	end_hash(content->hash);
}

static void read_and_hash(const struct content *content, const char *unused)
{
	static char buf[PIECE];
	off_t at = 0;
	ssize_t got;

	(void)unused;
	while ((got = pread(content->file, buf, sizeof(buf), at)) > 0) {
		hash_piece(content->hash, buf, got);
		at += got;
	}
	if (got < 0)
		die("read the file");
	end_hash(content->hash);
}

static int take(const struct options *opt, const struct content *content,
		void (*fn)(const struct content *content, const char *data),
		const char *data)
{
	struct series series;
	uint64_t begin;
	size_t i;

	series_init(&series, opt->count);
	for (i = 0; i < opt->warm; i++)
		fn(content, data);
	mark(opt->phase);
	for (i = 0; i < opt->count; i++) {
		begin = ticks();
		fn(content, data);
		series_add(&series, ticks() - begin);
	}
	mark(0);
	series_print(&series, opt->name);
	return 0;
}

int cmd_hash(const struct options *opt, char **args)
{
	struct content content;
	void *data;

	open_content(&content, args[0]);
	data = mmap(NULL, content.size, PROT_READ, MAP_PRIVATE | MAP_POPULATE,
		    content.file, 0);
	if (data == MAP_FAILED)
		die("map the file");
	return take(opt, &content, hash_mapped, data);
}

int cmd_content(const struct options *opt, char **args)
{
	struct content content;

	open_content(&content, args[0]);
	return take(opt, &content, read_and_hash, NULL);
}
