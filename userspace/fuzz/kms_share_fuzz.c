// SPDX-License-Identifier: MIT
/*
 * Shares of a KMS's roots, which others kept
 *
 * Copyright The dstack for Linux authors
 *
 * Two files, the first one's length before them: each is read, and both are
 * combined.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "../kmsd/shares/shares.h"

static struct share shares[2];
static uint8_t secret[SHARES_SECRET_MAX], written[SHARES_FILE_MAX];

static bool try_read(const uint8_t *data, size_t len, struct share *share)
{
	uint8_t *copy = fuzz_copy(data, len);
	const char *why = NULL;
	bool good;

	good = !share_read(copy, len, share, &why);
	must(good || *why);
	must(!good || (share_write(share, written) == len &&
		       !memcmp(written, copy, len)));
	free(copy);
	return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct share *both[] = { &shares[0], &shares[1] };
	const char *why = NULL;
	size_t first, secret_len;

	if (len < 2)
		return 0;
	first = data[0] | data[1] << 8;
	data += 2;
	len -= 2;
	if (first > len)
		first = len;
	if (!try_read(data, first, &shares[0]) ||
	    !try_read(data + first, len - first, &shares[1]))
		return 0;
	if (shares_combine(both, 2, shares[0].generation, secret, &secret_len,
			   &why))
		must(*why);
	else
		must(secret_len && secret_len <= SHARES_SECRET_MAX);
	return 0;
}

void fuzz_seeds(void)
{
	static uint8_t data[2 + 2 * SHARES_FILE_MAX];
	const struct shares_plan plan = { .k = 2, .n = 2, .generation = 1 };
	const char *why;
	size_t len;

	must(!shares_split(&plan, "secret", 6, shares, &why));
	len = share_write(&shares[0], data + 2);
	data[0] = len;
	data[1] = len >> 8;
	fuzz_seed(data, 2 + len + share_write(&shares[1], data + 2 + len));
}
