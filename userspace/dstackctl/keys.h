/* SPDX-License-Identifier: MIT */
/*
 * What the commands share that name keys, and that handle secrets
 *
 * Copyright The dstack for Linux authors
 */
#ifndef KEYS_H
#define KEYS_H

#include "dstackctl.h"

/*
 * --scope, --purpose, --epoch, --deliver and --keyring, each by its first
 * letter, and --kind by 'K'.  False if @arg is wrong, after a message, or @c
 * is none of them.
 */
bool set_key_option(int c, const char *arg, struct libdstack_key *key);

/* key_root.c: 'key load' and 'key revoke' */
int key_load(int argc, char **argv);
int key_revoke(int argc, char **argv);

/*
 * To a new file that only its owner may read, or, if @path is NULL, to
 * standard output.  Returns 0 or -errno, after an error message.
 */
int write_secret(const char *path, const void *secret, size_t len);

#endif /* KEYS_H */
