// SPDX-License-Identifier: MIT
/*
 * Options that name a key, and secrets on their way out
 *
 * Copyright The dstack for Linux authors
 *
 * Nothing here goes through stdio, which would keep a copy.
 */
#include "keys.h"
#include "words.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <unistd.h>

/* Which bit of @all has this name. */
static bool parse_bit(const char *option, const char *text, uint32_t all,
		      const char *(*name)(uint32_t bit), uint32_t *bit)
{
	uint32_t i;

	for (i = 1; i & all; i <<= 1) {
		if (strcmp(text, name(i)) != 0)
			continue;
		*bit = i;
		return true;
	}
	error_msg("--%s can't be '%s'; it is one of:", option, text);
	for (i = 1; i & all; i <<= 1)
		fprintf(stderr, "  %s\n", name(i));
	return false;
}

static bool parse_keyring(const char *text, int32_t *keyring)
{
	if (!strcmp(text, "session"))
		*keyring = KEY_SPEC_SESSION_KEYRING;
	else if (!strcmp(text, "process"))
		*keyring = KEY_SPEC_PROCESS_KEYRING;
	else if (!strcmp(text, "thread"))
		*keyring = KEY_SPEC_THREAD_KEYRING;
	else
		error_msg("--keyring is session, process or thread, not '%s'",
			  text);
	return *keyring;
}

static bool set_epoch(const char *arg, struct libdstack_key *key)
{
	key->flags |= DSTACK_KEY_F_EPOCH;
	if (libdstack_parse_u64(arg, UINT64_MAX, &key->epoch))
		return true;
	error_msg("--epoch must be a number, not '%s'", arg);
	return false;
}

bool set_key_option(int c, const char *arg, struct libdstack_key *key)
{
	uint32_t bit;

	switch (c) {
	case 'k':
		key->keyring = 0;
		return parse_keyring(arg, &key->keyring);
	case 's':
		if (!parse_bit("scope", arg, __DSTACK_SCOPE_ALL,
			       dstack_key_scope_name, &bit))
			return false;
		key->scope = bit;
		return true;
	case 'd':
		if (!parse_bit("deliver", arg, __DSTACK_DELIVER_ALL,
			       dstack_key_delivery_name, &bit))
			return false;
		key->delivery = bit;
		return true;
	case 'K':
		if (!parse_bit("kind", arg, __DSTACK_KEY_KIND_ALL,
			       dstack_key_kind_name, &bit))
			return false;
		key->kind = bit;
		return true;
	case 'p':
		key->purpose = arg;
		key->purpose_len = strlen(arg);
		return true;
	case 'e':
		return set_epoch(arg, key);
	default:
		return false;
	}
}

int write_secret(const char *path, const void *secret, size_t len)
{
	int fd, err;

	fd = path ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) :
		    STDOUT_FILENO;
	if (fd < 0) {
		err = -errno;
		error_msg_errno(err, "can't create '%s'", path);
		return err;
	}
	err = write_all(fd, secret, len);
	if (path && close(fd) && !err)
		err = -errno;
	if (err && path)
		unlink(path);
	if (err)
		error_msg_errno(err, "can't write %s",
				path ?: "to standard output");
	return err;
}
