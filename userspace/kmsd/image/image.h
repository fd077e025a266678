/* SPDX-License-Identifier: MIT */
/*
 * OS images by their files
 *
 * Copyright The dstack for Linux authors
 *
 *	store.c		images, what was measured of them, and one at a time
 *	fetch.c		downloads
 *	unpack.c	what came, as a directory
 *	files.c		the files of an image are those that its hash names
 *	config.c	the machine that a guest says it has
 *	acpi.c		ACPI tables that machines may have
 *	measure.c	registers of an image on a machine
 *
 * The hash of an image is SHA-256 of its sha256sum.txt, so that a directory of
 * files either is that image or is nothing.  Where they came from is no matter.
 */
#ifndef KMSD_IMAGE_H
#define KMSD_IMAGE_H

#include <libdstack.h>
#include <libdstack_verify.h>

#define IMAGE_HASH	32
#define IMAGE_WHY_MAX	256
#define IMAGE_URL_HASH	"{OS_IMAGE_HASH}"	/* as upstream has it */

/* The reason for a refusal: one line of plain text. */
struct image_why {
	char text[IMAGE_WHY_MAX];
};

/* All of it stays its owner's. */
struct image_options {
	const char *dir;	/* of images, each below its hash in hex */
	const char *url;	/* where others are; or NULL */
	const char *acpi;	/* of tables that machines may have; or NULL */
	uint64_t seconds;	/* that a download may take */
	libdstack_message_fn tell;
};

/* Who says that it booted an image. */
struct image_guest {
	const uint8_t *hash;		/* IMAGE_HASH bytes */
	const void *config;		/* its vm_config */
	size_t config_len;
	const struct libdstack_td *td;
};

struct image_store;

/* -errno after a line. */
int image_store_open(const struct image_options *options,
		     struct image_store **store);
void image_store_close(struct image_store *store);
/*
 * Whether it did; for many threads.  -EACCES: its registers are others.
 * -ENOENT: there is no such image.  -EBADMSG: what is there is not that image,
 * or the configuration is none that can be measured.  -EAGAIN: it is being
 * looked at.  Others: it could not be.
 */
int image_store_check(struct image_store *store,
		      const struct image_guest *guest, struct image_why *why);
/*
 * Forgets an image, and what was measured for a configuration; each is "",
 * "all" or a hash in hex.  Files go only if they can be fetched again.
 */
int image_store_clear(struct image_store *store, const char *image,
		      const char *config, struct image_why *why);

#endif /* KMSD_IMAGE_H */
