/* SPDX-License-Identifier: MIT */
/*
 * Files that are there as a whole or not at all, and nobody else's
 *
 * Copyright The dstack for Linux authors
 *
 * Functions return 0 or -errno.
 */
#ifndef KMSD_STATE_FILE_H
#define KMSD_STATE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * A descriptor, and nobody else gets one meanwhile.  -EBUSY: somebody has it;
 * -EPERM: it is not ours alone, or with @memory on a disk.
 */
int file_open_dir(const char *path, bool memory);
/* Less than @max bytes to @data; -ENOENT, -EPERM, -EFBIG. */
int file_read(int dir, const char *name, size_t max, uint8_t *data,
	      size_t *len);
/* Of an open file less than @max bytes, whatever its size was before. */
int file_read_all(int fd, size_t max, uint8_t *data, size_t *len);
/*
 * All of it, and stored when this returns, or what there was before: after an
 * error it may be either.
 */
int file_replace(int dir, const char *name, mode_t mode, const void *data,
		 size_t len);
/* Left behind by one that was ended. */
void file_clean(int dir);

#endif /* KMSD_STATE_FILE_H */
