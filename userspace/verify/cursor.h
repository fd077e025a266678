/* SPDX-License-Identifier: MIT */
/*
 * Read little-endian fields one after the other, and never past the end
 *
 * Copyright The dstack for Linux authors
 */
#ifndef CURSOR_H
#define CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is left to read. */
struct cursor {
	const uint8_t *p;
	size_t left;
};

/* The next @len bytes, or NULL. */
static inline const uint8_t *cursor_take(struct cursor *in, size_t len)
{
	const uint8_t *p = in->p;

	if (in->left < len)
		return NULL;
	in->p += len;
	in->left -= len;
	return p;
}

static inline bool cursor_u8(struct cursor *in, uint8_t *value)
{
	const uint8_t *p = cursor_take(in, 1);

	if (p)
		*value = p[0];
	return p;
}

static inline bool cursor_u16(struct cursor *in, uint16_t *value)
{
	const uint8_t *p = cursor_take(in, 2);

	if (p)
		*value = p[0] | p[1] << 8;
	return p;
}

static inline bool cursor_u32(struct cursor *in, uint32_t *value)
{
	const uint8_t *p = cursor_take(in, 4);

	if (p)
		*value = p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
	return p;
}

static inline bool cursor_u64(struct cursor *in, uint64_t *value)
{
	uint32_t low, high;

	if (in->left < 8 || !cursor_u32(in, &low) || !cursor_u32(in, &high))
		return false;
	*value = low | (uint64_t)high << 32;
	return true;
}

#endif /* CURSOR_H */
