// SPDX-License-Identifier: MIT
/*
 * What was fetched, as a directory
 *
 * Copyright The dstack for Linux authors
 *
 * A stranger made the archive.  It is one level of regular files with plain
 * names; anything else in it ends the reading.
 */
#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "room.h"

#define BLOCK	65536

struct unpacking {
	int in, dir;
	struct image_why *why;
	struct archive *archive;
	size_t files;
	uint64_t left;			/* bytes */
	uint8_t block[BLOCK];
};

/*
 * Called for every block, so that it also bounds what libarchive unpacks
 * without showing it to us.
 */
static la_ssize_t read_block(struct archive *archive, void *arg,
			     const void **data)
{
	struct unpacking *unpacking = arg;
	ssize_t n = -1;

	if (archive_filter_bytes(archive, 0) > (int64_t)(2 * IMAGE_SIZE_MAX))
		errno = EFBIG;
	else
		n = read(unpacking->in, unpacking->block, BLOCK);
	if (n < 0)
		archive_set_error(archive, errno, "%s", strerror(errno));
	*data = unpacking->block;
	return n < 0 ? ARCHIVE_FATAL : n;
}

static int refuse(struct unpacking *unpacking, const char *what)
{
	return image_fail(unpacking->why, -EBADMSG,
			  "what was fetched is no archive of it: %s", what);
}

static int refuse_archive(struct unpacking *unpacking)
{
	const char *text = archive_error_string(unpacking->archive);

	return refuse(unpacking, text ? text : "unknown error");
}

static int write_all(int fd, const char *data, size_t len)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = write(fd, data + done, len - done);
		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? n : 0;
	}
	return 0;
}

static int copy(struct unpacking *unpacking, int fd)
{
	char block[BLOCK];
	la_ssize_t n;
	int err;

	for (;;) {
		n = archive_read_data(unpacking->archive, block, sizeof(block));
		if (n == ARCHIVE_RETRY)
			continue;
		if (n <= 0)
			return n ? refuse_archive(unpacking) : 0;
		if ((uint64_t)n > unpacking->left)
			return refuse(unpacking, "it is too large");
		unpacking->left -= n;
		err = write_all(fd, block, n);
		if (err)
			return image_fail(unpacking->why, err,
					  "it can't be stored: %s",
					  strerror(-err));
	}
}

static int take_file(struct unpacking *unpacking, const char *name)
{
	int fd, err;

	if (!image_name_ok(name))
		return refuse(unpacking, "a file's name is no plain one");
	if (unpacking->files++ == IMAGE_FILES_MAX)
		return refuse(unpacking, "it has too many files");
	fd = openat(unpacking->dir, name, O_WRONLY | O_CREAT | O_EXCL |
		    O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 && errno == EEXIST)
		return refuse(unpacking, "a file is there twice");
	if (fd < 0)
		return image_fail(unpacking->why, -errno,
				  "it can't be stored: %s", strerror(errno));
	err = copy(unpacking, fd);
	if (close(fd) && !err)
		err = image_fail(unpacking->why, -errno,
				 "it can't be stored: %s", strerror(errno));
	return err;
}

static int take_entry(struct unpacking *unpacking, struct archive_entry *entry)
{
	const char *name = archive_entry_pathname(entry);

	if (!name)
		return refuse(unpacking, "a file has no name");
	if (archive_entry_filetype(entry) == AE_IFDIR &&
	    (!strcmp(name, "./") || !strcmp(name, ".")))
		return 0;
	if (archive_entry_filetype(entry) != AE_IFREG ||
	    archive_entry_hardlink(entry))
		return refuse(unpacking, "it has more than regular files");
	return take_file(unpacking, name + 2 * !strncmp(name, "./", 2));
}

static int take_entries(struct unpacking *unpacking)
{
	struct archive_entry *entry;
	int ret, err = 0;

	while (!err) {
		ret = archive_read_next_header(unpacking->archive, &entry);
		if (ret == ARCHIVE_EOF)
			return 0;
		if (ret == ARCHIVE_RETRY)
			continue;
		err = ret < ARCHIVE_WARN ? refuse_archive(unpacking) :
			take_entry(unpacking, entry);
	}
	return err;
}

static bool open_archive(struct archive *archive)
{
	return archive_read_support_format_tar(archive) >= ARCHIVE_WARN &&
		archive_read_support_filter_gzip(archive) >= ARCHIVE_WARN &&
		archive_read_support_filter_zstd(archive) >= ARCHIVE_WARN;
}

int image_unpack(int fd, int dir, struct image_why *why)
{
	struct unpacking *unpacking = calloc(1, sizeof(*unpacking));
	struct archive *archive = archive_read_new();
	int err;

	if (unpacking && archive && open_archive(archive)) {
		unpacking->in = fd;
		unpacking->dir = dir;
		unpacking->why = why;
		unpacking->archive = archive;
		unpacking->left = IMAGE_SIZE_MAX;
		err = archive_read_open(archive, unpacking, NULL, read_block,
					NULL) ? refuse_archive(unpacking) :
			take_entries(unpacking);
	} else {
		err = image_fail(why, -ENOMEM, "out of memory");
	}
	archive_read_free(archive);
	free(unpacking);
	return err;
}

void image_remove(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
			O_CLOEXEC);
	DIR *entries = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!entries) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(entries)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			unlinkat(fd, entry->d_name, 0);
	closedir(entries);
	unlinkat(dir, name, AT_REMOVEDIR);
}
