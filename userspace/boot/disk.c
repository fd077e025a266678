// SPDX-License-Identifier: MIT
/*
 * The disk for data: encrypted, and its header believed once
 *
 * Copyright The dstack for Linux authors
 *
 * The disk is the host's.  Its header is copied to memory, checked there, and
 * used from there: what the host writes over it meanwhile is not looked at.
 */
#include "boot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../disk/disk.h"
#include "luks.h"
#include "provider.h"

#define MAPPING		"dstack-data"
#define MAPPED		"/dev/mapper/" MAPPING
#define FS		"ext4"
#define UNFINISHED	".disk-new"	/* there is no file system yet */
#define DATA_SECTOR	"32768"
#define BEGINNING	1048576U	/* bytes, which a new disk has zero */
#define NO_KEY		2	/* cryptsetup: it does not open with this */

static bool exists(const struct boot *boot, const char *name)
{
	return !faccessat(boot->dir, name, F_OK, AT_SYMLINK_NOFOLLOW);
}

/* cryptsetup, with the passphrase on its standard input: its exit status. */
static int cryptsetup(const uint8_t key[DSTACK_KEY_SIZE],
		      const char *const *argv)
{
	void *passphrase;
	int status = libdstack_secret_alloc(DISK_PASSPHRASE_SIZE, &passphrase);

	if (status)
		return status;
	libdstack_to_hex(key, DSTACK_KEY_SIZE, passphrase);
	status = run(argv, passphrase, DISK_PASSPHRASE_SIZE - 1);
	libdstack_secret_free(passphrase, DISK_PASSPHRASE_SIZE);
	if (status == -ENOENT)
		return boot_fail(status, "there is no cryptsetup here, which an encrypted disk needs: install it");
	return status;
}

static int failed(int status)
{
	return status > 0 ? boot_fail(-EIO, "cryptsetup failed with status %d",
				      status) : status;
}

static int read_start(const char *device, void *data, size_t len)
{
	int fd = open(device, O_RDONLY | O_CLOEXEC | O_NOCTTY), err = 0;
	struct stat st;
	ssize_t got;

	if (fd < 0)
		return boot_fail(-errno, "can't open '%s': %s", device,
				 strerror(errno));
	got = !fstat(fd, &st) && S_ISBLK(st.st_mode) ?
		pread(fd, data, len, 0) : -1;
	if (got != (ssize_t)len)
		err = boot_fail(-EIO, "'%s' is no disk, or smaller than %zu bytes",
				device, len);
	close(fd);
	return err;
}

/*
 * A checked copy of all that stands before the data, as a file in memory: of a
 * header, and of the key, which only the passphrase opens.
 */
static int copy_header(struct boot *boot)
{
	uint8_t *data = malloc(DISK_HEADER_SIZE);
	struct luks luks;
	int err;

	if (!data)
		return -ENOMEM;
	err = read_start(boot->opt->device, data, DISK_HEADER_SIZE);
	err = err ?: dstack_luks_keep_checked(data, DISK_HEADER_SIZE, &luks);
	if (!err && luks.offset != DISK_HEADER_SIZE)
		err = boot_fail(-EBADMSG, "the disk's data does not begin where it did");
	err = err ?: directory_write(boot, DISK_HEADER, data, DISK_HEADER_SIZE);
	free(data);
	return err;
}

static int open_with(struct boot *boot, const uint8_t key[DSTACK_KEY_SIZE])
{
	const char *device = boot->opt->device;
	char *header;
	const char *argv[] = {
		"cryptsetup", "open", "--type", "luks2", "--batch-mode",
		"--key-file", "-", "--header", NULL, device, MAPPING, NULL
	};
	int status;

	if (asprintf(&header, "%s/" DISK_HEADER, boot->opt->dir) < 0)
		return -ENOMEM;
	argv[8] = header;
	status = cryptsetup(key, argv);
	free(header);
	return status;
}

/* Who follows the KMS moves the disk to the next key epoch before this ends. */
static int open_with_next(struct boot *boot)
{
	struct agent_app_keys *next;
	int status = provider_next(boot, &next);

	if (status)
		return status == -ENODATA ? NO_KEY : status;
	status = open_with(boot, next->disk_key);
	if (!status)
		boot_say("the disk is of key epoch %llu",
			 (unsigned long long)next->key_epoch);
	agent_app_keys_free(next);
	return status;
}

