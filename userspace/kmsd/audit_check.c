// SPDX-License-Identifier: MIT
/*
 * Whether a file of what a KMS gave is whole
 *
 * Copyright The dstack for Linux authors
 */
#include <errno.h>

#include "audit_line.h"

static int check_line(const char *text, size_t len, struct audit_head *head)
{
	if (!len || text[len - 1] != '\n' || len > AUDIT_LINE_MAX ||
	    !audit_line_follows(text, len - 1, head))
		return -EBADMSG;
	return audit_line_read(text, len - 1, head);
}

/* One more than a line has: then it is too long. */
static ssize_t next_line(FILE *file, char text[AUDIT_LINE_MAX + 2])
{
	size_t len = 0;
	int c;

	while (len <= AUDIT_LINE_MAX && (c = getc_unlocked(file)) != EOF) {
		text[len++] = (char)c;
		if (c == '\n')
			break;
	}
	return ferror(file) ? -EIO : (ssize_t)len;
}

int audit_check(FILE *file, struct audit_head *head, uint64_t *bad)
{
	char text[AUDIT_LINE_MAX + 2];
	ssize_t len = 0;
	int err = 0;

	*bad = 0;
	while (!err && (len = next_line(file, text)) > 0) {
		++*bad;
		err = check_line(text, (size_t)len, head);
	}
	return len < 0 ? (int)len : err;
}
