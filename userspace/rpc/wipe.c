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

#include <malloc.h>
#include <openssl/crypto.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void *wipe_alloc(size_t size)
{
	return size > PTRDIFF_MAX ? NULL : malloc(size);
}

void wipe_free(void *old)
{
	if (old)
		OPENSSL_cleanse(old, malloc_usable_size(old));
	free(old);
}

/* realloc() would leave the old bytes where they were. */
void *wipe_realloc(void *old, size_t size)
{
	void *data = wipe_alloc(size);
	size_t old_size;

	if (!data || !old)
		return data;
	old_size = malloc_usable_size(old);
	memcpy(data, old, old_size < size ? old_size : size);
	wipe_free(old);
	return data;
}
