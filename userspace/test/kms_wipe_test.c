// SPDX-License-Identifier: MIT
/*
 * What is left of keys once they are wiped: nothing, anywhere in memory
 *
 * Copyright The dstack for Linux authors
 *
 * The KMS is another process.  What to look for comes from it in disguise, so
 * that looking for it puts no copy there.  Memory that was freed counts: the
 * sanitizer keeps it as it was.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kms_fixture.h"

#define DISGUISE	0x5a
#define CHUNK		65536
#define LARGE		(64UL << 20)	/* regions that are the sanitizer's */
#define KEYS		3
#define FORMS		2		/* bytes, and hex digits */

struct wanted {
	char url[128];
	uint8_t form[KEYS][FORMS][64];	/* in disguise */
};

static struct wanted wanted;
static uint8_t chunk[CHUNK];
static pid_t server;

/* Of the child, whose memory is not looked at. */
static void serve(int fd)
{
	struct stand_in_config config = { .seed = "wiped", };
	struct libdstack_id instance = { .len = 20 };
	struct issue_app_keys keys_of;
	struct stand_in_kms *who = stand_in_start(&config);
	const uint8_t *key[KEYS] = { keys_of.disk, keys_of.env, keys_of.k256 };
	char hex[65];
	size_t i, j;

	memcpy(instance.data, alice.instance, 20);
	stand_in_need(!issue_app_keys(who->roots.issue, (const uint8_t *)APP,
				      &instance, &keys_of));
	snprintf(wanted.url, sizeof(wanted.url), "%s", who->url);
	for (i = 0; i < KEYS; i++) {
		libdstack_to_hex(key[i], 32, hex);
		for (j = 0; j < 64; j++) {
			wanted.form[i][0][j] = key[i][j % 32] ^ DISGUISE;
			wanted.form[i][1][j] = hex[j] ^ DISGUISE;
		}
	}
	stand_in_need(write(fd, &wanted, sizeof(wanted)) == sizeof(wanted));
	for (;;)
		pause();
}

static int setup(void **state)
{
	int pipes[2];

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	server = fork();
	if (!server) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(pipes[1]);
	}
	assert_int_equal(read(pipes[0], &wanted, sizeof(wanted)),
			 sizeof(wanted));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	return 0;
}

static bool is_form(const uint8_t *at, const uint8_t *form, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if ((at[i] ^ DISGUISE) != form[i])
			return false;
	return true;
}

/* How often it is in the chunk, beginning before @end. */
static int count_in_chunk(const uint8_t *form, size_t len, size_t end,
			  size_t have)
{
	int nr = 0;
	size_t i;

	for (i = 0; i < end && i + len <= have; i++)
		nr += chunk[i] == (form[0] ^ DISGUISE) &&
			is_form(chunk + i, form, len);
	return nr;
}

/* @mem: without the sanitizer's leave.  Forms may go over a chunk's end. */
static int count_in_region(int mem, unsigned long from, unsigned long to)
{
	size_t step = CHUNK - 64, i, j;
	unsigned long at;
	int nr = 0;
	ssize_t n;

	for (at = from; at < to; at += step) {
		if (at < (unsigned long)chunk + CHUNK &&
		    at + CHUNK > (unsigned long)chunk)
			continue;
		n = pread(mem, chunk, to - at < CHUNK ? to - at : CHUNK,
			  (off_t)at);
		for (i = 0; n > 0 && i < KEYS; i++)
			for (j = 0; j < FORMS; j++)
				nr += count_in_chunk(wanted.form[i][j],
						     32 << j, step, n);
	}
	return nr;
}

/* Copies of any of the keys, in whatever this process can write to. */
static int count_copies(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	int mem = open("/proc/self/mem", O_RDONLY), nr = 0, got;
	unsigned long from, to;
	char line[512], mode[5];

	assert_true(maps && mem >= 0);
	while (fgets(line, sizeof(line), maps)) {
		got = sscanf(line, "%lx-%lx %4s", &from, &to, mode);
		assert_int_equal(got, 3);
		if (mode[1] == 'w' && to - from < LARGE)
			nr += count_in_region(mem, from, to);
	}
	fclose(maps);
	close(mem);
	explicit_bzero(chunk, sizeof(chunk));
	return nr;
}

/* As many copies as are left afterwards. */
static int get_and_wipe(void)
{
	const char *const only[] = { wanted.url };
	const struct kms ask = {
		.urls = only, .nr = 1, .vm_config = "{}", .attest = attest_app,
		.tell = note,
	};
	struct kms_app_keys keys_had;

	assert_int_equal(kms_get_app_keys(&ask, &keys_had), 0);
	/* Which shows that they would be found. */
	assert_true(count_copies() >= KEYS);
	kms_app_keys_wipe(&keys_had);
	return count_copies();
}

/* In another process: what curl begins with it has for ever. */
static void without_kms_init_curl_leaves_copies(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	if (!pid)
		_exit(get_and_wipe() > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
}

static void nothing_is_left_of_keys_that_were_wiped(void **state)
{
	(void)state;
	assert_int_equal(kms_init(), 0);
	assert_int_equal(get_and_wipe(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_kms_init_curl_leaves_copies),
		cmocka_unit_test(nothing_is_left_of_keys_that_were_wiped),
	};

	return cmocka_run_group_tests_name("kms_wipe", tests, setup, teardown);
}
