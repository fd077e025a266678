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

#include "../keys/p256.h"
#include "kms_fixture.h"
#include "memory_fixture.h"

#define KEYS		3		/* of an application, */
#define ROOTS		2		/* and the roots, behind them */
/* Bytes, from the end as OpenSSL has numbers, and in hex digits or PEM. */
#define FORMS		3
#define FIRST		12		/* they begin a group of PEM */

struct wanted {
	char url[128];
	struct needle form[(KEYS + ROOTS) * FORMS];
};

static struct wanted wanted;
static pid_t server;

static void want(size_t which, const uint8_t secret[32], const char *text)
{
	struct needle *form = &wanted.form[FORMS * which];
	uint8_t reversed[32];
	size_t i;

	for (i = 0; i < 32; i++)
		reversed[i] = secret[31 - i];
	form[0] = needle_of(secret, 32);
	form[1] = needle_of(reversed, 32);
	form[2] = needle_of(text, strlen(text));
}

static void want_roots(const struct stand_in_roots *roots)
{
	uint8_t scalar[32], text[4 * FIRST / 3 + 1];
	char hex[65];

	stand_in_need(!p256_scalar(roots->ca_key, scalar));
	EVP_EncodeBlock(text, scalar, FIRST);
	want(KEYS, scalar, (const char *)text);
	want(KEYS + 1, roots->k256, libdstack_to_hex(roots->k256, 32, hex));
}

/* Of the child, whose memory is not looked at. */
static void serve(int fd)
{
	struct stand_in_config config = {
		.seed = "wiped", .epochs = 1,
		.attest = find_mkpki() ? attest_kms : NULL,
	};
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
	for (i = 0; i < KEYS; i++)
		want(i, key[i], libdstack_to_hex(key[i], 32, hex));
	want_roots(&who->roots);
	stand_in_need(write(fd, &wanted, sizeof(wanted)) == sizeof(wanted));
	for (;;)
		pause();
}

static int setup(void **state)
{
	int pipes[2];

	(void)state;
	/* Both sides have the same platform. */
	if (find_mkpki())
		need_guests();
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
	return guests_teardown(state);
}

static int copies_of_keys(void)
{
	return count_copies(wanted.form, KEYS * FORMS);
}

static int copies_of_roots(void)
{
	return count_copies(wanted.form + KEYS * FORMS, ROOTS * FORMS);
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

	assert_int_equal(kms_get_app_keys(&ask, KMS_EPOCH_OLDEST,
					  &keys_had), 0);
	/* Which shows that they would be found. */
	assert_true(copies_of_keys() >= KEYS);
	kms_app_keys_wipe(&keys_had);
	return copies_of_keys();
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

static int allow(const struct libdstack_peer *peer, void *arg,
		 struct libdstack_failure *failure)
{
	(void)peer;
	(void)arg;
	(void)failure;
	return 0;
}

/* The temporary CA's key is none of them: everybody may have it. */
static void nothing_is_left_of_roots_that_were_wiped(void **state)
{
	const char *const only[] = { wanted.url };
	const struct kms ask = {
		.urls = only, .nr = 1, .vm_config = "{}", .attest = attest_app,
		.tell = note, .trust = &trust,
	};
	struct kms_roots roots;

	(void)state;
	need_guests();
	assert_int_equal(kms_get_roots(&ask, allow, NULL, &roots), 0);
	assert_true(copies_of_roots() >= ROOTS);
	kms_roots_wipe(&roots);
	assert_int_equal(copies_of_roots(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_kms_init_curl_leaves_copies),
		cmocka_unit_test(nothing_is_left_of_keys_that_were_wiped),
		cmocka_unit_test(nothing_is_left_of_roots_that_were_wiped),
	};

	return cmocka_run_group_tests_name("kms_wipe", tests, setup, teardown);
}
