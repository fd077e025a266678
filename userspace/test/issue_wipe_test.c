// SPDX-License-Identifier: MIT
/*
 * What is left of an epoch's secrets once they are wiped: nothing
 *
 * Copyright The dstack for Linux authors
 *
 * Another process draws the roots and says what comes of them, in disguise.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/wait.h>

#include "issue_fixture.h"
#include "memory_fixture.h"

/* Roots, keys, and the numbers that the key of a disk and a CA come of. */
enum { CA, K256, TEMP_CA, DISK, ENV, APP_KEY, DISK_NUMBER, APP_CA, SECRETS };

/*
 * The first bytes, all of them from the end, as OpenSSL has numbers, and those
 * first bytes in PEM, where they begin a group.
 */
#define FORMS		3
#define FIRST		12

static struct needle wanted[SECRETS * FORMS], numbers[3];
static EVP_PKEY *key;

static void want(size_t which, const uint8_t secret[32])
{
	struct needle *form = &wanted[FORMS * which];
	uint8_t reversed[32], text[32];
	size_t i;

	for (i = 0; i < 32; i++)
		reversed[i] = secret[31 - i];
	EVP_EncodeBlock(text, secret, FIRST);
	form[0] = needle_of(secret, FIRST);
	form[1] = needle_of(reversed, 32);
	form[2] = needle_of(text, 4 * FIRST / 3);
}

static struct libdstack_id instance(void)
{
	struct libdstack_id id = { .len = 20 };

	memcpy(id.data, INSTANCE, 20);
	return id;
}

static void want_number(size_t which, const char *purpose,
			const struct libdstack_id *id)
{
	const struct part context[] = {
		{ APP, 20 }, { id->data, id->len }, issue_text(purpose),
	};
	uint8_t number[32];

	assert_int_equal(p256_derive(roots.ca, context, 3, number), 0);
	want(which, number);
}

/* Of the child, whose memory is not looked at. */
static void draw(int fd)
{
	const struct libdstack_id id = instance(), none = { .len = 0 };
	struct issue_app_keys keys;

	assert_int_equal(issue_roots_new(&roots), 0);
	issue = open_new(&roots, NOW);
	assert_int_equal(issue_app_keys(issue, APP, &id, &keys), 0);
	want(CA, roots.ca);
	want(K256, roots.k256);
	want(TEMP_CA, roots.temp_ca);
	want(DISK, keys.disk);
	want(ENV, keys.env);
	want(APP_KEY, keys.k256);
	want_number(DISK_NUMBER, "app-disk-crypt-key", &id);
	want_number(APP_CA, "app-ca", &none);
	numbers[0] = needle_of(roots.ca, 32);
	numbers[1] = needle_of(roots.k256, 32);
	numbers[2] = needle_of(roots.temp_ca, 32);
	_exit(write(fd, wanted, sizeof(wanted)) != sizeof(wanted) ||
	      write(fd, numbers, sizeof(numbers)) != sizeof(numbers));
}

static int setup(void **state)
{
	int pipes[2], status;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	if (!pid)
		draw(pipes[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(read(pipes[0], wanted, sizeof(wanted)),
			 sizeof(wanted));
	assert_int_equal(read(pipes[0], numbers, sizeof(numbers)),
			 sizeof(numbers));
	key = EVP_EC_gen("P-256");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	EVP_PKEY_free(key);
	return 0;
}

static int copies(void)
{
	return count_copies(wanted, SECRETS * FORMS);
}

static void unwrap(const struct needle *needle, uint8_t out[32])
{
	size_t i;

	for (i = 0; i < 32; i++)
		out[i] = needle->bytes[i] ^ DISGUISE;
}

static void open_wanted(void)
{
	unwrap(&numbers[0], roots.ca);
	unwrap(&numbers[1], roots.k256);
	unwrap(&numbers[2], roots.temp_ca);
	issue = open_new(&roots, NOW);
	issue_roots_wipe(&roots);
}

static void sign(void)
{
	struct libdstack_identity identity = { .app_id.len = 20 };
	struct libdstack_attestation attestation = { .memory = NULL };
	struct libdstack_csr csr = { .version = 2 };
	const struct issue_request request = { &csr, &attestation, &identity };
	struct issue_chain chain;
	uint8_t *spki = NULL;

	memcpy(identity.app_id.data, APP, 20);
	csr.pubkey.len = i2d_PUBKEY(key, &spki);
	csr.pubkey.data = spki;
	assert_int_equal(issue_sign(issue, &request, NOW, &chain, &why), 0);
	issue_chain_free(&chain);
	OPENSSL_free(spki);
}

static void issue_all(struct issue_app_keys *keys)
{
	const struct libdstack_span none = { NULL, 0 };
	const struct libdstack_id id = instance();
	struct key_succession record;
	struct issue_env_key env;
	char *pem = issue_key(issue, ISSUE_ROOT_CA);

	assert_true(count_copies(&wanted[FORMS * CA + 2], 1));
	OPENSSL_cleanse(pem, strlen(pem));
	free(pem);

	assert_int_equal(issue_app_keys(issue, APP, &id, keys), 0);
	assert_int_equal(issue_env_key(issue, APP, NOW, &env), 0);
	assert_int_equal(issue_rpc_cert(issue, key, "kms.test", &none, NOW,
					&pem, &why), 0);
	free(pem);
	sign();
	assert_int_equal(issue_succession_make(issue, 1, issue_public(issue),
					       &record), 0);
}

static void nothing_is_left_of_an_epoch_that_was_closed(void **state)
{
	struct issue_app_keys keys;

	(void)state;
	assert_int_equal(copies(), 0);
	open_wanted();
	issue_all(&keys);
	/* Which shows that they would be found: roots, and keys. */
	assert_true(copies() >= 6);
	issue_app_keys_wipe(&keys);
	issue_close(issue);
	assert_int_equal(copies(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_left_of_an_epoch_that_was_closed),
	};

	return cmocka_run_group_tests_name("issue_wipe", tests, setup,
					   teardown);
}
