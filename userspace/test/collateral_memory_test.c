// SPDX-License-Identifier: MIT
/*
 * Collateral in memory is asked for once in a while, and shared
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>

#include "dcap/source.h"
#include "pccs_fixture.h"

#define DAY		86400
#define AT_ONCE		8
#define ROUNDS		50
#define TEXTS		200

static struct libdstack_collateral_source source;
static struct libdstack_failure failure;
static struct libdstack_collateral *got;
static char url[64];

/* A service that works, and nothing kept in files. */
static int setup(void **state)
{
	(void)state;
	make(4, 0);
	pccs_start();
	pccs_use("base");
	pccs.mode = PCCS_GOOD;
	pccs.delay_ms = 0;
	pccs.requests = 0;
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/", pccs.port);
	memset(&source, 0, sizeof(source));
	source.url = url;
	source.timeout_ms = 10000;
	source.root = root;
	source.root_len = root_len;
	return 0;
}

static struct libdstack_collateral_memory *memory;

static int find_at(time_t now)
{
	int err;

	libdstack_collateral_free(got);
	got = NULL;
	err = libdstack_collateral_find(memory, f.data, f.len, now, &got,
					&failure);
	assert_true(!err == !!got);
	return err;
}

static void open_memory(void)
{
	assert_int_equal(libdstack_collateral_memory_open(&source, &memory), 0);
}

static void close_memory(void)
{
	libdstack_collateral_memory_close(memory);
	/* Who has it keeps it. */
	assert_int_equal(libdstack_quote_verify(f.data, f.len, got, root,
						root_len, time(NULL),
						&verdict), 0);
}

static void memory_asks_once_in_a_while(void **state)
{
	time_t now = time(NULL);
	int i;

	(void)state;
	open_memory();
	for (i = 0; i < ROUNDS; i++)
		assert_int_equal(find_at(now + i), 0);
	assert_int_equal(pccs.requests, 4);
	assert_int_equal(find_at(now + LIBDSTACK_COLLATERAL_ASK_S), 0);
	assert_int_equal(pccs.requests, 8);
	close_memory();
}

static void memory_serves_while_the_service_is_down(void **state)
{
	time_t now = time(NULL);

	(void)state;
	open_memory();
	assert_int_equal(find_at(now), 0);
	pccs.mode = PCCS_GOOD + 1;
	source.timeout_ms = 700;
	assert_int_equal(find_at(now + LIBDSTACK_COLLATERAL_ASK_S), 0);
	close_memory();
}

static void memory_has_nothing_that_expired(void **state)
{
	time_t now = time(NULL);

	(void)state;
	open_memory();
	assert_int_equal(find_at(now), 0);
	assert_true(find_at(now + 9000L * DAY) < 0);
	assert_int_equal(find_at(now), 0);
	close_memory();
}

static void *find_one(void *result)
{
	struct libdstack_collateral *one = NULL;
	struct libdstack_failure why;
	int *err = result;

	*err = libdstack_collateral_find(memory, f.data, f.len, time(NULL),
					 &one, &why);
	libdstack_collateral_free(one);
	return NULL;
}

static void find_at_once(int err[AT_ONCE])
{
	pthread_t threads[AT_ONCE];
	int i;

	for (i = 0; i < AT_ONCE; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, find_one,
						&err[i]), 0);
	for (i = 0; i < AT_ONCE; i++)
		pthread_join(threads[i], NULL);
}

static void memory_asks_once_for_all_that_wait(void **state)
{
	int err[AT_ONCE], i;

	(void)state;
	open_memory();
	pccs.delay_ms = 200;
	find_at_once(err);
	for (i = 0; i < AT_ONCE; i++)
		assert_int_equal(err[i], 0);
	assert_int_equal(pccs.requests, 4);
	assert_int_equal(find_at(time(NULL)), 0);
	close_memory();
}

static void failure_is_that_of_all_that_wait(void **state)
{
	struct timespec before, end;
	int err[AT_ONCE], i;

	(void)state;
	open_memory();
	pccs.delay_ms = 2000;
	source.timeout_ms = 700;
	clock_gettime(CLOCK_MONOTONIC, &before);
	find_at_once(err);
	clock_gettime(CLOCK_MONOTONIC, &end);
	for (i = 0; i < AT_ONCE; i++)
		assert_int_equal(err[i], -ENODATA);
	/* Not one after the other. */
	assert_true(end.tv_sec - before.tv_sec < AT_ONCE / 2);
	libdstack_collateral_memory_close(memory);
}

static void memory_finds_nothing_for_what_is_no_quote(void **state)
{
	uint8_t zeros[64] = { 0 };

	(void)state;
	open_memory();
	assert_int_equal(libdstack_collateral_find(memory, zeros,
						   sizeof(zeros), time(NULL),
						   &got, &failure),
			 -EOPNOTSUPP);
	assert_int_equal(pccs.requests, 0);
	libdstack_collateral_memory_close(memory);
}

/* The same certificates, in another text. */
static void add_lines(size_t nr)
{
	memset(f.data + f.len - 1, '\n', nr + 1);
	f.len += nr;
	put_le(f.data + f.chain_cert + 2, f.len - f.chain, 4);
	put_le(f.data + f.qe_cert + 2, f.len - f.qe_report, 4);
	put_le(f.data + f.sig_len, f.len - f.signature, 4);
}

/* What is remembered of certificates is of that very text, and of TDs. */
static void memory_tells_texts_of_certificates_apart(void **state)
{
	time_t now = time(NULL);
	int i;

	(void)state;
	open_memory();
	assert_int_equal(find_at(now), 0);
	f.data[f.chain + f.len / 2 - f.chain / 2] ^= 1;
	assert_int_equal(find_at(now), -EBADMSG);
	make(4, 0);
	assert_int_equal(find_at(now), 0);
	assert_int_equal(pccs.requests, 4);
	make_body(3, FIXTURE_SGX);
	find_at(now);
	assert_true(pccs.requests > 4);
	/* More than are remembered. */
	for (i = 0; i < TEXTS; i++) {
		make(4, 0);
		add_lines(i);
		assert_int_equal(find_at(now), 0);
	}
	make(4, 0);
	assert_int_equal(find_at(now), 0);
	close_memory();
}

static int teardown(void **state)
{
	libdstack_collateral_free(got);
	pccs_stop();
	return pki_teardown(state);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(memory_asks_once_in_a_while),
		TEST(memory_serves_while_the_service_is_down),
		TEST(memory_has_nothing_that_expired),
		TEST(memory_asks_once_for_all_that_wait),
		TEST(failure_is_that_of_all_that_wait),
		TEST(memory_finds_nothing_for_what_is_no_quote),
		TEST(memory_tells_texts_of_certificates_apart),
	};

	return cmocka_run_group_tests_name("collateral_memory", tests, NULL,
					   teardown);
}
