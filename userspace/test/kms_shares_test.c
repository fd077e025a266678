// SPDX-License-Identifier: MIT
/*
 * Shares give the secret if there are enough, and nothing else ever
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "../kmsd/shares/shares.h"

#define SECRET_SIZE	96

static struct share shares[SHARES_MAX], others[SHARES_MAX];
static const struct share *chosen[SHARES_MAX];
static uint8_t secret[SHARES_SECRET_MAX], got[SHARES_SECRET_MAX];
static const char *why;
static size_t got_len;

static int set_up(void **st)
{
	size_t i;

	(void)st;
	for (i = 0; i < sizeof(secret); i++)
		secret[i] = i * 7 + 1;
	return 0;
}

static int share(uint8_t k, uint8_t n, uint32_t generation, struct share *out)
{
	const struct shares_plan plan = {
		.k = k, .n = n, .epoch = 3, .generation = generation,
	};

	return shares_split(&plan, secret, SECRET_SIZE, out, &why);
}

/* The bits of @which are the shares. */
static size_t choose(uint32_t which)
{
	size_t i, nr = 0;

	for (i = 0; i < SHARES_MAX; i++)
		if (which & 1U << i)
			chosen[nr++] = &shares[i];
	return nr;
}

static int combine(size_t nr, uint32_t generation)
{
	memset(got, 0, sizeof(got));
	got_len = 0;
	why = NULL;
	return shares_combine(chosen, nr, generation, got, &got_len, &why);
}

static void assert_secret(void)
{
	assert_int_equal(got_len, SECRET_SIZE);
	assert_memory_equal(got, secret, SECRET_SIZE);
}

static void assert_refused(size_t nr, uint32_t generation, int err)
{
	static const uint8_t nothing[SHARES_SECRET_MAX];

	assert_int_equal(combine(nr, generation), err);
	assert_non_null(why);
	assert_memory_equal(got, nothing, sizeof(got));
}

static void any_k_of_n_give_the_secret_and_fewer_do_not(void **st)
{
	uint8_t k, n;
	uint32_t which;
	size_t nr;

	(void)st;
	for (n = SHARES_MIN; n <= 7; n++)
		for (k = SHARES_MIN; k <= n; k++) {
			assert_int_equal(share(k, n, 1, shares), 0);
			for (which = 1; which < 1U << n; which++) {
				nr = choose(which);
				if (nr < k) {
					assert_refused(nr, 1, -ENODATA);
					continue;
				}
				assert_int_equal(combine(nr, 1), 0);
				assert_secret();
			}
		}
}

static void largest_set_works_in_any_order(void **st)
{
	size_t i;

	(void)st;
	assert_int_equal(share(SHARES_MAX, SHARES_MAX, 1, shares), 0);
	for (i = 0; i < SHARES_MAX; i++)
		chosen[i] = &shares[SHARES_MAX - 1 - i];
	assert_int_equal(combine(SHARES_MAX, 1), 0);
	assert_secret();
}

/* Who has k - 1 and says that these are enough. */
static void fewer_that_claim_to_be_enough_are_refused(void **st)
{
	size_t i;

	(void)st;
	assert_int_equal(share(4, 5, 1, shares), 0);
	for (i = 0; i < 5; i++)
		shares[i].k = 3;
	assert_refused(choose(7), 1, -EBADMSG);
	/* And these would have been. */
	for (i = 0; i < 5; i++)
		shares[i].k = 4;
	assert_int_equal(combine(choose(15), 1), 0);
}

/* Of one and the same byte of a secret, a share has each value there is. */
static void bytes_of_a_share_are_random(void **st)
{
	bool seen[256] = { false };
	int i, nr = 0;

	(void)st;
	for (i = 0; i < 10000; i++) {
		assert_int_equal(share(2, 2, 1, shares), 0);
		seen[shares[0].data[SHARES_SALT_SIZE]] = true;
	}
	for (i = 0; i < 256; i++)
		nr += seen[i];
	assert_int_equal(nr, 256);
}

static void share_that_was_changed_is_noticed(void **st)
{
	size_t i;

	(void)st;
	assert_int_equal(share(3, 5, 1, shares), 0);
	for (i = 0; i < shares[1].len; i++) {
		shares[1].data[i] ^= 0x10;
		assert_refused(choose(7), 1, -EBADMSG);
		assert_refused(choose(31), 1, -EBADMSG);
		shares[1].data[i] ^= 0x10;
	}
	/* The others are as good as they were. */
	assert_int_equal(combine(choose(29), 1), 0);
	assert_secret();
}

static void share_under_another_number_is_noticed(void **st)
{
	(void)st;
	assert_int_equal(share(3, 5, 1, shares), 0);
	shares[0].x = 5;
	assert_refused(choose(7), 1, -EBADMSG);
	shares[0].x = 6;
	assert_refused(choose(7), 1, -EINVAL);
	shares[0].x = 0;
	assert_refused(choose(7), 1, -EINVAL);
}

static void share_that_is_there_twice_is_refused(void **st)
{
	(void)st;
	assert_int_equal(share(3, 5, 1, shares), 0);
	choose(7);
	chosen[2] = chosen[0];
	assert_refused(3, 1, -EEXIST);
}

