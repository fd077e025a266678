// SPDX-License-Identifier: MIT
/*
 * What it costs to check the proofs of a boot: time against that of a signature
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <time.h>

#include "chain_fixture.h"

#define ROUNDS		5
#define PER_ROUND	50
/* A boot has 4 accounts, of Ethereum's depth, and 21 slots of two contracts. */
#define DEEP		4
#define SHALLOW		9	/* of two slots and another account */
/* Times one signature: measured is 2.4, of which hashes are nearly all. */
#define RATIO_MAX	4

static struct chain_fixture deep, shallow;

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void prove(struct chain_fixture *f, int times)
{
	struct chain_why why = { "" };
	struct chain_account account;

	while (times--)
		assert_int_equal(chain_json_prove(f->answer, f->root,
						  f->address, f->slots, f->nr,
						  &account, &why), 0);
}

static double proof_seconds(void)
{
	double start = seconds();
	int i;

	for (i = 0; i < PER_ROUND; i++) {
		prove(&deep, DEEP);
		prove(&shallow, SHALLOW);
	}
	return seconds() - start;
}

static double bare_seconds(EVP_PKEY_CTX *ctx, const uint8_t *sig, size_t len,
			   const uint8_t digest[32])
{
	double start = seconds();
	int i;

	for (i = 0; i < PER_ROUND; i++)
		assert_int_equal(EVP_PKEY_verify(ctx, sig, len, digest, 32),
				 1);
	return seconds() - start;
}

/* The best of some rounds: what disturbs only adds. */
static void proofs_of_a_boot_cost_few_signatures(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	uint8_t digest[32] = { 1 }, sig[80];
	double bare = 1e9, proofs = 1e9, s;
	size_t len = sizeof(sig);
	int i;

	(void)state;
	chain_open_mainnet(&deep);
	chain_open_anvil(&shallow);
	assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
	assert_int_equal(EVP_PKEY_sign(ctx, sig, &len, digest, 32), 1);
	assert_int_equal(EVP_PKEY_verify_init(ctx), 1);
	for (i = 0; i < ROUNDS; i++) {
		s = bare_seconds(ctx, sig, len, digest);
		bare = s < bare ? s : bare;
		s = proof_seconds();
		proofs = s < proofs ? s : proofs;
	}
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(key);
	yyjson_doc_free(deep.doc);
	yyjson_doc_free(shallow.doc);
	print_message("# proofs of a boot: %.0f us, a P-256 signature: %.0f us, ratio %.2f\n",
		      proofs / PER_ROUND * 1e6, bare / PER_ROUND * 1e6,
		      proofs / bare);
	assert_true(proofs / bare < RATIO_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(proofs_of_a_boot_cost_few_signatures),
	};

	return cmocka_run_group_tests_name("chain_cost", tests, NULL, NULL);
}
