// SPDX-License-Identifier: MIT
/*
 * Files that the configuration names
 *
 * Copyright The dstack for Linux authors
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../app/app.h"
#include "../daemon/daemon.h"
#include "tees.h"

static void tell(const char *line)
{
	msg("%s", line);
}

int kmsd_read_file(const char *path, size_t max, char **text, size_t *len)
{
	const char *slash = strrchr(path, '/');
	char *parent = slash ? strndup(path, slash - path + 1) : strdup(".");
	int dir, err;

	if (!parent)
		return -ENOMEM;
	dir = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	err = dir < 0 ? -errno : app_file_read(dir, slash ? slash + 1 : path,
					       max, text, len, tell);
	if (dir < 0 || err == -ENOENT)
		msg("%s: %s", path, strerror(-err));
	if (dir >= 0)
		close(dir);
	free(parent);
	return err;
}
