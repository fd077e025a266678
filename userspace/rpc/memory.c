// SPDX-License-Identifier: MIT
/*
 * Memory that is bounded, and wiped when it is given back
 *
 * Copyright The dstack for Linux authors
 */
#include "codec.h"
#include "wipe.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

/* What is before the data. */
union block {
	size_t size;
	max_align_t alignment;
};

size_t rpc_memory_size(const void *data)
{
	return ((const union block *)data - 1)->size;
}

static void *take(void *ctx, size_t size)
{
	struct rpc_memory *memory = ctx;
	union block *block;

	/* The block itself counts: small values are the most costly. */
	if (memory->left < sizeof(*block) ||
	    size > memory->left - sizeof(*block)) {
		memory->exhausted = true;
		return NULL;
	}
	block = malloc(sizeof(*block) + size);
	if (!block)
		return NULL;
	memory->left -= sizeof(*block) + size;
	block->size = size;
	return block + 1;
}

static void give_back(void *ctx, void *data)
{
	struct rpc_memory *memory = ctx;
	union block *block;

	if (!data)
		return;
	block = (union block *)data - 1;
	memory->left += sizeof(*block) + block->size;
	if (memory->secret)
		OPENSSL_cleanse(data, block->size);
	free(block);
}

/* realloc() would leave what it moves behind. */
static void *take_again(void *ctx, void *data, size_t old_size, size_t size)
{
	void *copy = take(ctx, size);

	if (!copy)
		return NULL;
	memcpy(copy, data, old_size < size ? old_size : size);
	give_back(ctx, data);
	return copy;
}

ProtobufCAllocator rpc_memory_for_messages(struct rpc_memory *memory)
{
	return (ProtobufCAllocator){ take, give_back, memory };
}

yyjson_alc rpc_memory_for_json(struct rpc_memory *memory)
{
	return (yyjson_alc){ take, take_again, give_back, memory };
}

static void *take_any(void *ctx, size_t size)
{
	(void)ctx;
	return wipe_alloc(size);
}

static void wipe_and_free(void *ctx, void *data)
{
	(void)ctx;
	wipe_free(data);
}

ProtobufCAllocator rpc_wiping_allocator = { take_any, wipe_and_free, NULL };
