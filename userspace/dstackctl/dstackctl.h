/* SPDX-License-Identifier: MIT */
/*
 * What the commands of dstackctl share
 *
 * Copyright The dstack for Linux authors
 */
#ifndef DSTACKCTL_H
#define DSTACKCTL_H

#include <libdstack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* EXIT_SUCCESS is 0, EXIT_FAILURE is 1. */
#define EXIT_USAGE	2

/* Where dstackd keeps the events that it took from the kernel. */
#define DSTACK_LOG_FILE	"/var/lib/dstack/log.jsonl"

/*
 * One function a command, in cmd_<name>.c.  argv[0] is the command's name, so
 * that getopt_long() works as in main(); the result is the exit status.
 */
int cmd_container(int argc, char **argv);
int cmd_contract(int argc, char **argv);
int cmd_device(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_key(int argc, char **argv);
int cmd_kms(int argc, char **argv);
int cmd_log(int argc, char **argv);
int cmd_mr(int argc, char **argv);
int cmd_policy(int argc, char **argv);
int cmd_quote(int argc, char **argv);
int cmd_replay(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_seal(int argc, char **argv);
int cmd_state(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_unseal(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_volume(int argc, char **argv);
int cmd_why(int argc, char **argv);

/*
 * "dstackctl: <message>" on stderr; the second appends ": <strerror>", @err
 * positive or negative.  Errors of libdstack_*() were printed already, through
 * the message callback, when the function returns.
 */
void error_msg(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void error_msg_errno(int err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* What dstackctl sets as the library's message callback. */
void library_message(const char *message);

/* "See 'dstackctl <command> --help'" on stderr.  Returns EXIT_USAGE. */
int usage_hint(const char *command);

/* True if @text is exactly 2 * @len hex digits. */
static inline bool hex_decode(const char *text, void *out, size_t len)
{
	return libdstack_from_hex(text, strlen(text), out, len);
}

/*
 * The whole file ("-": stdin), at most @max bytes, NUL-terminated behind its
 * @len bytes, for free().  Returns 0 or -errno, after an error message.
 */
int read_file(const char *path, size_t max, void **buf, size_t *len);
/* Without a message. */
int write_all(int fd, const void *buf, size_t len);
/* Creates or replaces @path ("-": stdout).  Returns 0 or -errno, as above. */
int write_file(const char *path, const void *buf, size_t len);

/*
 * What 'dstackctl why' prints.  @rootfs and @id may be NULL.  Returns 0 or
 * -errno, after an error message.
 */
int explain_verdict(FILE *out, const char *path, const char *rootfs,
		    const char *id);

/* Appends all to @array, a JSON array, or prints a table if that is NULL. */
typedef int (*list_fn)(struct libdstack_control *control, void *array);
/* "dstackctl <command> list [--json]".  Returns the exit status. */
int list_command(int argc, char **argv, const char *command, list_fn list);

/* These append it to @arg, a JSON array.  Return 0 or -ENOMEM. */
int append_device(const struct libdstack_device *device, void *arg);
int append_root(const struct libdstack_root *root, void *arg);

/* Prints bytes of unknown origin so that no terminal obeys them. */
void print_safe(FILE *out, const void *data, size_t len);

#endif /* DSTACKCTL_H */
