// SPDX-License-Identifier: MIT
/*
 * What is kept for one state of another KMS, as bytes
 *
 * Copyright The dstack for Linux authors
 *
 * Numbers are little-endian.
 *
 * offset bytes
 *      0     8  "DSTKKEPT"
 *      8     1  version, 1
 *      9    16  owner
 *     25    32  who brought it
 *     57     4  the generation in use, as far as was said
 *     61     1  how many shares follow, 0 to 2, each:
 *            32 SHA-256 of the proof that it is given for
 *           124 share
 */
#include "room.h"

#include <errno.h>
#include <string.h>

#define VERSION	1
#define HEAD	62
#define ONE	(QUORUM_HASH_SIZE + QUORUM_SHARE_SIZE)

static const uint8_t magic[8] = { 'D', 'S', 'T', 'K', 'K', 'E', 'P', 'T' };

_Static_assert(HEAD + KEPT_MAX * ONE <= KEPT_SIZE_MAX, "there is room for it");

size_t kept_write(const struct kept *kept, uint8_t out[KEPT_SIZE_MAX])
{
	uint8_t *at = out + HEAD;
	size_t i;

	memcpy(out, magic, sizeof(magic));
	out[8] = VERSION;
	memcpy(out + 9, kept->owner, sizeof(kept->owner));
	memcpy(out + 25, kept->who, sizeof(kept->who));
	for (i = 0; i < 4; i++)
		out[57 + i] = kept->in_use >> (8 * i);
	out[61] = kept->nr;
	for (i = 0; i < kept->nr; i++, at += ONE) {
		memcpy(at, kept->shares[i].check, QUORUM_HASH_SIZE);
		share_write(&kept->shares[i].share, at + QUORUM_HASH_SIZE);
	}
	return at - out;
}

static int read_shares(const uint8_t *at, struct kept *kept)
{
	const char *why;
	size_t i;

	for (i = 0; i < kept->nr; i++, at += ONE) {
		memcpy(kept->shares[i].check, at, QUORUM_HASH_SIZE);
		if (share_read(at + QUORUM_HASH_SIZE, QUORUM_SHARE_SIZE,
			       &kept->shares[i].share, &why) ||
		    kept->shares[i].share.generation < kept->in_use)
			return -EBADMSG;
	}
	return 0;
}

int kept_read(const uint8_t *data, size_t len, struct kept *kept)
{
	size_t i;

	if (len < HEAD || memcmp(data, magic, sizeof(magic)) != 0)
		return -EBADMSG;
	if (data[8] != VERSION)
		return -EPROTONOSUPPORT;
	memcpy(kept->owner, data + 9, sizeof(kept->owner));
	memcpy(kept->who, data + 25, sizeof(kept->who));
	kept->in_use = 0;
	for (i = 0; i < 4; i++)
		kept->in_use |= (uint32_t)data[57 + i] << (8 * i);
	kept->nr = data[61];
	if (kept->nr > KEPT_MAX || len != HEAD + kept->nr * ONE)
		return -EBADMSG;
	return read_shares(data + HEAD, kept);
}
