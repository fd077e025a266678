/* SPDX-License-Identifier: MIT */
/*
 * What the rooms of the library share
 *
 * Copyright The dstack for Linux authors
 */
#ifndef LIB_H
#define LIB_H

#include <libdstack.h>

/* message.c */

/*
 * Parts of a text may come from a hostile file: no terminal shall obey them.
 * What could be obeyed becomes '?'.
 */
void dstack_disarm(char *text);
/* Hands one formatted line to the caller's message callback. */
void dstack_message(const char *fmt, ...)
	__attribute__((format(printf, 1, 2)));

/* device.c */

/*
 * Says what @err means when an ioctl that was to @what gave it, for those that
 * mean the same for every ioctl.  Returns @err.
 */
int dstack_device_error(int err, const char *what);

/* file.c */

/*
 * The whole file, at most @max bytes, NUL-terminated behind its @len bytes,
 * for free().  0 or -errno, after a message; -EFBIG if it is larger.
 */
int dstack_file_read(const char *path, size_t max, char **text, size_t *len);

/* log.c */

/* Frees what @log holds, not itself. */
void dstack_log_clear(struct libdstack_log *log);
/* @log owns the event's name and payload then; *@cap: room in its array. */
int dstack_log_add(struct libdstack_log *log, size_t *cap,
		   const struct libdstack_event *event);
/* Of name and payload, by the rule of the event's version. */
int dstack_log_digest(const struct libdstack_event *event,
		      uint8_t digest[DSTACK_REGISTER_SIZE]);

#endif /* LIB_H */