static int open_mapping(struct boot *boot)
{
	const char *device = boot->opt->device;
	int status = copy_header(boot) ?:
		directory_write(boot, DISK_DEVICE, device, strlen(device));

	if (status)
		return status;
	/* One that was about to be written was made of another copy. */
	unlinkat(boot->dir, DISK_HEADER_NEXT, 0);
	status = open_with(boot, boot->keys->disk_key);
	if (status == NO_KEY)
		status = open_with_next(boot);
	if (status == NO_KEY)
		return boot_fail(-EKEYREJECTED, "the disk can't be opened with this application's key: it is another's, or of a key epoch that has ended");
	return failed(status);
}

static int format(struct boot *boot)
{
	const char *const argv[] = {
		"cryptsetup", "luksFormat", "--type", "luks2", "--batch-mode",
		"--offset", DATA_SECTOR, "--cipher", "aes-xts-plain64",
		"--key-size", "512", "--hash", "sha256", "--pbkdf", "pbkdf2",
		/* Nobody guesses a key: there is nothing to slow down. */
		"--pbkdf-force-iterations", "1000",
		"--key-file", "-", boot->opt->device, NULL
	};
	int err;

	boot_say("the disk is new, or was being formatted: it is formatted");
	err = directory_write(boot, UNFINISHED, "", 0);
	return err ? err : failed(cryptsetup(boot->keys->disk_key, argv));
}

/* 1: LUKS, 0: nothing at all, or -EBADMSG: who knows whose. */
static int look(const char *device)
{
	uint8_t *data = malloc(BEGINNING);
	size_t i;
	int found;

	if (!data)
		return -ENOMEM;
	found = read_start(device, data, BEGINNING);
	if (!found && !memcmp(data, "LUKS", 4)) {
		found = 1;
	} else if (!found) {
		for (i = 0; i < BEGINNING && !data[i]; i++)
			;
		found = i == BEGINNING ? 0 : -EBADMSG;
		if (found)
			boot_fail(found, "'%s' has something on it that is neither LUKS nor nothing: 'wipefs -a' makes it new",
				  device);
	}
	free(data);
	return found;
}

/*
 * What an earlier start began to format may be neither one nor the other, and
 * without a provider there never was a key for what is there.
 */
static int map(struct boot *boot)
{
	bool unfinished = exists(boot, UNFINISHED);
	int found = unfinished ? 0 : look(boot->opt->device), err = 0;

	if (found < 0)
		return found;
	if (!found || (boot->keys->provider == AGENT_PROVIDER_NONE &&
		       !boot->keys_found))
		err = format(boot);
	return err ?: open_mapping(boot);
}

static int make_fs(struct boot *boot)
{
	static const char *const argv[] = {
		"mkfs." FS, "-q", "-F", MAPPED, NULL
	};
	int status;

	if (!exists(boot, UNFINISHED))
		return 0;
	status = run(argv, NULL, 0);
	if (status)
		return boot_fail(status < 0 ? status : -EIO, "mkfs." FS " failed");
	unlinkat(boot->dir, UNFINISHED, 0);
	return 0;
}

static bool is_mapped(void)
{
	struct stat st;

	return !stat(MAPPED, &st) && S_ISBLK(st.st_mode);
}

static bool is_mounted(const char *where)
{
	struct stat disk, dir;

	return !stat(MAPPED, &disk) && !stat(where, &dir) &&
		disk.st_rdev == dir.st_dev;
}

static int mount_fs(const char *where)
{
	if (mkdir(where, 0755) && errno != EEXIST)
		return boot_fail(-errno, "can't make '%s': %s", where,
				 strerror(errno));
	if (mount(MAPPED, where, FS, 0, NULL))
		return boot_fail(-errno, "can't mount the disk at '%s': %s",
				 where, strerror(errno));
	return 0;
}

int disk_open(struct boot *boot)
{
	const char *fs = boot->compose->storage_fs;
	int err;

	if (!boot->opt->device) {
		boot_say("no disk was given: data lives as long as the machine");
		return 0;
	}
	if (fs && strcmp(fs, FS))
		return boot_fail(-EOPNOTSUPP, "storage_fs of the application: '%s' is not in this system: use '%s'",
				 fs, FS);
	err = measure(boot, "storage-fs", FS, strlen(FS));
	if (err || is_mounted(boot->opt->mount_point))
		return err;
	err = is_mapped() ? 0 : map(boot);
	return err ?: make_fs(boot) ?: mount_fs(boot->opt->mount_point);
}
