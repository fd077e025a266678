// SPDX-License-Identifier: MIT
/*
 * What is kept from one start to the next, and metrics
 *
 * Copyright The dstack for Linux authors
 *
 * In memory, as what the module knows is: both end with the machine.
 */
#include "follow.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BLOCK		"follow.block"
#define METRICS		"follow.prom"
#define NEW		".follow.new"
#define BLOCK_MAX	32
#define METRICS_MAX	2048

static int write_all(int fd, const char *text)
{
	size_t left = strlen(text);
	ssize_t n;

	for (; left; text += n, left -= (size_t)n) {
		n = write(fd, text, left);
		if (n < 0)
			return -errno;
	}
	return 0;
}

int record_replace(int dir, const char *name, const char *text)
{
	int fd, err;

	if (unlinkat(dir, NEW, 0) && errno != ENOENT)
		return -errno;
	fd = openat(dir, NEW, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC |
		    O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	err = write_all(fd, text);
	if (close(fd) && !err)
		err = -errno;
	if (!err && renameat(dir, NEW, dir, name))
		err = -errno;
	if (err)
		unlinkat(dir, NEW, 0);
	return err;
}

int record_read_block(int run, uint64_t *block)
{
	char *text;
	size_t len;
	int err;

	*block = 0;
	err = app_file_read(run, BLOCK, BLOCK_MAX, &text, &len, follow_tell);
	if (err)
		return err == -ENOENT ? 0 : err;
	text[strcspn(text, "\n")] = '\0';
	if (!libdstack_parse_u64(text, UINT64_MAX, block)) {
		follow_say("'" BLOCK "' is no number of a block");
		err = -EBADMSG;
	}
	free(text);
	return err;
}

static void put(char *text, const char *name, const char *type,
		const char *help, uint64_t value)
{
	size_t len = strlen(text);

	snprintf(text + len, METRICS_MAX - len,
		 "# HELP dstack_follow_%s %s\n# TYPE dstack_follow_%s %s\n"
		 "dstack_follow_%s %" PRIu64 "\n", name, help, name, type,
		 name, value);
}

int record_write(const struct follow *follow,
		 const struct kms_app_state *state)
{
	char block[BLOCK_MAX], text[METRICS_MAX] = "";

	put(text, "block", "gauge", "the newest block that was seen",
	    follow->view.block);
	put(text, "withdrawn", "gauge", "1: containers may run nothing",
	    follow->module.withdrawn);
	put(text, "policy_epoch", "gauge", "of the active policy",
	    follow->module.epoch);
	put(text, "key_epoch", "gauge", "that new keys are of",
	    follow->epochs.next);
	put(text, "answers_total", "counter", "of KMSs", follow->answers);
	put(text, "failures_total", "counter", "looks without an answer",
	    follow->failures);
	put(text, "withdrawals_total", "counter", "policies taken away",
	    follow->withdrawals);
	put(text, "loads_total", "counter", "policies that came into force",
	    follow->loads);
	if (state)
		put(text, "answered_seconds", "gauge",
		    "when a KMS answered last", (uint64_t)time(NULL));
	snprintf(block, sizeof(block), "%" PRIu64 "\n", follow->view.block);
	return record_replace(follow->run, BLOCK, block) ?:
		record_replace(follow->run, METRICS, text);
}
