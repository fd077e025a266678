/* SPDX-License-Identifier: MIT */
/*
 * What a KMS gave to whom, and what it refused
 *
 * Copyright The dstack for Linux authors
 *
 * A file of lines, each a JSON object that has the SHA-256 of the one before
 * it: whoever has a later line notices a change of an earlier one.  A line is
 * on the disk before what it tells of leaves the KMS.  Formats, and what such a
 * file proves, are in Documentation/admin-guide/kms.rst.
 *
 * Functions return 0 or -errno.
 */
#ifndef KMSD_AUDIT_H
#define KMSD_AUDIT_H

#include <libdstack.h>
#include <stdio.h>

#include "auth/auth.h"

#define AUDIT_HASH_SIZE		32
#define AUDIT_LINE_MAX		4096	/* bytes, with its newline */

struct audit;

/* One request of somebody who was verified. */
struct audit_entry {
	const char *method;
	const char *from;		/* an address */
	uint64_t time;			/* s since 1970 */
	const struct auth_boot *boot;
	uint8_t evidence[32];		/* SHA-256 of its container */
	const struct auth_verdict *verdict;
	const char *refused;		/* if not by the verdict; or NULL */
	uint64_t epoch;			/* of keys that were given */
	const uint8_t *moved_from;	/* device id; NULL: it was not there */
	uint64_t moved_s;		/* since then */
};

/* Of the file as it is: how many lines, and the hash of the last. */
struct audit_head {
	uint64_t lines;
	uint8_t hash[AUDIT_HASH_SIZE];
};

/*
 * Goes on where the file ends; one that is missing is made.  What a line lacks
 * that was being written when the KMS ended is cut off: nothing was given for
 * it.  -EBADMSG: the last line is none, after a line to @tell; -EPERM: others
 * may write to the file.
 */
int audit_open(const char *path, libdstack_message_fn tell,
	       struct audit **audit);
void audit_close(struct audit *audit);
/*
 * Returns when the line is stored, with those of others who ask at the time.
 * An error: nothing is to be given; after one that leaves the file in doubt,
 * each call fails (-EIO).
 */
int audit_add(struct audit *audit, const struct audit_entry *entry);
void audit_get_head(struct audit *audit, struct audit_head *head);

/*
 * audit_check.c: reads the whole of such a file, which follows @head; all zeros
 * are the beginning.  -EBADMSG: @bad is the number of the first line, from 1,
 * that does not belong there.
 */
int audit_check(FILE *file, struct audit_head *head, uint64_t *bad);

#endif /* KMSD_AUDIT_H */
