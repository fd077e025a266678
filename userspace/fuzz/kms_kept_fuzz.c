// SPDX-License-Identifier: MIT
/*
 * What a KMS keeps for others, and its own state in shares
 *
 * Copyright The dstack for Linux authors
 *
 * 'k': what is kept of another one; 'b': a state under a data key.  The seal is
 * taken off by the target, as that of kms_state_fuzz.c is.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "../kmsd/quorum/room.h"

static struct kept kept;
static struct quorum_set set;

static void try_kept(const uint8_t *data, size_t len)
{
	uint8_t written[KEPT_SIZE_MAX];
	size_t i;

	memset(&kept, 0, sizeof(kept));
	if (kept_read(data, len, &kept))
		return;
	must(kept.nr <= KEPT_MAX);
	for (i = 0; i < kept.nr; i++)
		must(kept.shares[i].share.len == QUORUM_SHARE_LEN &&
		     kept.shares[i].share.generation >= kept.in_use);
	must(kept_write(&kept, written) == len &&
	     !memcmp(written, data, len));
}

/* Nobody has encrypted it with that key. */
static void try_blob(const uint8_t *data, size_t len)
{
	uint8_t *plain = fuzz_copy(data, len);
	size_t plain_len = len;

	memset(&set, 0, sizeof(set));
	if (!blob_read_set(data, len, &set)) {
		must(set.own.n && set.own.n <= SHARES_MAX && !set.has_key);
		must(blob_read_data(&set, data, len, plain, &plain_len));
		set.has_key = true;
		must(blob_read_data(&set, data, len, plain, &plain_len));
	}
	free(plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *copy;

	if (!len)
		return 0;
	copy = fuzz_copy(data + 1, len - 1);
	if (*data == 'k')
		try_kept(copy, len - 1);
	else
		try_blob(copy, len - 1);
	free(copy);
	return 0;
}

static void seed_kept(const struct share *shares, size_t nr)
{
	uint8_t data[1 + KEPT_SIZE_MAX] = { 'k' };
	size_t i;

	memset(&kept, 0, sizeof(kept));
	kept.in_use = 1;
	kept.nr = nr;
	for (i = 0; i < nr; i++)
		kept.shares[i].share = shares[i];
	fuzz_seed(data, 1 + kept_write(&kept, data + 1));
}

void fuzz_seeds(void)
{
	static const uint8_t salted[QUORUM_KEY_SIZE] = { 1 };
	uint8_t data[1 + 6 + BLOB_OVERHEAD_MAX] = { 'b' };
	struct share shares[3];
	const struct shares_plan plan = { .k = 2, .n = 3, .generation = 1 };
	const char *why;
	size_t nr, len;

	must(!shares_split(&plan, salted, sizeof(salted), shares, &why));
	for (nr = 0; nr <= KEPT_MAX; nr++)
		seed_kept(shares, nr);
	memset(&set, 0, sizeof(set));
	set.own = shares[0];
	memcpy(set.key, salted, sizeof(salted));
	set.has_key = true;
	must(!blob_write(&set, "state", 6, data + 1, &len));
	/* In the target the key is another one: all zeros. */
	fuzz_seed(data, 1 + len);
}
