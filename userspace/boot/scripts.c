// SPDX-License-Identifier: MIT
/*
 * The application's init scripts, after it was measured and before containers
 *
 * Copyright The dstack for Linux authors
 *
 * Each is run once in a boot of the machine, in the order of app-compose.json,
 * and as root outside of every container: it is the state of the machine that
 * says what it may do, so that one is set before.  Which have been run stands
 * beside the application's files, in memory.
 */
#include "boot.h"

#include <errno.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scripts.h"

#define DONE		".init-done"	/* hashes, a line each */
#define SCRIPT		".init-script"
#define LINE		(2 * APP_HASH_SIZE + 1)
#define DONE_MAX	(APP_INIT_SCRIPTS_MAX * LINE)

/* Whether line @at is this one. */
static bool was_run(const char *done, size_t len, size_t at, const char *line)
{
	return len >= (at + 1) * LINE && !memcmp(done + at * LINE, line, LINE);
}

static int read_done(struct boot *boot, char done[DONE_MAX], size_t *len)
{
	char *text;
	int err = directory_read(boot, DONE, DONE_MAX, &text, len);

	if (err) {
		*len = 0;
		return err == -ENOENT ? 0 : err;
	}
	memcpy(done, text, *len);
	free(text);
	return 0;
}

static int judge(size_t nr, int status)
{
	if (!status)
		return 0;
	if (status == -ETIMEDOUT)
		return boot_fail(status, "init_script %zu did not end within %d s, and was ended: no container is started",
				 nr, SCRIPT_S);
	if (status == -ENOENT)
		return boot_fail(status, "init_script %zu needs bash, which is not here: install it",
				 nr);
	if (status == -EACCES || status == -EPERM)
		return boot_fail(status, "init_script %zu: bash may not run: a locked machine's policy has to approve of it for section 'host' ('dstackctl log' shows what was denied)",
				 nr);
	if (status < 0)
		return boot_fail(status, "init_script %zu can't be run: %s",
				 nr, strerror(-status));
	return boot_fail(-ECHILD, "init_script %zu ended with status %d: no container is started; what it said stands above",
			 nr, status);
}

static int run_one(struct boot *boot, size_t nr, const char *text)
{
	struct script script = {
		.seconds = SCRIPT_S * boot->opt->time_scale, .nr = nr,
	};
	int err = directory_write(boot, SCRIPT, text, strlen(text));

	if (err)
		return err;
	if (asprintf(&script.file, "%s/" SCRIPT, boot->opt->dir) < 0)
		return -ENOMEM;
	if (asprintf(&script.dir, "%s/..", boot->opt->dir) < 0) {
		free(script.file);
		return -ENOMEM;
	}
	boot_say("init_script %zu runs", nr);
	err = judge(nr, script_run(&script));
	unlinkat(boot->dir, SCRIPT, 0);
	free(script.file);
	free(script.dir);
	return err;
}

/* Ended before it was noted, it is run again. */
static int note(struct boot *boot, char *done, size_t at, const char *line)
{
	memcpy(done + at * LINE, line, LINE);
	return directory_write(boot, DONE, done, (at + 1) * LINE);
}

int scripts_run(struct boot *boot)
{
	char *const *texts = boot->compose->init_scripts;
	char done[DONE_MAX], line[LINE];
	uint8_t digest[APP_HASH_SIZE];
	size_t i, len;
	int err = read_done(boot, done, &len);

	for (i = 0; !err && i < APP_INIT_SCRIPTS_MAX && texts[i]; i++) {
		SHA256((const uint8_t *)texts[i], strlen(texts[i]), digest);
		libdstack_to_hex(digest, sizeof(digest), line);
		line[LINE - 1] = '\n';
		if (was_run(done, len, i, line))
			boot_say("init_script %zu was run before", i + 1);
		else
			err = run_one(boot, i + 1, texts[i]) ?:
				note(boot, done, i, line);
	}
	return err;
}
