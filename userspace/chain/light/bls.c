// SPDX-License-Identifier: MIT
/*
 * Signatures of many, by blst
 *
 * Copyright The dstack for Linux authors
 */
#include <blst.h>

#include "light.h"

/* Of the consensus specification: who signs has proven to have the key. */
static const char scheme[] = "BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";

bool light_keys_good(const uint8_t keys[LIGHT_COMMITTEE_SIZE])
{
	blst_p1_affine point;
	size_t i;

	for (i = 0; i <= LIGHT_KEYS; i++, keys += LIGHT_KEY_SIZE)
		if (blst_p1_uncompress(&point, keys) != BLST_SUCCESS ||
		    blst_p1_affine_is_inf(&point) ||
		    !blst_p1_affine_in_g1(&point))
			return false;
	return true;
}

static bool add_keys(const uint8_t *keys, const uint8_t *bits, blst_p1 *sum)
{
	blst_p1_affine point;
	bool any = false;
	size_t i;

	for (i = 0; i < LIGHT_KEYS; i++, keys += LIGHT_KEY_SIZE) {
		if (!(bits[i / 8] & 1 << i % 8))
			continue;
		if (blst_p1_uncompress(&point, keys) != BLST_SUCCESS)
			return false;
		if (any)
			blst_p1_add_or_double_affine(sum, sum, &point);
		else
			blst_p1_from_affine(sum, &point);
		any = true;
	}
	return any;
}

bool light_keys_signed(const uint8_t keys[LIGHT_COMMITTEE_SIZE],
		       const uint8_t aggregate[LIGHT_AGGREGATE_SIZE],
		       const uint8_t root[CHAIN_HASH])
{
	blst_p1_affine key;
	blst_p2_affine signature;
	blst_p1 sum;

	if (!add_keys(keys, aggregate, &sum) ||
	    blst_p2_uncompress(&signature, aggregate + LIGHT_BITS_SIZE) !=
	    BLST_SUCCESS || !blst_p2_affine_in_g2(&signature))
		return false;
	blst_p1_to_affine(&key, &sum);
	return !blst_p1_affine_is_inf(&key) &&
	       blst_core_verify_pk_in_g1(&key, &signature, true, root,
					 CHAIN_HASH, (const byte *)scheme,
					 sizeof(scheme) - 1, NULL, 0) ==
	       BLST_SUCCESS;
}
