// SPDX-License-Identifier: MIT
/*
 * Encrypted volumes whose key this process never sees
 *
 * Copyright The dstack for Linux authors
 *
 * The module derives the key and puts it where dm-crypt finds it.  The header
 * is read once: what was checked is what is used, whatever the disk says a
 * moment later.
 */
#include "lib.h"
#include "luks.h"

#include <errno.h>
#include <fcntl.h>
#include <libdevmapper.h>
#include <linux/fs.h>
#include <linux/keyctl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define SECTOR		512
#define FIRST_READ	4096
#define KEY_NAME	"volume"
#define PARAMS_SIZE	256

static int read_at_start(int fd, void *data, size_t len)
{
	ssize_t got = pread(fd, data, len, 0);

	if (got < 0)
		return -errno;
	return (size_t)got == len ? 0 : -EBADMSG;
}

/* Memory is enough for the largest header that there is. */
static int read_header(int fd, struct luks *luks)
{
	uint8_t *data = malloc(LUKS_SIZE_MAX);
	size_t size;
	int err;

	if (!data)
		return -ENOMEM;
	err = read_at_start(fd, data, FIRST_READ);
	size = err ? 0 : dstack_luks_size(data, FIRST_READ);
	if (!err && !size)
		err = -EBADMSG;
	if (!err)
		err = read_at_start(fd, data, size);
	if (!err)
		err = dstack_luks_check(data, size, luks);
	free(data);
	return err;
}

static int data_sectors(int fd, const struct luks *luks, uint64_t *sectors)
{
	uint64_t bytes;

	if (ioctl(fd, BLKGETSIZE64, &bytes))
		return -errno;
	if (bytes <= luks->offset + luks->sector_size) {
		dstack_message("the device ends before its data begins");
		return -EBADMSG;
	}
	bytes -= luks->offset;
	*sectors = (bytes - bytes % luks->sector_size) / SECTOR;
	return 0;
}

static void write_params(char params[PARAMS_SIZE], const struct stat *st,
			 const struct luks *luks)
{
	snprintf(params, PARAMS_SIZE,
		 "aes-xts-plain64 :%u:logon:" DSTACK_KEY_NAME_PREFIX KEY_NAME
		 " 0 %u:%u %llu%s", LUKS_KEY_SIZE, major(st->st_rdev),
		 minor(st->st_rdev), (unsigned long long)luks->offset / SECTOR,
		 luks->sector_size == 4096 ? " 1 sector_size:4096" : "");
}

/* A uuid as cryptsetup writes it, so that 'cryptsetup close' knows it. */
static int activate(const char *name, uint64_t sectors, const char *params,
		    bool readonly)
{
	struct dm_task *task = dm_task_create(DM_DEVICE_CREATE);
	uint32_t cookie = 0;
	char uuid[128];
	int err = -EIO;

	if (!task)
		return -ENOMEM;
	snprintf(uuid, sizeof(uuid), "CRYPT-PLAIN-%s", name);
	if (dm_task_set_name(task, name) && dm_task_set_uuid(task, uuid) &&
	    (!readonly || dm_task_set_ro(task)) &&
	    dm_task_add_target(task, 0, sectors, "crypt", params) &&
	    dm_task_set_cookie(task, &cookie,
			       DM_UDEV_DISABLE_DISK_RULES_FLAG) &&
	    dm_task_run(task))
		err = 0;
	if (cookie)
		dm_udev_wait(cookie);
	dm_task_destroy(task);
	if (err)
		dstack_message("can't make the mapping '%s': is the name taken, has the kernel dm-crypt?",
			       name);
	return err;
}

static int get_key(const char *path)
{
	struct libdstack_key key = {
		.kind = DSTACK_KEY_BYTES,
		.scope = DSTACK_SCOPE_APP,
		.delivery = DSTACK_DELIVER_LOGON,
		.len = LUKS_KEY_SIZE,
		.keyring = KEY_SPEC_PROCESS_KEYRING,
		.path = path,
		.path_len = strlen(path),
		.name = KEY_NAME,
	};
	int fd = libdstack_device_open(), err;
	int32_t serial;

	if (fd < 0)
		return fd;
	err = libdstack_get_key(fd, &key, NULL, &serial);
	close(fd);
	return err;
}

static int map(int fd, const char *name, const char *path,
	       const struct luks *luks, bool readonly)
{
	char params[PARAMS_SIZE];
	uint64_t sectors = 0;
	struct stat st;
	int err;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISBLK(st.st_mode)) {
		dstack_message("this is not a block device");
		return -ENOTBLK;
	}
	err = data_sectors(fd, luks, &sectors) ?: get_key(path);
	if (err)
		return err;
	write_params(params, &st, luks);
	return activate(name, sectors, params, readonly);
}

int libdstack_open_volume(const char *device, const char *name,
			  const char *path, bool readonly)
{
	int fd = open(device, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct luks luks;
	int err;

	if (fd < 0) {
		err = -errno;
		dstack_message("can't open '%s': %s", device, strerror(-err));
		return err;
	}
	err = read_header(fd, &luks);
	if (!err)
		err = map(fd, name, path, &luks, readonly);
	if (err && err != -EBADMSG && err != -ENOTBLK)
		dstack_message("'%s' was not opened: %s", device,
			       strerror(-err));
	close(fd);
	return err;
}
