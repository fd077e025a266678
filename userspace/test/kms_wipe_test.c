// SPDX-License-Identifier: MIT
/*
 * What is left of keys once they are wiped: nothing, anywhere in memory
 *
 * Copyright The dstack for Linux authors
 *
 * The KMS is another process: what to look for comes from it in disguise.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kms_fixture.h"
#include "memory_fixture.h"

#define KEYS		3
#define FORMS		2		/* bytes, and hex digits */

struct wanted {
	char url[128];
	struct needle form[KEYS * FORMS];
};

static struct wanted wanted;
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
	size_t i;

	memcpy(instance.data, alice.instance, 20);
	stand_in_need(!issue_app_keys(who->roots.issue, (const uint8_t *)APP,
				      &instance, &keys_of));
	snprintf(wanted.url, sizeof(wanted.url), "%s", who->url);
	for (i = 0; i < KEYS; i++) {
		libdstack_to_hex(key[i], 32, hex);
		wanted.form[FORMS * i] = needle_of(key[i], 32);
		wanted.form[FORMS * i + 1] = needle_of(hex, 64);
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
	assert_true(count_copies(wanted.form, KEYS * FORMS) >= KEYS);
	kms_app_keys_wipe(&keys_had);
	return count_copies(wanted.form, KEYS * FORMS);
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
