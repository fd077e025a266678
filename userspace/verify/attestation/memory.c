// SPDX-License-Identifier: MIT
/*
 * Containers: who owns what is in them
 *
 * Copyright The dstack for Linux authors
 */
#include "attestation.h"

#include <stdlib.h>
#include <string.h>

/* Everything that a container points to is in one of these. */
struct block {
	struct block *next;
	uint8_t data[];
};

bool att_is_zero(const uint8_t *p, size_t len)
{
	while (len--)
		if (*p++)
			return false;
	return true;
}

void *att_alloc(struct libdstack_attestation *out, size_t size)
{
	struct block *block = calloc(1, sizeof(*block) + size);

	if (!block)
		return NULL;
	block->next = out->memory;
	out->memory = block;
	return block->data;
}

bool att_copy(struct libdstack_attestation *out, const void *data, size_t len,
	      struct libdstack_span *copy)
{
	uint8_t *bytes = att_alloc(out, len + 1);

	if (!bytes)
		return false;
	if (len)
		memcpy(bytes, data, len);
	*copy = (struct libdstack_span){ bytes, len };
	return true;
}

void libdstack_attestation_free(struct libdstack_attestation *attestation)
{
	struct block *block, *next;

	if (!attestation)
		return;
	dstack_log_clear(&attestation->boot);
	dstack_log_clear(&attestation->runtime);
	for (block = attestation->memory; block; block = next) {
		next = block->next;
		free(block);
	}
	free(attestation);
}
