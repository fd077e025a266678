// SPDX-License-Identifier: MIT
/*
 * What it costs to verify a quote: time against that of its signatures, memory
 *
 * Copyright The dstack for Linux authors
 *
 * Built without sanitizers, whose time and memory would be measured instead.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <malloc.h>

#include "pki_fixture.h"

#define ROUNDS		100
#define PER_ROUND	20
#define LOOPS		10000
/*
 * Times the cost of the bare signatures; measured is 1.2 and 1.35.  What is
 * above 1 is, of a new platform, mostly OpenSSL reading its certificate: that
 * needs its caches, which others use up on a busy machine, up to 1.7.
 */
#define RATIO_MAX	1.4
#define NEW_RATIO_MAX	2.0
#define MEMORY_MAX	(256 << 10)

/* glibc's own, behind those below. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t nr, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t align, size_t size);
void __libc_free(void *p);

static long held, most;

static void *taken(void *p)
{
	held += p ? (long)malloc_usable_size(p) : 0;
	if (held > most)
		most = held;
	return p;
}

void *malloc(size_t size)
{
	return taken(__libc_malloc(size));
}

void *calloc(size_t nr, size_t size)
{
	return taken(__libc_calloc(nr, size));
}

void *realloc(void *p, size_t size)
{
	held -= p ? (long)malloc_usable_size(p) : 0;
	return taken(__libc_realloc(p, size));
}

int posix_memalign(void **p, size_t align, size_t size)
{
	*p = taken(__libc_memalign(align, size));
	return *p ? 0 : ENOMEM;
}

void *aligned_alloc(size_t align, size_t size)
{
	return taken(__libc_memalign(align, size));
}

void free(void *p)
{
	held -= p ? (long)malloc_usable_size(p) : 0;
	__libc_free(p);
}

static struct libdstack_collateral *collateral;

static void verify(void)
{
	assert_int_equal(libdstack_quote_verify(f.data, f.len, collateral, root,
						root_len, time(NULL), &verdict),
			 0);
}

static void need_collateral(void)
{
	struct libdstack_failure failure;

	make(4, 0);
	if (collateral)
		return;
	collateral = read_collateral("base");
	assert_int_equal(libdstack_collateral_check(collateral, root, root_len,
						    &failure), 0);
	verify();
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* As `openssl speed` measures it: the signature alone, everything ready. */
static double bare_seconds(EVP_PKEY_CTX *ctx, const uint8_t *sig, size_t len,
			   const uint8_t digest[32])
{
	double start = seconds();
	int i;

	for (i = 0; i < PER_ROUND; i++)
		assert_int_equal(EVP_PKEY_verify(ctx, sig, len, digest, 32), 1);
	return seconds() - start;
}

static double quote_seconds(void)
{
	double start = seconds();
	int i;

	for (i = 0; i < PER_ROUND; i++)
		verify();
	return seconds() - start;
}

/* The best of many short rounds: what disturbs only adds, and leaves gaps. */
static double measured_ratio(int signatures, const char *what)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	uint8_t digest[32] = { 1 }, sig[80];
	double bare = 1e9, quote = 1e9, s;
	size_t len = sizeof(sig);
	int i;

	assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
	assert_int_equal(EVP_PKEY_sign(ctx, sig, &len, digest, 32), 1);
	assert_int_equal(EVP_PKEY_verify_init(ctx), 1);
	for (i = 0; i < ROUNDS; i++) {
		s = signatures * bare_seconds(ctx, sig, len, digest);
		bare = s < bare ? s : bare;
		s = quote_seconds();
		quote = s < quote ? s : quote;
	}
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(key);
	print_message("# %s: %.0f us, its %d bare signatures: %.0f us, ratio %.2f\n",
		      what, quote / PER_ROUND * 1e6, signatures,
		      bare / PER_ROUND * 1e6, quote / bare);
	return quote / bare;
}

/* Of the enclave's report and of the quote. */
static void known_platform_costs_its_signatures(void **state)
{
	(void)state;
	need_collateral();
	assert_true(measured_ratio(2, "known platform") < RATIO_MAX);
}

/* And of the certificate. */
static void new_platform_costs_little_more(void **state)
{
	struct dcap_known *known;

	(void)state;
	need_collateral();
	known = collateral->trust->known;
	collateral->trust->known = NULL;
	assert_true(measured_ratio(3, "new platform") < NEW_RATIO_MAX);
	collateral->trust->known = known;
}

static void verifying_takes_at_most_256_kib(void **state)
{
	struct dcap_known *known;
	long before;

	(void)state;
	need_collateral();
	known = collateral->trust->known;
	collateral->trust->known = NULL;
	before = held;
	most = held;
	verify();
	collateral->trust->known = known;
	print_message("# memory of one verification: %ld bytes\n",
		      most - before);
	assert_true(most - before <= MEMORY_MAX);
	assert_int_equal(held, before);
}

/* Good ones, and each tenth one that fails, somewhere. */
static void verify_many(long nr)
{
	size_t at;
	long i;

	for (i = 0; i < nr; i++) {
		if (i % 10) {
			verify();
			continue;
		}
		at = i / 10 * 7 % f.len;
		f.data[at] ^= 1;
		libdstack_quote_verify(f.data, f.len, collateral, root,
				       root_len, i % 20 ? time(NULL) : 0,
				       &verdict);
		f.data[at] ^= 1;
	}
}

static void ten_thousand_leave_nothing_behind(void **state)
{
	long before;

	(void)state;
	need_collateral();
	/* What libraries set up when they first fail stays with them. */
	verify_many(LOOPS);
	before = held;
	verify_many(LOOPS);
	assert_int_equal(held, before);
}

static int teardown(void **state)
{
	libdstack_collateral_free(collateral);
	return pki_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_platform_costs_its_signatures),
		cmocka_unit_test(new_platform_costs_little_more),
		cmocka_unit_test(verifying_takes_at_most_256_kib),
		cmocka_unit_test(ten_thousand_leave_nothing_behind),
	};

	return cmocka_run_group_tests_name("dcap_cost", tests, NULL, teardown);
}
