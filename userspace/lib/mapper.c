// SPDX-License-Identifier: MIT
/*
 * What a table of device-mapper vouches for
 *
 * Copyright The dstack for Linux authors
 *
 * Documentation/admin-guide/device-mapper of the kernel has the tables of these
 * targets.  What they call optional can take back what the target promises, so
 * it is looked at as well.
 */
#include "lib.h"
#include "mapper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX	64

/* What is fixed in a table, and where the number of options stands. */
#define VERITY_DIGEST	8
#define VERITY_OPTIONS	10
#define CRYPT_OPTIONS	5
#define INTEGRITY_MODE	3
#define INTEGRITY_OPTIONS 4

struct words {
	char *word[WORDS_MAX];
	size_t nr;
};

/* False if there are more than any of these tables has. */
static bool split(char *text, struct words *words)
{
	char *state = NULL;
	char *word;

	words->nr = 0;
	for (word = strtok_r(text, " ", &state); word;
	     word = strtok_r(NULL, " ", &state)) {
		if (words->nr == WORDS_MAX)
			return false;
		words->word[words->nr++] = word;
	}
	return true;
}

/* The first option from @at on that begins with @text. */
static const char *option(const struct words *words, size_t at,
			  const char *text)
{
	for (; at < words->nr; at++)
		if (!strncmp(words->word[at], text, strlen(text)))
			return words->word[at];
	return NULL;
}

static int refuse(const char *type, const char *why)
{
	dstack_message("this device of dm-%s does not count: %s", type, why);
	return -EBADMSG;
}

static int judge_verity(const struct words *words,
			struct libdstack_device *device)
{
	const char *digest;
	size_t len;

	if (words->nr < VERITY_OPTIONS)
		return refuse("verity", "its table is not understood");
	digest = words->word[VERITY_DIGEST];
	len = strlen(digest) / 2;
	if (len < DSTACK_ROOT_MIN || len > DSTACK_ROOT_MAX ||
	    !libdstack_from_hex(digest, strlen(digest), device->root, len))
		return refuse("verity", "its root hash has not 32 to 64 bytes");
	if (option(words, VERITY_OPTIONS, "ignore_corruption"))
		return refuse("verity", "it has ignore_corruption, and returns what it found to be wrong");
	if (option(words, VERITY_OPTIONS, "check_at_most_once"))
		return refuse("verity", "it has check_at_most_once, and does not check what is read again");
	device->root_len = len;
	device->storage = DSTACK_STORAGE_DMVERITY;
	return 0;
}

static int judge_crypt(const struct words *words,
		       struct libdstack_device *device)
{
	const char *integrity = option(words, CRYPT_OPTIONS, "integrity:");
	const char *by = integrity ? strrchr(integrity, ':') : NULL;

	if (!by || !strcmp(by, ":none"))
		return refuse("crypt", "it encrypts, but does not authenticate");
	device->storage = DSTACK_STORAGE_AUTHENTICATED;
	return 0;
}

static int judge_integrity(const struct words *words,
			   struct libdstack_device *device)
{
	const char *mode;

	if (words->nr < INTEGRITY_OPTIONS)
		return refuse("integrity", "its table is not understood");
	mode = words->word[INTEGRITY_MODE];
	if (strcmp(mode, "J") && strcmp(mode, "D") && strcmp(mode, "I"))
		return refuse("integrity", "its mode does not check every sector");
	if (!option(words, INTEGRITY_OPTIONS, "internal_hash:hmac("))
		return refuse("integrity", "it has no key: whoever writes the disk can compute its tags");
	if (option(words, INTEGRITY_OPTIONS, "recalculate") ||
	    option(words, INTEGRITY_OPTIONS, "reset_recalculate") ||
	    option(words, INTEGRITY_OPTIONS, "legacy_recalculate"))
		return refuse("integrity", "it recalculates tags of what it did not check");
	if (option(words, INTEGRITY_OPTIONS, "allow_discards"))
		return refuse("integrity", "it allows discards, and does not check what was discarded");
	device->storage = DSTACK_STORAGE_AUTHENTICATED;
	return 0;
}

int dstack_mapper_judge(const char *type, char *params,
			struct libdstack_device *device)
{
	size_t len = strlen(params);
	struct words words;
	int err;

	device->root_len = 0;
	if (!split(params, &words))
		err = refuse(type, "its table is not understood");
	else if (!strcmp(type, "verity"))
		err = judge_verity(&words, device);
	else if (!strcmp(type, "crypt"))
		err = judge_crypt(&words, device);
	else if (!strcmp(type, "integrity"))
		err = judge_integrity(&words, device);
	else
		err = refuse(type, "only dm-verity, dm-crypt and dm-integrity check what they read");
	explicit_bzero(params, len);
	return err;
}
