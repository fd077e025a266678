// SPDX-License-Identifier: MIT
/*
 * Read CBOR item by item, without memory of its own
 *
 * Copyright The dstack for Linux authors
 */
#include "cbor_in.h"

#include <cbor.h>
#include <string.h>

static void set(void *ctx, enum cbor_in_type type, uint64_t value,
		const uint8_t *data)
{
	struct cbor_item *item = ctx;

	item->type = type;
	item->value = value;
	item->data = data;
}

static void on_uint8(void *ctx, uint8_t value)
{
	set(ctx, CBOR_IN_UINT, value, NULL);
}

static void on_uint16(void *ctx, uint16_t value)
{
	set(ctx, CBOR_IN_UINT, value, NULL);
}

static void on_uint32(void *ctx, uint32_t value)
{
	set(ctx, CBOR_IN_UINT, value, NULL);
}

static void on_uint64(void *ctx, uint64_t value)
{
	set(ctx, CBOR_IN_UINT, value, NULL);
}

static void on_negative8(void *ctx, uint8_t value)
{
	set(ctx, CBOR_IN_NEGATIVE, value, NULL);
}

static void on_bytes(void *ctx, cbor_data data, uint64_t len)
{
	set(ctx, CBOR_IN_BYTES, len, data);
}

static void on_text(void *ctx, cbor_data data, uint64_t len)
{
	set(ctx, CBOR_IN_TEXT, len, data);
}

static void on_array(void *ctx, uint64_t len)
{
	set(ctx, CBOR_IN_ARRAY, len, NULL);
}

static void on_map(void *ctx, uint64_t len)
{
	set(ctx, CBOR_IN_MAP, len, NULL);
}

static void on_open_array(void *ctx)
{
	set(ctx, CBOR_IN_ARRAY, CBOR_IN_UNTIL_BREAK, NULL);
}

static void on_open_map(void *ctx)
{
	set(ctx, CBOR_IN_MAP, CBOR_IN_UNTIL_BREAK, NULL);
}

static void on_null(void *ctx)
{
	set(ctx, CBOR_IN_NULL, 0, NULL);
}

static void on_break(void *ctx)
{
	set(ctx, CBOR_IN_BREAK, 0, NULL);
}

static struct cbor_callbacks callbacks(void)
{
	struct cbor_callbacks c = cbor_empty_callbacks;

	c.uint8 = on_uint8;
	c.uint16 = on_uint16;
	c.uint32 = on_uint32;
	c.uint64 = on_uint64;
	c.negint8 = on_negative8;
	c.byte_string = on_bytes;
	c.string = on_text;
	c.array_start = on_array;
	c.map_start = on_map;
	c.indef_array_start = on_open_array;
	c.indef_map_start = on_open_map;
	c.null = on_null;
	c.indef_break = on_break;
	return c;
}

bool cbor_in_next(struct cbor_in *in, struct cbor_item *item)
{
	const struct cbor_callbacks calls = callbacks();
	struct cbor_decoder_result result;

	item->type = CBOR_IN_OTHER;
	item->value = 0;
	item->data = NULL;
	if (in->bad)
		return false;
	result = cbor_stream_decode(in->p, in->left, &calls, item);
	in->bad = result.status != CBOR_DECODER_FINISHED ||
		item->type == CBOR_IN_OTHER;
	if (in->bad)
		return false;
	in->p += result.read;
	in->left -= result.read;
	return true;
}

bool cbor_in_take(struct cbor_in *in, enum cbor_in_type type,
		  struct cbor_item *item)
{
	if (!cbor_in_next(in, item))
		return false;
	in->bad = item->type != type;
	return !in->bad;
}

bool cbor_in_more(struct cbor_in *in, uint64_t *left)
{
	struct cbor_in ahead = *in;
	struct cbor_item item;

	if (in->bad || !*left)
		return false;
	if (*left != CBOR_IN_UNTIL_BREAK) {
		--*left;
		return true;
	}
	if (!cbor_in_next(&ahead, &item)) {
		in->bad = true;
		return false;
	}
	if (item.type != CBOR_IN_BREAK)
		return true;
	*in = ahead;
	return false;
}

bool cbor_in_text_is(const struct cbor_item *item, const char *text)
{
	return item->type == CBOR_IN_TEXT && item->value == strlen(text) &&
		!memcmp(item->data, text, item->value);
}
