// SPDX-License-Identifier: MIT
/*
 * A blob of an OCI image layout, checked against its descriptor as it is read
 *
 * Copyright The dstack for Linux authors
 */
#include "lib.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scan.h"

#define BLOCK	65536

struct scan_blob {
	int fd;
	uint64_t left;		/* by the descriptor */
	EVP_MD_CTX *md;
	char digest[2 * DSTACK_DIGEST_SIZE + 1];
	char block[BLOCK];
};

/* Follows no link: a layout from a stranger must not read our other files. */
static int open_below(int dir, const char *digest)
{
	int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int blobs, sha256, fd = -1, err = 0;

	blobs = openat(dir, "blobs", flags);
	if (blobs < 0)
		return -errno;
	sha256 = openat(blobs, "sha256", flags);
	if (sha256 >= 0)
		fd = openat(sha256, digest, O_RDONLY | O_NOFOLLOW |
			    O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		err = -errno;
	if (sha256 >= 0)
		close(sha256);
	close(blobs);
	return err ? err : fd;
}

static int open_checked(int dir, const struct scan_descriptor *descriptor)
{
	const char *digest = descriptor->digest;
	struct stat st;
	int fd;

	fd = open_below(dir, digest);
	if (fd < 0)
		return scan_refuse(fd, digest, "is a blob that can't be opened: %s; copy the image anew",
				   strerror(-fd));
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return scan_refuse(-EBADMSG, digest, "is not a regular file");
	}
	if ((uint64_t)st.st_size != descriptor->size) {
		close(fd);
		return scan_refuse(-EBADMSG, digest, "is a blob of %lld bytes, and its descriptor says %llu; copy the image anew",
				   (long long)st.st_size,
				   (unsigned long long)descriptor->size);
	}
	return fd;
}

int scan_blob_open(int dir, const struct scan_descriptor *descriptor,
		   struct scan_blob **out)
{
	struct scan_blob *blob;
	int fd;

	*out = NULL;
	fd = open_checked(dir, descriptor);
	if (fd < 0)
		return fd;
	blob = calloc(1, sizeof(*blob));
	if (!blob) {
		close(fd);
		return -ENOMEM;
	}
	blob->fd = fd;
	blob->left = descriptor->size;
	memcpy(blob->digest, descriptor->digest, sizeof(blob->digest));
	blob->md = EVP_MD_CTX_new();
	if (!blob->md || !EVP_DigestInit_ex(blob->md, EVP_sha256(), NULL)) {
		scan_blob_close(blob);
		return -ENOMEM;
	}
	*out = blob;
	return 0;
}

void scan_blob_close(struct scan_blob *blob)
{
	if (!blob)
		return;
	EVP_MD_CTX_free(blob->md);
	close(blob->fd);
	free(blob);
}

/* Its digest in hex. */
const char *scan_blob_name(const struct scan_blob *blob)
{
	return blob->digest;
}

/**
 * scan_blob_read() - the next bytes
 * @blob: the blob
 * @data: where they are, until the next call
 *
 * Return: how many, 0 at the end, or -errno.
 */
ssize_t scan_blob_read(struct scan_blob *blob, const void **data)
{
	size_t want = blob->left < BLOCK ? blob->left : BLOCK;
	ssize_t n;

	*data = blob->block;
	if (!want)
		return 0;
	do {
		n = read(blob->fd, blob->block, want);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (!n)
		return -EBADMSG;	/* it shrank while we read */
	if (!EVP_DigestUpdate(blob->md, blob->block, n))
		return -ENOMEM;
	blob->left -= n;
	return n;
}

int scan_blob_finish(struct scan_blob *blob)
{
	char hex[2 * DSTACK_DIGEST_SIZE + 1];
	uint8_t digest[DSTACK_DIGEST_SIZE];
	const void *data;
	ssize_t n;

	do {
		n = scan_blob_read(blob, &data);
	} while (n > 0);
	if (n < 0)
		return scan_refuse(n, blob->digest, "is a blob that can't be read: %s",
				   strerror(-n));
	if (!EVP_DigestFinal_ex(blob->md, digest, NULL))
		return -ENOMEM;
	libdstack_to_hex(digest, sizeof(digest), hex);
	if (!strcmp(hex, blob->digest))
		return 0;
	return scan_refuse(-EBADMSG, blob->digest, "is a blob with another digest (%s); copy the image anew",
			   hex);
}

int scan_blob_load(int dir, const struct scan_descriptor *descriptor,
		   char **text)
{
	struct scan_blob *blob;
	size_t done = 0;
	const void *data;
	ssize_t n;
	int err;

	*text = NULL;
	if (descriptor->size > SCAN_JSON_MAX)
		return scan_refuse(-EFBIG, descriptor->digest, "is larger than %u bytes, which is the limit for a manifest",
				   SCAN_JSON_MAX);
	err = scan_blob_open(dir, descriptor, &blob);
	if (err)
		return err;
	*text = malloc(descriptor->size + 1);
	if (!*text)
		err = -ENOMEM;
	while (!err && (n = scan_blob_read(blob, &data)) > 0) {
		memcpy(*text + done, data, n);
		done += n;
	}
	if (!err)
		err = scan_blob_finish(blob);
	scan_blob_close(blob);
	if (err) {
		free(*text);
		*text = NULL;
		return err;
	}
	(*text)[done] = '\0';
	return 0;
}
