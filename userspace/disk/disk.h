/* SPDX-License-Identifier: MIT */
/*
 * The disk for data: opened by another key from now on
 *
 * Copyright The dstack for Linux authors
 *
 * A disk has one keyslot, of the key of one key epoch.  When the next epoch
 * comes its key takes the old one's place: in a copy of the header, in memory,
 * which is checked as at a boot, and then written over the one on the disk.
 * At each moment one of the two headers on the disk opens with one of the two
 * keys.  What the data is encrypted with stays the same.
 *
 * Functions return 0 or -errno, after a line to @tell.
 */
#ifndef DISK_H
#define DISK_H

#include <libdstack.h>

/* In the application's directory: the header that was opened, and of what. */
#define DISK_HEADER		".disk-header"
#define DISK_DEVICE		".disk-device"
/* The one that is about to be on the disk. */
#define DISK_HEADER_NEXT	".disk-header-next"
#define DISK_HEADER_SIZE	16777216U	/* all before the data */
#define DISK_PASSPHRASE_SIZE	(2 * DSTACK_KEY_SIZE + 1)

struct disk {
	const char *path;		/* the application's directory */
	int dir;
	libdstack_message_fn tell;
};

bool disk_is_there(const struct disk *disk);
/*
 * From @old to @new; it can be ended anywhere and called again with the same.
 * Where there is no disk, or it was moved before, there is nothing to do.
 */
int disk_move(const struct disk *disk, const uint8_t old[DSTACK_KEY_SIZE],
	      const uint8_t new[DSTACK_KEY_SIZE]);

#endif /* DISK_H */
