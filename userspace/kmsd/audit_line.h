/* SPDX-License-Identifier: MIT */
/*
 * One line of what a KMS gave
 *
 * Copyright The dstack for Linux authors
 */
#ifndef KMSD_AUDIT_LINE_H
#define KMSD_AUDIT_LINE_H

#include "audit.h"

/*
 * The line that follows @head, with its newline, for free(); @head is that line
 * then.  -EMSGSIZE: what is in it is too long.
 */
int audit_line_write(const struct audit_entry *entry, struct audit_head *head,
		     char **text, size_t *len);
/*
 * A line as it is in the file, without its newline: which it is, and its hash.
 * -EBADMSG: it is none of ours.
 */
int audit_line_read(const char *text, size_t len, struct audit_head *head);
/* Whether it is the one that follows @head. */
bool audit_line_follows(const char *text, size_t len,
			const struct audit_head *head);

#endif /* KMSD_AUDIT_LINE_H */
