// SPDX-License-Identifier: MIT
/*
 * RLP, in its one form or not at all
 *
 * Copyright The dstack for Linux authors
 */
#include "rlp.h"

#include <string.h>

#define SHORT_MAX	55	/* bytes that the first byte can count */
#define STRING		0x80
#define LIST		0xc0
#define HEAD_MAX	3	/* bytes before a list that is written here */
#define OUT_MAX		(UINT16_MAX + 1)	/* that they can count */

/* The length of @nr bytes, which is no shorter one's. */
static bool long_length(struct chain_bytes in, size_t nr, size_t *len)
{
	size_t i;

	*len = 0;
	if (nr > 4 || in.len < nr || !in.data[0])
		return false;
	for (i = 0; i < nr; i++)
		*len = *len << 8 | in.data[i];
	return *len > SHORT_MAX;
}

bool rlp_take(struct chain_bytes *in, struct rlp_item *item)
{
	struct chain_bytes rest = *in;
	size_t base, len, nr;
	uint8_t first;

	if (!rest.len)
		return false;
	first = rest.data[0];
	item->list = first >= LIST;
	base = item->list ? LIST : STRING;
	if (first < STRING) {
		len = 1;
	} else {
		rest.data++;
		rest.len--;
		len = first - base;
		nr = len > SHORT_MAX ? len - SHORT_MAX : 0;
		if (nr && !long_length(rest, nr, &len))
			return false;
		rest.data += nr;
		rest.len -= nr;
	}
	if (rest.len < len)
		return false;
	/* A small byte is its own encoding. */
	if (first == STRING + 1 && rest.data[0] < STRING)
		return false;
	item->body = (struct chain_bytes){ rest.data, len };
	item->size = (size_t)(rest.data - in->data) + len;
	in->data += item->size;
	in->len -= item->size;
	return true;
}

bool rlp_list(struct chain_bytes in, struct chain_bytes *items)
{
	struct rlp_item item;

	if (!rlp_take(&in, &item) || !item.list || in.len)
		return false;
	*items = item.body;
	return true;
}

bool rlp_fixed(struct chain_bytes *in, void *out, size_t len)
{
	struct rlp_item item;

	if (!rlp_take(in, &item) || item.list || item.body.len != len)
		return false;
	memcpy(out, item.body.data, len);
	return true;
}

bool rlp_number(struct chain_bytes *in, uint8_t *out, size_t len)
{
	struct rlp_item item;

	if (!rlp_take(in, &item) || item.list || item.body.len > len ||
	    (item.body.len && !item.body.data[0]))
		return false;
	memset(out, 0, len);
	if (item.body.len)
		memcpy(out + len - item.body.len, item.body.data,
		       item.body.len);
	return true;
}

bool rlp_u64(struct chain_bytes *in, uint64_t *out)
{
	uint8_t bytes[8];
	size_t i;

	if (!rlp_number(in, bytes, sizeof(bytes)))
		return false;
	for (*out = 0, i = 0; i < sizeof(bytes); i++)
		*out = *out << 8 | bytes[i];
	return true;
}

/* Writes the length of what has @len bytes; returns how long that is. */
static size_t put_head(uint8_t *out, uint8_t base, size_t len)
{
	if (len <= SHORT_MAX) {
		out[0] = base + len;
		return 1;
	}
	if (len <= UINT8_MAX) {
		out[0] = base + SHORT_MAX + 1;
		out[1] = len;
		return 2;
	}
	out[0] = base + SHORT_MAX + 2;
	out[1] = len >> 8;
	out[2] = len;
	return 3;
}

void rlp_begin(struct rlp_out *out, void *data, size_t room)
{
	out->data = data;
	out->room = room < OUT_MAX ? room : OUT_MAX;
	out->len = HEAD_MAX;
	out->full = out->room < HEAD_MAX;
}

void rlp_put(struct rlp_out *out, const void *data, size_t len)
{
	const uint8_t *bytes = data;

	if (out->full || len > out->room ||
	    out->len + HEAD_MAX + len > out->room) {
		out->full = true;
		return;
	}
	if (len != 1 || bytes[0] >= STRING)
		out->len += put_head(out->data + out->len, STRING, len);
	if (len)
		memcpy(out->data + out->len, bytes, len);
	out->len += len;
}

void rlp_put_number(struct rlp_out *out, const uint8_t *data, size_t len)
{
	while (len && !*data) {
		data++;
		len--;
	}
	rlp_put(out, data, len);
}

void rlp_put_u64(struct rlp_out *out, uint64_t value)
{
	uint8_t bytes[sizeof(value)];
	size_t i;

	for (i = sizeof(bytes); i--; value >>= 8)
		bytes[i] = value;
	rlp_put_number(out, bytes, sizeof(bytes));
}

void rlp_put_empty(struct rlp_out *out)
{
	if (out->full || out->len == out->room)
		out->full = true;
	else
		out->data[out->len++] = LIST;
}

struct chain_bytes rlp_end(struct rlp_out *out)
{
	uint8_t head[HEAD_MAX];
	size_t nr;

	if (out->full)
		return (struct chain_bytes){ NULL, 0 };
	nr = put_head(head, LIST, out->len - HEAD_MAX);
	memcpy(out->data + HEAD_MAX - nr, head, nr);
	return (struct chain_bytes){ out->data + HEAD_MAX - nr,
				     out->len - HEAD_MAX + nr };
}