static void shares_of_two_sets_are_refused(void **st)
{
	(void)st;
	assert_int_equal(share(2, 3, 1, shares), 0);
	assert_int_equal(share(2, 3, 1, others), 0);
	choose(3);
	chosen[1] = &others[1];
	assert_refused(2, 1, -EINVAL);
	/* Even if all that they say is the same. */
	memcpy(others[1].commitment, shares[1].commitment, SHARES_HASH_SIZE);
	assert_refused(2, 1, -EBADMSG);
	shares[1].epoch++;
	assert_refused(choose(3), 1, -EINVAL);
}

static void old_shares_are_refused_once_there_are_new_ones(void **st)
{
	size_t nr;

	(void)st;
	assert_int_equal(share(2, 3, 1, shares), 0);
	nr = choose(3);
	assert_int_equal(shares_renew(chosen, nr, 1, 3, 5, others, &why), 0);
	/* Old ones by themselves, and one among new ones. */
	assert_refused(nr, 2, -ESTALE);
	chosen[0] = &others[0];
	chosen[1] = &others[1];
	chosen[2] = &shares[2];
	assert_refused(3, 2, -ESTALE);
	shares[2].generation = 2;
	assert_refused(3, 2, -EINVAL);
	chosen[2] = &others[4];
	assert_int_equal(combine(3, 2), 0);
	assert_secret();
	assert_refused(3, 1, -ESTALE);
	assert_int_equal(others[0].epoch, 3);
	assert_int_equal(others[0].k, 3);
	/* They are new numbers, not the old ones renamed. */
	assert_memory_not_equal(others[1].data, shares[1].data, SECRET_SIZE);
}

static void renewal_takes_what_combining_takes(void **st)
{
	(void)st;
	assert_int_equal(share(3, 5, 1, shares), 0);
	assert_int_equal(shares_renew(chosen, choose(3), 1, 2, 2, others,
				      &why), -ENODATA);
	assert_int_equal(shares_renew(chosen, choose(7), 1, 3, 2, others,
				      &why), -EINVAL);
	assert_int_equal(share(2, 2, UINT32_MAX, shares), 0);
	assert_int_equal(shares_renew(chosen, choose(3), UINT32_MAX, 2, 2,
				      others, &why), -EOVERFLOW);
}

static void numbers_have_bounds(void **st)
{
	static const uint8_t bad[][2] = {
		{ 0, 0 }, { 1, 1 }, { 1, 5 }, { 0, 5 }, { 3, 2 }, { 2, 33 },
		{ 33, 33 }, { 2, 255 },
	};
	const struct shares_plan plan = { .k = 2, .n = 2 };
	size_t i;

	(void)st;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(share(bad[i][0], bad[i][1], 1, shares),
				 -EINVAL);
	assert_int_equal(shares_split(&plan, secret, 0, shares, &why),
			 -EINVAL);
	assert_int_equal(shares_split(&plan, secret, SHARES_SECRET_MAX + 1,
				      shares, &why), -EINVAL);
	assert_int_equal(shares_split(&plan, secret, SHARES_SECRET_MAX,
				      shares, &why), 0);
	assert_int_equal(combine(choose(3), 0), 0);
	assert_memory_equal(got, secret, SHARES_SECRET_MAX);
	assert_refused(0, 0, -ENODATA);
}

static void share_as_bytes_is_read_as_it_was(void **st)
{
	uint8_t data[SHARES_FILE_MAX + 1] = { 0 };
	static struct share again;
	size_t i, len;

	(void)st;
	assert_int_equal(share(2, 3, 9, shares), 0);
	len = share_write(&shares[2], data);
	assert_int_equal(share_read(data, len, &again, &why), 0);
	assert_memory_equal(&again, &shares[2], sizeof(again));
	for (i = 0; i < len; i++)
		assert_int_equal(share_read(data, i, &again, &why), -EBADMSG);
	assert_int_equal(share_read(data, len + 1, &again, &why), -EBADMSG);
	data[8] = 2;
	assert_int_equal(share_read(data, len, &again, &why),
			 -EPROTONOSUPPORT);
	data[8] = 1;
	for (i = 9; i < 12; i++) {
		data[i] ^= 0x80;
		assert_int_equal(share_read(data, len, &again, &why),
				 -EBADMSG);
		data[i] ^= 0x80;
	}
}

int main(void)
{
#define ONE(name) cmocka_unit_test_setup(name, set_up)
	const struct CMUnitTest tests[] = {
		ONE(any_k_of_n_give_the_secret_and_fewer_do_not),
		ONE(largest_set_works_in_any_order),
		ONE(fewer_that_claim_to_be_enough_are_refused),
		ONE(bytes_of_a_share_are_random),
		ONE(share_that_was_changed_is_noticed),
		ONE(share_under_another_number_is_noticed),
		ONE(share_that_is_there_twice_is_refused),
		ONE(shares_of_two_sets_are_refused),
		ONE(old_shares_are_refused_once_there_are_new_ones),
		ONE(renewal_takes_what_combining_takes),
		ONE(numbers_have_bounds),
		ONE(share_as_bytes_is_read_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
