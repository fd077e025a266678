// SPDX-License-Identifier: MIT
/*
 * The fs-verity digest of a file: the one it has, or the one it would have
 *
 * Copyright The dstack for Linux authors
 */
#include "lib.h"

#include <errno.h>
#include <libfsverity.h>
#include <linux/fsverity.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scan.h"

struct reader {
	int fd;
	off_t at;
};

/* libfsverity_read_fn_t */
static int read_all(void *arg, void *buf, size_t len)
{
	struct reader *reader = arg;
	char *to = buf;

	while (len) {
		ssize_t n = pread(reader->fd, to, len, reader->at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;	/* it became shorter */
		to += n;
		len -= n;
		reader->at += n;
	}
	return 0;
}

static void take(const uint8_t *value, struct dstack_digest *digest)
{
	digest->alg = DSTACK_ALG_FSVERITY_SHA256;
	memcpy(digest->value, value, sizeof(digest->value));
}

/* False if the file has no fs-verity, or not with SHA-256. */
static bool measure(int fd, struct dstack_digest *digest)
{
	union {
		struct fsverity_digest head;
		uint8_t room[sizeof(struct fsverity_digest) + 64];
	} got = { .head.digest_size = 64 };

	if (ioctl(fd, FS_IOC_MEASURE_VERITY, &got) ||
	    got.head.digest_algorithm != FS_VERITY_HASH_ALG_SHA256)
		return false;
	take(got.room + sizeof(got.head), digest);
	return true;
}

/**
 * scan_verity() - the fs-verity digest of a file, if it has or shall have one
 * @scan: the scan
 * @fd: the file, open for reading
 * @digest: filled in, or left alone
 *
 * Return: 0 or -errno.
 */
int scan_verity(struct scan *scan, int fd, struct dstack_digest *digest)
{
	struct libfsverity_merkle_tree_params params = { .version = 1 };
	struct libfsverity_digest *got = NULL;
	struct reader reader = { .fd = fd };
	struct stat st;
	int err;

	if (measure(fd, digest) || !(scan->flags & LIBDSTACK_SCAN_FSVERITY))
		return 0;
	if (fstat(fd, &st))
		return -errno;
	params.file_size = st.st_size;
	err = libfsverity_compute_digest(&reader, read_all, &params, &got);
	if (!err)
		take(got->digest, digest);
	free(got);
	return err;
}
