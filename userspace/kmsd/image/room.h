/* SPDX-License-Identifier: MIT */
/*
 * What the files of the room share
 *
 * Copyright The dstack for Linux authors
 */
#ifndef KMSD_IMAGE_ROOM_H
#define KMSD_IMAGE_ROOM_H

#include <libdstack_mr.h>

#include "image.h"

#define IMAGE_FILES_MAX	64		/* of one image */
#define IMAGE_SIZE_MAX	(8ULL << 30)	/* bytes of all of them */
#define IMAGE_ACPI_MAX	64		/* sets of tables */

/* Returns @err. */
int image_fail(struct image_why *why, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* files.c */

enum image_part {
	IMAGE_FIRMWARE,
	IMAGE_KERNEL,
	IMAGE_INITRD,
	__IMAGE_PART_MAX
};

/* What a machine boots, as it was when it was found to be right. */
struct image_files {
	char *data[__IMAGE_PART_MAX];
	size_t len[__IMAGE_PART_MAX];
	char *cmdline;
};

/* A plain name of a file, which leads nowhere else. */
bool image_name_ok(const char *name);
/* All files of the image @hash in @dir; -EBADMSG: it is not that one. */
int image_files_read(int dir, const uint8_t hash[IMAGE_HASH],
		     libdstack_message_fn tell, struct image_files *files,
		     struct image_why *why);
void image_files_clear(struct image_files *files);

/* config.c */

/* The memory that its registers depend on. */
int image_config_read(const void *text, size_t len, uint64_t *memory,
		      struct image_why *why);

/* acpi.c */

struct image_acpi {
	size_t nr;
	uint8_t digest[IMAGE_ACPI_MAX][__LIBDSTACK_ACPI_MAX][LIBDSTACK_MR_SIZE];
};

/* Those of the directories in that one; -errno after a line. */
int image_acpi_read(const char *path, libdstack_message_fn tell,
		    struct image_acpi *acpi);

/* measure.c */

struct image_registers {
	/* By how QEMU adds pages, which the guest need not be believed. */
	uint8_t mr_td[2][LIBDSTACK_MR_SIZE];
	uint8_t rtmr1[LIBDSTACK_MR_SIZE], rtmr2[LIBDSTACK_MR_SIZE];
	size_t nr;			/* one for each set of ACPI tables */
	uint8_t rtmr0[IMAGE_ACPI_MAX][LIBDSTACK_MR_SIZE];
};

int image_measure(const struct image_files *files, uint64_t memory,
		  const struct image_acpi *acpi,
		  struct image_registers *registers, struct image_why *why);
/* -EACCES: another machine, or another image. */
int image_compare(const struct image_registers *registers,
		  const struct libdstack_td *td, struct image_why *why);

/* fetch.c */

/* Whether that is an URL with the place for a hash. */
bool image_url_ok(const char *url);
/* What is there for @hash, to the file @fd. */
int image_fetch(const struct image_options *options, const char *hash, int fd,
		struct image_why *why);

/* unpack.c */

/* The archive in @fd, to the empty directory @dir. */
int image_unpack(int fd, int dir, struct image_why *why);
/* A directory of files in @dir. */
void image_remove(int dir, const char *name);

#endif /* KMSD_IMAGE_ROOM_H */
