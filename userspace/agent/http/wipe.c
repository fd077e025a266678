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
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Before the data, which is aligned as it is. */
union block {
	size_t size;
	max_align_t align;
};

void *wipe_alloc(size_t size)
{
	union block *block;

	if (size > SIZE_MAX - sizeof(*block))
		return NULL;
	block = malloc(sizeof(*block) + size);
	if (!block)
		return NULL;
	block->size = size;
	return block + 1;
}

void wipe_free(void *old)
{
	union block *block;

	if (!old)
		return;
	block = (union block *)old - 1;
	OPENSSL_cleanse(block, sizeof(*block) + block->size);
	free(block);
}

/* realloc() would leave the old bytes where they were. */
void *wipe_realloc(void *old, size_t size)
{
	void *data = wipe_alloc(size);
	size_t old_size;

	if (!data || !old)
		return data;
	old_size = ((union block *)old - 1)->size;
	memcpy(data, old, old_size < size ? old_size : size);
	wipe_free(old);
	return data;
}
