// SPDX-License-Identifier: MIT
/*
 * Headers of sealed blobs
 *
 * Copyright The dstack for Linux authors
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "blob.h"

static const struct dstack_key_name key = {
	.kind = DSTACK_KEY_AEAD, .scope = DSTACK_SCOPE_APP,
	.key_len = DSTACK_KEY_SIZE, .path_len = 1, .path = "a",
};

static const uint8_t policy[DSTACK_DIGEST_SIZE] = { 1 };

/* What the key's owner may open is his to the last byte. */
static void check_owner(const struct dstack_blob *blob, size_t data_len)
{
	struct dstack_blob mine;

	if (dstack_blob_belongs(blob, &key, policy) != DSTACK_SEAL_OK)
		return;
	must(!dstack_blob_begin(&mine, &key, le64_to_cpu(blob->epoch),
				data_len));
	mine.flags = blob->flags;
	if (mine.flags)
		memcpy(mine.policy, policy, sizeof(policy));
	memcpy(mine.salt, blob->salt, sizeof(mine.salt));
	must(!memcmp(&mine, blob, sizeof(mine)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	void *copy = fuzz_copy(data, len);
	size_t data_len;

	if (!dstack_blob_check(copy, len, &data_len)) {
		must(data_len + DSTACK_SEAL_OVERHEAD == len);
		check_owner(copy, data_len);
	}
	free(copy);
	return 0;
}

static void seed(uint16_t flags, size_t data_len)
{
	size_t len = DSTACK_SEAL_OVERHEAD + data_len;
	struct dstack_blob *blob = calloc(1, len);

	must(blob && !dstack_blob_begin(blob, &key, 1, data_len));
	blob->flags = cpu_to_le16(flags);
	if (flags)
		memcpy(blob->policy, policy, sizeof(policy));
	fuzz_seed(blob, len);
	free(blob);
}

void fuzz_seeds(void)
{
	seed(0, 0);
	seed(0, 13);
	seed(DSTACK_BLOB_F_POLICY, 1);
}
