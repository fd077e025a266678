// SPDX-License-Identifier: MIT
/*
 * Bytes as hex digits, and back
 *
 * Copyright The dstack for Linux authors
 */
#include "lib.h"

char *libdstack_to_hex(const void *data, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *in = data;
	size_t i;

	for (i = 0; i < len; i++) {
		out[2 * i] = digits[in[i] >> 4];
		out[2 * i + 1] = digits[in[i] & 15];
	}
	out[2 * len] = '\0';
	return out;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool libdstack_from_hex(const char *text, size_t text_len, void *out,
			size_t len)
{
	uint8_t *to = out;
	size_t i;

	if (text_len != 2 * len)
		return false;
	for (i = 0; i < len; i++) {
		int hi = hex_digit(text[2 * i]);
		int lo = hex_digit(text[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return false;
		to[i] = hi << 4 | lo;
	}
	return true;
}
