/* SPDX-License-Identifier: MIT */
/*
 * Read CBOR item by item, without memory of its own
 *
 * Copyright The dstack for Linux authors
 *
 * libcbor decodes single items; who calls knows what must come next, so nothing
 * nests deeper than it asks for, and no length is believed before its bytes are
 * there.
 */
#ifndef CBOR_IN_H
#define CBOR_IN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cbor_in_type {
	CBOR_IN_UINT,
	CBOR_IN_NEGATIVE,	/* -1 - value */
	CBOR_IN_BYTES,
	CBOR_IN_TEXT,
	CBOR_IN_ARRAY,
	CBOR_IN_MAP,
	CBOR_IN_NULL,
	CBOR_IN_BREAK,		/* ends an array or map of no stated length */
	CBOR_IN_OTHER,		/* what no evidence has */
};

#define CBOR_IN_UNTIL_BREAK	UINT64_MAX

struct cbor_item {
	enum cbor_in_type type;
	uint64_t value;		/* number, bytes, items or pairs */
	const uint8_t *data;	/* of bytes and text */
};

/* What is left to read; @bad stays once something was wrong. */
struct cbor_in {
	const uint8_t *p;
	size_t left;
	bool bad;
};

/* The next item, of this type. */
bool cbor_in_take(struct cbor_in *in, enum cbor_in_type type,
		  struct cbor_item *item);
/* The next item, whatever it is. */
bool cbor_in_next(struct cbor_in *in, struct cbor_item *item);
/*
 * Is there another element or pair of an array or map?  @left: its value, which
 * is counted down.
 */
bool cbor_in_more(struct cbor_in *in, uint64_t *left);
bool cbor_in_text_is(const struct cbor_item *item, const char *text);

#endif /* CBOR_IN_H */
