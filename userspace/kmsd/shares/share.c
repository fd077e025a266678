// SPDX-License-Identifier: MIT
/*
 * One share as bytes
 *
 * Copyright The dstack for Linux authors
 *
 * Numbers are little-endian.
 *
 * offset bytes
 *      0     8  "DSTKSHAR"
 *      8     1  version, 1
 *      9     3  k, n, x
 *     12     8  key epoch
 *     20     4  generation
 *     24     4  bytes of the share
 *     28    32  commitment
 *     60        the share
 */
#include "shares.h"

#include <errno.h>
#include <string.h>

#define VERSION	1

static const uint8_t magic[8] = { 'D', 'S', 'T', 'K', 'S', 'H', 'A', 'R' };

static void put(uint8_t *at, uint64_t value, int size)
{
	int i;

	for (i = 0; i < size; i++)
		at[i] = value >> (8 * i);
}

static uint64_t get(const uint8_t *at, int size)
{
	uint64_t value = 0;
	int i;

	for (i = 0; i < size; i++)
		value |= (uint64_t)at[i] << (8 * i);
	return value;
}

size_t share_write(const struct share *share, uint8_t *out)
{
	memcpy(out, magic, sizeof(magic));
	out[8] = VERSION;
	out[9] = share->k;
	out[10] = share->n;
	out[11] = share->x;
	put(out + 12, share->epoch, 8);
	put(out + 20, share->generation, 4);
	put(out + 24, share->len, 4);
	memcpy(out + 28, share->commitment, SHARES_HASH_SIZE);
	memcpy(out + SHARES_HEADER_SIZE, share->data, share->len);
	return SHARES_HEADER_SIZE + share->len;
}

int share_read(const void *data, size_t len, struct share *share,
	       const char **why)
{
	const uint8_t *in = data;

	*why = "it is no share";
	if (len < SHARES_HEADER_SIZE || memcmp(in, magic, sizeof(magic)) != 0)
		return -EBADMSG;
	*why = "it is a share of another version";
	if (in[8] != VERSION)
		return -EPROTONOSUPPORT;
	*why = "it is a share that was cut short, or has more behind its end";
	share->len = get(in + 24, 4);
	if (share->len != len - SHARES_HEADER_SIZE ||
	    share->len <= SHARES_SALT_SIZE || share->len > SHARES_DATA_MAX)
		return -EBADMSG;
	share->k = in[9];
	share->n = in[10];
	share->x = in[11];
	*why = "it is a share with numbers that none has";
	if (share->k < SHARES_MIN || share->k > share->n ||
	    share->n > SHARES_MAX || !share->x || share->x > share->n)
		return -EBADMSG;
	share->epoch = get(in + 12, 8);
	share->generation = get(in + 20, 4);
	memcpy(share->commitment, in + 28, SHARES_HASH_SIZE);
	memcpy(share->data, in + SHARES_HEADER_SIZE, share->len);
	return 0;
}
