// SPDX-License-Identifier: MIT
/*
 * The block devices that the module is told to trust
 *
 * Copyright The dstack for Linux authors
 */
#include "dstackd.h"

#include <errno.h>
#include <string.h>

struct search {
	const struct libdstack_device *wanted;
	bool found;
};

static int look(const struct libdstack_device *d, void *arg)
{
	struct search *search = arg;
	const struct libdstack_device *w = search->wanted;

	if (d->major == w->major && d->minor == w->minor)
		search->found = d->storage == w->storage &&
			d->root_len == w->root_len &&
			!memcmp(d->root, w->root, d->root_len);
	return 0;
}

/* A daemon that starts again finds registered what the last one registered. */
int device_ensure(struct libdstack_control *control, const char *path)
{
	struct libdstack_device device;
	struct search search = { .wanted = &device };
	int err;

	err = libdstack_identify_device(path, &device) ?:
		libdstack_list_devices(control, look, &search);
	if (err || search.found)
		return err;
	return libdstack_add_device(control, &device);
}
