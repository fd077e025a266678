// SPDX-License-Identifier: MIT
/*
 * SCALE: integers of fixed size, and lengths in one, two or four bytes
 *
 * Copyright The dstack for Linux authors
 *
 * The two low bits of a length's first byte say how many bytes it has.  As in
 * upstream's decoder there is one way to write each: a length in more bytes
 * than it needs is refused.  The fourth form, for big numbers, is longer than
 * any input here.
 */
#include "attestation.h"

#include <string.h>

void scale_init(struct scale *s, const void *data, size_t len)
{
	*s = (struct scale){ .next = data, .left = len };
}

void scale_refuse(struct scale *s, const char *why)
{
	if (!s->why)
		s->why = why;
	s->left = 0;
}

/* @len bytes, or NULL. */
static const uint8_t *take(struct scale *s, size_t len)
{
	const uint8_t *p = s->next;

	if (s->why || len > s->left) {
		scale_refuse(s, "cut off");
		return NULL;
	}
	s->next += len;
	s->left -= len;
	return p;
}

static uint64_t number(struct scale *s, size_t len)
{
	const uint8_t *p = take(s, len);
	uint64_t value = 0;

	while (p && len--)
		value = value << 8 | p[len];
	return value;
}

uint8_t scale_u8(struct scale *s)
{
	return number(s, 1);
}

bool scale_bool(struct scale *s)
{
	uint8_t value = scale_u8(s);

	if (value > 1)
		scale_refuse(s, "a truth value other than 0 and 1");
	return value == 1;
}

uint32_t scale_u32(struct scale *s)
{
	return number(s, 4);
}

uint64_t scale_u64(struct scale *s)
{
	return number(s, 8);
}

uint32_t scale_length(struct scale *s)
{
	static const uint32_t least[] = { 0, 1 << 6, 1 << 14 };
	int form = s->left ? *s->next & 3 : 0;
	uint32_t value;

	if (form == 3) {
		scale_refuse(s, "a length of a gigabyte or more");
		return 0;
	}
	value = number(s, (size_t)1 << form) >> 2;
	if (!s->why && value < least[form])
		scale_refuse(s, "a length in more bytes than it needs");
	return s->why ? 0 : value;
}

uint32_t scale_count(struct scale *s, size_t least, size_t most)
{
	uint32_t count = scale_length(s);

	if (count > most || count > s->left / least)
		scale_refuse(s, "a list longer than what follows, or than any");
	return s->why ? 0 : count;
}

struct libdstack_span scale_fixed(struct scale *s, size_t len)
{
	const uint8_t *p = take(s, len);

	return p ? (struct libdstack_span){ p, len } :
		   (struct libdstack_span){ NULL, 0 };
}

struct libdstack_span scale_bytes(struct scale *s)
{
	return scale_fixed(s, scale_length(s));
}
