// SPDX-License-Identifier: MIT
/*
 * Memory that is wiped when it is freed
 *
 * Copyright The dstack for Linux authors
 *
 * Keys travel through buffers that libevent makes, splits and frees as it sees
 * fit.  It takes all its memory from here, so none of them is left behind.
 */
#include "wipe.h"

#include <openssl/crypto.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct block {
	size_t size;
	alignas(max_align_t) unsigned char data[];
};

static struct block *block_of(void *data)
{
	return (struct block *)((unsigned char *)data -
				offsetof(struct block, data));
}

void *wipe_alloc(size_t size)
{
	struct block *block;

	if (size > SIZE_MAX - sizeof(*block))
		return NULL;
	block = malloc(sizeof(*block) + size);
	if (!block)
		return NULL;
	block->size = size;
	return block->data;
}

void wipe_free(void *old)
{
	struct block *block;

	if (!old)
		return;
	block = block_of(old);
	OPENSSL_cleanse(block, sizeof(*block) + block->size);
	free(block);
}

/* realloc() would leave the old bytes where they were. */
void *wipe_realloc(void *old, size_t size)
{
	void *data = wipe_alloc(size);

	if (!data || !old)
		return data;
	memcpy(data, old, block_of(old)->size < size ? block_of(old)->size :
	       size);
	wipe_free(old);
	return data;
}
