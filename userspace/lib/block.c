// SPDX-License-Identifier: MIT
/*
 * Block devices: what device-mapper says of one, and what the module knows
 *
 * Copyright The dstack for Linux authors
 */
#include "lib.h"
#include "mapper.h"
#include "netlink.h"

#include <errno.h>
#include <libdevmapper.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define DUMP_TRIES	8	/* devices may come and go while we read */
#define MAPPER_ERR	3	/* of syslog(3), in the low bits of a level */

/* libdevmapper would print its messages itself. */
static void mapper_message(int level, const char *file, int line, int dm_errno,
			   const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

static void mapper_message(int level, const char *file, int line, int dm_errno,
			   const char *fmt, ...)
{
	char text[LIBDSTACK_MESSAGE_MAX / 2];
	va_list args;

	(void)file;
	(void)line;
	(void)dm_errno;
	if ((level & 7) > MAPPER_ERR)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	dstack_message("device-mapper: %s", text);
}

static int judge_task(struct dm_task *task, const char *path,
		      struct libdstack_device *device)
{
	char *type = NULL, *params = NULL;
	uint64_t start, length;
	struct dm_info info;

	if (!dm_task_get_info(task, &info) || !info.exists) {
		dstack_message("'%s' is not a device of device-mapper", path);
		return -ENOTBLK;
	}
	if (dm_get_next_target(task, NULL, &start, &length, &type, &params) ||
	    !type || !params) {
		dstack_message("'%s' has not one target, but several or none",
			       path);
		return -EBADMSG;
	}
	return dstack_mapper_judge(type, params, device);
}

static int ask_mapper(const char *path, struct libdstack_device *device)
{
	struct dm_task *task;
	int err = -EIO;

	dm_log_with_errno_init(mapper_message);
	task = dm_task_create(DM_DEVICE_TABLE);
	if (!task)
		return -ENOMEM;
	/* Tables of dm-crypt have the key in them. */
	if (dm_task_secure_data(task) && dm_task_no_open_count(task) &&
	    dm_task_set_major_minor(task, device->major, device->minor, 0) &&
	    dm_task_run(task))
		err = judge_task(task, path, device);
	else
		dstack_message("can't ask device-mapper for '%s'", path);
	dm_task_destroy(task);
	return err;
}

int libdstack_identify_device(const char *path, struct libdstack_device *device)
{
	struct stat st;
	int err;

	memset(device, 0, sizeof(*device));
	if (stat(path, &st)) {
		err = -errno;
		dstack_message("can't look at '%s': %s", path, strerror(-err));
		return err;
	}
	if (!S_ISBLK(st.st_mode)) {
		dstack_message("'%s' is not a block device", path);
		return -ENOTBLK;
	}
	device->major = major(st.st_rdev);
	device->minor = minor(st.st_rdev);
	if (!dm_is_dm_major(device->major)) {
		dstack_message("'%s' is not a device of device-mapper", path);
		return -ENOTBLK;
	}
	return ask_mapper(path, device);
}

static uint32_t encode(const struct libdstack_device *device)
{
	return (device->minor & 0xff) | (device->major << 8) |
		((device->minor & ~0xffU) << 12);
}

static void decode(uint32_t number, struct libdstack_device *device)
{
	device->major = (number >> 8) & 0xfff;
	device->minor = (number & 0xff) | ((number >> 12) & ~0xffU);
}

static int send_device(struct libdstack_control *control, int cmd,
		       const struct libdstack_device *device, const char *what)
{
	struct nl_msg *msg = dstack_request_new(control, cmd, 0, 256);
	int err;

	if (!msg)
		return -ENOMEM;
	err = nla_put_u32(msg, DSTACK_A_DEVICE, encode(device));
	if (!err && cmd == DSTACK_CMD_DEVICE_ADD)
		err = nla_put_u32(msg, DSTACK_A_STORAGE, device->storage);
	if (!err && cmd == DSTACK_CMD_DEVICE_ADD && device->root_len)
		err = nla_put(msg, DSTACK_A_ROOT, device->root_len,
			      device->root);
	if (err) {
		nlmsg_free(msg);
		return -EMSGSIZE;
	}
	return dstack_request(control, msg, what, NULL, NULL);
}

int libdstack_add_device(struct libdstack_control *control,
			 const struct libdstack_device *device)
{
	return send_device(control, DSTACK_CMD_DEVICE_ADD, device,
			   "register the device");
}

int libdstack_remove_device(struct libdstack_control *control,
			    const struct libdstack_device *device)
{
	return send_device(control, DSTACK_CMD_DEVICE_REMOVE, device,
			   "remove the device");
}

struct device_list {
	struct libdstack_device *items;
	size_t nr;
};

static int device_reply(struct nlattr **attrs, void *arg)
{
	struct nlattr *root = attrs[DSTACK_A_ROOT];
	struct device_list *list = arg;
	struct libdstack_device *d;

	if (!attrs[DSTACK_A_DEVICE] || !attrs[DSTACK_A_STORAGE])
		return -EPROTO;
	d = reallocarray(list->items, list->nr + 1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	list->items = d;
	d += list->nr++;
	memset(d, 0, sizeof(*d));
	decode(nla_get_u32(attrs[DSTACK_A_DEVICE]), d);
	d->storage = nla_get_u32(attrs[DSTACK_A_STORAGE]);
	if (root) {
		d->root_len = nla_len(root);
		memcpy(d->root, nla_data(root), d->root_len);
	}
	return 0;
}

int libdstack_list_devices(struct libdstack_control *control,
			   int (*fn)(const struct libdstack_device *d,
				     void *arg), void *arg)
{
	struct device_list list = { NULL, 0 };
	int err, tries = 0;
	size_t i;

	do {
		struct nl_msg *msg;

		list.nr = 0;
		msg = dstack_request_new(control, DSTACK_CMD_DEVICE_GET,
					 NLM_F_DUMP, 0);
		err = msg ? dstack_request(control, msg, "list the devices",
					   device_reply, &list) : -ENOMEM;
	} while (err == -ESTALE && ++tries < DUMP_TRIES);
	for (i = 0; !err && i < list.nr; i++)
		err = fn(&list.items[i], arg);
	free(list.items);
	return err;
}
