/* SPDX-License-Identifier: MIT */
/*
 * The lines of a log file, whatever is in it
 *
 * Copyright The dstack for Linux authors
 */
#ifndef DSTACKD_LINES_H
#define DSTACKD_LINES_H

#include <libdstack.h>
#include <sys/types.h>

struct line {
	off_t at;
	int fd;			/* of the file that it is in */
	uint32_t len;		/* with its newline; 0: not an event */
	uint8_t digest[DSTACK_REGISTER_SIZE];	/* which it claims, or zeros */
};

/* 64 bytes for each line of the file, and the file may shrink meanwhile. */
struct lines {
	struct line *items;
	size_t nr, cap;
	off_t end;		/* where the whole lines of the last file end */
};

/* Adds the whole lines of a file.  Returns 0 or -errno, and says nothing. */
int lines_read(struct lines *lines, int fd);
void lines_free(struct lines *lines);

#endif /* DSTACKD_LINES_H */
