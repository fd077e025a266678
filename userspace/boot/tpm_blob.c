// SPDX-License-Identifier: MIT
/*
 * What is sealed, as upstream stores it: SCALE
 *
 * Copyright The dstack for Linux authors
 *
 * A TPM2B_PUBLIC and a TPM2B_PRIVATE, as the TPM marshals them, each with its
 * length before it.
 */
#include "tpm.h"

#include <string.h>

#include "attestation/attestation.h"

/* Lengths from here on take two bytes; none here takes more. */
#define SHORT	(1U << 6)

bool tpm_blob_join(const struct libdstack_span parts[2],
		   uint8_t blob[TPM_BLOB_MAX], size_t *len)
{
	size_t at = 0, i;

	for (i = 0; i < 2; i++) {
		size_t n = parts[i].len;

		if (n > TPM_BLOB_MAX - 2 || at + n + 2 > TPM_BLOB_MAX)
			return false;
		if (n < SHORT) {
			blob[at++] = n << 2;
		} else {
			blob[at++] = n << 2 | 1;
			blob[at++] = n >> 6;
		}
		memcpy(blob + at, parts[i].data, n);
		at += n;
	}
	*len = at;
	return true;
}

/* An index may be larger than what was written to it. */
bool tpm_blob_split(const uint8_t *blob, size_t len,
		    struct libdstack_span parts[2])
{
	struct scale s;

	scale_init(&s, blob, len);
	parts[0] = scale_bytes(&s);
	parts[1] = scale_bytes(&s);
	return !s.why && parts[0].len && parts[1].len;
}
