// SPDX-License-Identifier: MIT
/*
 * dstackctl device: which block devices check what they read
 *
 * Copyright The dstack for Linux authors
 */
#include "dstackctl.h"
#include "words.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define NAME_SIZE 160	/* device-mapper's names have 127 characters */

static void usage(FILE *out)
{
	fputs("Usage: dstackctl device list [--json]\n"
	      "       dstackctl device add PATH...\n"
	      "       dstackctl device remove PATH...\n\n"
	      "What lies on a registered device of dm-verity is of storage class\n"
	      "dm-verity; on one of dm-crypt or dm-integrity with a key, of class\n"
	      "authenticated.\n", out);
}

/* As device-mapper calls it, or its number. */
static const char *name_of(const struct libdstack_device *d,
			   char name[NAME_SIZE])
{
	char path[64], text[NAME_SIZE - 16] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/dm/name", d->major,
		 d->minor);
	file = fopen(path, "re");
	if (file && fgets(text, sizeof(text), file))
		text[strcspn(text, "\n")] = '\0';
	if (file)
		fclose(file);
	if (*text)
		snprintf(name, NAME_SIZE, "/dev/mapper/%s", text);
	else
		snprintf(name, NAME_SIZE, "%u:%u", d->major, d->minor);
	return name;
}

/* One that got another root hash since is a disk as any other. */
static const char *class_of(const struct libdstack_device *d)
{
	if (d->storage == DSTACK_STORAGE_DISK)
		return "changed";
	return dstack_storage_name(d->storage);
}

static const char *root_of(const struct libdstack_device *d,
			   char hex[2 * DSTACK_ROOT_MAX + 1])
{
	return d->root_len ? libdstack_to_hex(d->root, d->root_len, hex) : "-";
}

static int print_device(const struct libdstack_device *d, void *arg)
{
	char hex[2 * DSTACK_ROOT_MAX + 1], name[NAME_SIZE];

	(void)arg;
	printf("%-28s %-13s %s\n", name_of(d, name), class_of(d),
	       root_of(d, hex));
	return 0;
}

int append_device(const struct libdstack_device *d, void *arg)
{
	char hex[2 * DSTACK_ROOT_MAX + 1], name[NAME_SIZE];
	json_t *item;

	item = json_pack("{s:s, s:s, s:s*}", "device", name_of(d, name),
			 "storage", class_of(d),
			 "root", d->root_len ? root_of(d, hex) : NULL);
	return json_array_append_new(arg, item) ? -ENOMEM : 0;
}

static int list(struct libdstack_control *control, void *array)
{
	if (array)
		return libdstack_list_devices(control, append_device, array);
	printf("%-28s %-13s %s\n", "DEVICE", "STORAGE", "ROOT HASH");
	return libdstack_list_devices(control, print_device, NULL);
}

static int add(struct libdstack_control *control, const char *path)
{
	struct libdstack_device device;

	return libdstack_identify_device(path, &device) ?:
		libdstack_add_device(control, &device);
}

/* By its number alone: device-mapper need not know it any more. */
static int drop(struct libdstack_control *control, const char *path)
{
	struct libdstack_device device = { .storage = DSTACK_STORAGE_DISK };
	struct stat st;

	if (stat(path, &st) || !S_ISBLK(st.st_mode)) {
		error_msg("'%s' is not a block device", path);
		return -ENOTBLK;
	}
	device.major = major(st.st_rdev);
	device.minor = minor(st.st_rdev);
	return libdstack_remove_device(control, &device);
}

static int for_each(int argc, char **argv,
		    int (*fn)(struct libdstack_control *control,
			      const char *path))
{
	struct libdstack_control *control;
	int i, err;

	if (argc < 2 || argv[1][0] == '-')
		return usage_hint("device");
	err = libdstack_control_open(&control);
	for (i = 1; !err && i < argc; i++)
		err = fn(control, argv[i]);
	libdstack_control_close(control);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}

int cmd_device(int argc, char **argv)
{
	if (argc < 2)
		return usage_hint("device");
	if (!strcmp(argv[1], "--help")) {
		usage(stdout);
		return EXIT_SUCCESS;
	}
	if (!strcmp(argv[1], "list"))
		return list_command(argc - 1, argv + 1, "device", list);
	if (!strcmp(argv[1], "add"))
		return for_each(argc - 1, argv + 1, add);
	if (!strcmp(argv[1], "remove"))
		return for_each(argc - 1, argv + 1, drop);
	error_msg("unknown 'device %s'", argv[1]);
	return usage_hint("device");
}
