// SPDX-License-Identifier: MIT
/*
 * From the key of one epoch to that of the next
 *
 * Copyright The dstack for Linux authors
 */
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/luks.h"
#include "../spawn/spawn.h"

/* Made anew if it is ended before it is complete. */
#define MAKING		".disk-header-new"
#define KEY		".disk-key"
#define NO_KEY		2	/* cryptsetup: it does not open with this */

__attribute__((format(printf, 3, 4)))
static int fail(const struct disk *disk, int err, const char *fmt, ...)
{
	char line[LIBDSTACK_MESSAGE_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	disk->tell(line);
	return err;
}

static bool exists(const struct disk *disk, const char *name)
{
	return !faccessat(disk->dir, name, F_OK, AT_SYMLINK_NOFOLLOW);
}

bool disk_is_there(const struct disk *disk)
{
	return exists(disk, DISK_HEADER);
}

/*
 * Files
 */

static int read_at(const struct disk *disk, int fd, void *data, size_t len,
		   off_t at)
{
	ssize_t nr;

	for (; len; data = (char *)data + nr, len -= nr, at += nr) {
		nr = pread(fd, data, len, at);
		if (nr <= 0)
			return fail(disk, nr ? -errno : -EIO,
				    "the disk's header can't be read: %s",
				    nr ? strerror(errno) : "it ends early");
	}
	return 0;
}

static int write_at(const struct disk *disk, int fd, const void *data,
		    size_t len, off_t at)
{
	ssize_t nr;

	for (; len; data = (const char *)data + nr, len -= nr, at += nr) {
		nr = pwrite(fd, data, len, at);
		if (nr <= 0)
			return fail(disk, nr ? -errno : -EIO,
				    "the disk's header can't be written: %s",
				    strerror(nr ? errno : EIO));
	}
	return 0;
}

/* The whole of it, in malloc'ed memory; it has no key that is not encrypted. */
static int read_header(const struct disk *disk, const char *name,
		       uint8_t **data)
{
	int fd = openat(disk->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	int err;

	*data = fd < 0 ? NULL : malloc(DISK_HEADER_SIZE);
	if (!*data) {
		err = fd < 0 ? -errno : -ENOMEM;
		close(fd);
		return fail(disk, err, "'%s' can't be read: %s", name,
			    strerror(-err));
	}
	err = read_at(disk, fd, *data, DISK_HEADER_SIZE, 0);
	close(fd);
	if (err) {
		free(*data);
		*data = NULL;
	}
	return err;
}

static int write_file(const struct disk *disk, const char *name,
		      const void *data, size_t len)
{
	int fd, err;

	unlinkat(disk->dir, name, 0);
	fd = openat(disk->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
		    O_CLOEXEC, 0600);
	if (fd < 0)
		return fail(disk, -errno, "'%s' can't be made: %s", name,
			    strerror(errno));
	err = write_at(disk, fd, data, len, 0);
	close(fd);
	return err;
}

static int become(const struct disk *disk, const char *from, const char *to)
{
	if (!renameat(disk->dir, from, disk->dir, to))
		return 0;
	return fail(disk, -errno, "'%s' can't be renamed: %s", from,
		    strerror(errno));
}

/* As boot opens it: the one header that passes the check. */
static int check(const struct disk *disk, const uint8_t *data,
		 struct luks *luks)
{
	size_t size = dstack_luks_size(data, DISK_HEADER_SIZE);
	int err = size ? dstack_luks_check(data, size, luks) : -EBADMSG;

	if (!err && luks->offset != DISK_HEADER_SIZE)
		err = fail(disk, -EBADMSG, "the disk's data does not begin where it did");
	return err;
}

/*
 * cryptsetup
 */

/* Its exit status, or -errno. */
static int cryptsetup(const struct disk *disk, const char *const *argv,
		      const uint8_t key[DSTACK_KEY_SIZE])
{
	static const char *const env[] = {
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL
	};
	struct spawn spawn = { .argv = argv, .env = env };
	void *passphrase;
	int status = libdstack_secret_alloc(DISK_PASSPHRASE_SIZE, &passphrase);

	if (status)
		return status;
	libdstack_to_hex(key, DSTACK_KEY_SIZE, passphrase);
	spawn.input = passphrase;
	spawn.input_len = DISK_PASSPHRASE_SIZE - 1;
	status = spawn_run(&spawn);
	libdstack_secret_free(passphrase, DISK_PASSPHRASE_SIZE);
	if (status < 0)
		fail(disk, status, "cryptsetup can't be run: %s",
		     strerror(-status));
	return status;
}

/* 1: yes, 0: with another one; or -errno. */
static int opens_with(const struct disk *disk, const char *name,
		      const uint8_t key[DSTACK_KEY_SIZE])
{
	char path[PATH_MAX];
	const char *const argv[] = {
		"cryptsetup", "open", "--test-passphrase", "--type", "luks2",
		"--batch-mode", "--key-file", "-", path, NULL
	};
	int status;

	snprintf(path, sizeof(path), "%s/%s", disk->path, name);
	status = cryptsetup(disk, argv, key);
	if (status == NO_KEY || status < 0)
		return status < 0 ? status : 0;
	return status ? fail(disk, -EIO, "cryptsetup failed with status %d",
			     status) : 1;
}

static int change_key(const struct disk *disk, const uint8_t *old)
{
	char header[PATH_MAX], key[PATH_MAX];
	const char *const argv[] = {
		"cryptsetup", "luksChangeKey", "--type", "luks2",
		"--batch-mode", "--key-slot", "0", "--hash", "sha256",
		"--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000",
		"--key-file", "-", header, key, NULL
	};
	int status;

	snprintf(header, sizeof(header), "%s/" MAKING, disk->path);
	snprintf(key, sizeof(key), "%s/" KEY, disk->path);
	status = cryptsetup(disk, argv, old);
	return status > 0 ? fail(disk, -EIO, "the disk's key can't be changed: cryptsetup failed with status %d",
				 status) : status;
}

/* cryptsetup reads the new one from a file, which is in memory. */
static int change(const struct disk *disk, const uint8_t *old,
		  const uint8_t *new)
{
	static const char zeros[DISK_PASSPHRASE_SIZE];
	char hex[DISK_PASSPHRASE_SIZE];
	int err, fd;

	libdstack_to_hex(new, DSTACK_KEY_SIZE, hex);
	err = write_file(disk, KEY, hex, sizeof(hex) - 1);
	explicit_bzero(hex, sizeof(hex));
	err = err ?: change_key(disk, old);
	fd = openat(disk->dir, KEY, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0) {
		write_at(disk, fd, zeros, sizeof(zeros) - 1, 0);
		close(fd);
	}
	unlinkat(disk->dir, KEY, 0);
	return err;
}

/*
 * The next header
 */

static int check_made(const struct disk *disk, const uint8_t *new)
{
	struct luks luks;
	uint8_t *data;
	int err = read_header(disk, MAKING, &data);

	if (err)
		return err;
	err = check(disk, data, &luks);
	free(data);
	if (err)
		return err;
	err = opens_with(disk, MAKING, new);
	return err ? err > 0 ? 0 : err :
		fail(disk, -EIO, "the changed header does not open with the key of the next key epoch");
}

static int make_next(const struct disk *disk, const uint8_t *old,
		     const uint8_t *new)
{
	uint8_t *data;
	int err = read_header(disk, DISK_HEADER, &data);

	if (err)
		return err;
	err = write_file(disk, MAKING, data, DISK_HEADER_SIZE);
	free(data);
	return err ?: change(disk, old, new) ?: check_made(disk, new) ?:
		become(disk, MAKING, DISK_HEADER_NEXT);
}

/*
 * On the disk
 */

struct part {
	size_t at, len;
};

/* Or -errno. */
static int open_device(const struct disk *disk)
{
	char path[PATH_MAX];
	int fd = openat(disk->dir, DISK_DEVICE,
			O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, path, sizeof(path) - 1);

	close(fd);
	if (len <= 0)
		return fail(disk, -ENOENT, "'" DISK_DEVICE "' does not say which disk it is");
	path[len] = '\0';
	fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	return fd >= 0 ? fd : fail(disk, -errno, "'%s' can't be opened: %s",
				   path, strerror(errno));
}

/* It is there before the next one is written. */
static int put(const struct disk *disk, int device, const uint8_t *data,
	       struct part part)
{
	int err = write_at(disk, device, data + part.at, part.len,
			   (off_t)part.at);

	if (!err && fsync(device))
		err = fail(disk, -errno, "the disk's header can't be written: %s",
			   strerror(errno));
	return err;
}

/*
 * First what the new headers speak of, which is where nothing was; then they,
 * one after the other; and what the old ones speak of goes last.
 */
static int put_parts(const struct disk *disk, int device, const uint8_t *data,
		     const struct luks *old, const struct luks *new)
{
	size_t size = dstack_luks_size(data, DISK_HEADER_SIZE);
	const struct part order[] = {
		{ new->area, new->area_size }, { size, size }, { 0, size },
		{ old->area, old->area_size },
	};
	size_t i;
	int err = 0;

	if (new->area < old->area + old->area_size &&
	    old->area < new->area + new->area_size)
		return fail(disk, -EBADMSG, "the new key would be written over the old one");
	for (i = 0; !err && i < sizeof(order) / sizeof(order[0]); i++)
		err = put(disk, device, data, order[i]);
	return err;
}

static int write_next(const struct disk *disk, const uint8_t *data,
		      const struct luks *new)
{
	struct luks old;
	uint8_t *before;
	int device, err = read_header(disk, DISK_HEADER, &before);

	if (err)
		return err;
	/* Which of its two headers was opened; the other one was wiped. */
	err = dstack_luks_keep_checked(before, DISK_HEADER_SIZE, &old);
	free(before);
	if (err)
		return err;
	device = open_device(disk);
	if (device < 0)
		return device;
	err = put_parts(disk, device, data, &old, new);
	if (close(device) && !err)
		err = fail(disk, -errno, "the disk's header can't be written: %s",
			   strerror(errno));
	return err;
}

static int put_on_disk(const struct disk *disk)
{
	struct luks new;
	uint8_t *data;
	int err = read_header(disk, DISK_HEADER_NEXT, &data);

	if (err)
		return err;
	err = check(disk, data, &new) ?: write_next(disk, data, &new) ?:
		become(disk, DISK_HEADER_NEXT, DISK_HEADER);
	free(data);
	return err;
}

int disk_move(const struct disk *disk, const uint8_t old[DSTACK_KEY_SIZE],
	      const uint8_t new[DSTACK_KEY_SIZE])
{
	int err;

	if (!disk_is_there(disk))
		return 0;
	/* One that was begun to be written has to be written to its end. */
	if (exists(disk, DISK_HEADER_NEXT))
		return put_on_disk(disk);
	err = opens_with(disk, DISK_HEADER, new);
	if (err)
		return err > 0 ? 0 : err;
	return make_next(disk, old, new) ?: put_on_disk(disk);
}
