// SPDX-License-Identifier: MIT
/*
 * ACPI tables that machines may have
 *
 * Copyright The dstack for Linux authors
 *
 * They are QEMU's and the host's, and code that a guest runs: whoever operates
 * the KMS has looked at each set that is here.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../app/app.h"
#include "room.h"

#define TABLES_MAX	1048576		/* bytes of one file */

static void say(libdstack_message_fn tell, const char *path, const char *name,
		const char *what)
{
	char line[LIBDSTACK_MESSAGE_MAX];

	snprintf(line, sizeof(line), "%.200s/%.200s: %s", path, name, what);
	tell(line);
}

static int read_set(int parent, const char *path, const char *name,
		    libdstack_message_fn tell, struct image_acpi *acpi)
{
	static const char *const files[] = { "table-loader", "rsdp", "tables" };
	int dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
			 O_CLOEXEC);
	int i, err = dir < 0 ? -errno : 0;
	char *data;
	size_t len;

	for (i = 0; !err && i < __LIBDSTACK_ACPI_MAX; i++) {
		err = app_file_read(dir, files[i], TABLES_MAX, &data, &len,
				    tell);
		if (err)
			break;
		SHA384((const uint8_t *)data, len, acpi->digest[acpi->nr][i]);
		free(data);
	}
	if (err)
		say(tell, path, name, "want a directory with the files table-loader, rsdp and tables");
	else
		acpi->nr++;
	if (dir >= 0)
		close(dir);
	return err;
}

int image_acpi_read(const char *path, libdstack_message_fn tell,
		    struct image_acpi *acpi)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int err = dir ? 0 : -errno;

	acpi->nr = 0;
	if (err)
		say(tell, path, "", strerror(-err));
	while (!err && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		if (acpi->nr == IMAGE_ACPI_MAX) {
			say(tell, path, entry->d_name, "is one set of tables too many");
			err = -E2BIG;
		} else {
			err = read_set(fd, path, entry->d_name, tell, acpi);
		}
	}
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
	return err;
}
