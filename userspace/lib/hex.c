// SPDX-License-Identifier: MIT
/*
 * Bytes as hex digits, and back
 *
 * Copyright The dstack for Linux authors
 */
#include "lib.h"

#include <string.h>

#include "words.h"

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

#define UPPER	0x80	/* a digit that has another form in lower case */

/* A digit's value in the low bits, and others; 0 for what is none. */
static const uint8_t digit_of[256] = {
	['0'] = 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19,
	['a'] = 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f,
	['A'] = UPPER | 0x1a, UPPER | 0x1b, UPPER | 0x1c,
	UPPER | 0x1d, UPPER | 0x1e, UPPER | 0x1f,
};

/*
 * Reads no further than what is not a digit.  @seen: all bits of digit_of[]
 * that occurred.
 */
static bool decode(const char *text, uint8_t *out, size_t len, uint8_t *seen)
{
	const uint8_t *in = (const uint8_t *)text;
	uint8_t all = 0;
	size_t i;

	for (i = 0; i < len; i++, in += 2) {
		uint8_t hi = digit_of[in[0]];
		uint8_t lo = hi ? digit_of[in[1]] : 0;

		if (!lo)
			return false;
		all |= hi | lo;
		out[i] = hi << 4 | (lo & 15);
	}
	*seen = all;
	return true;
}

bool libdstack_from_hex(const char *text, size_t text_len, void *out,
			size_t len)
{
	uint8_t seen;

	return text_len == 2 * len && decode(text, out, len, &seen);
}

char *libdstack_digest_to_text(const struct dstack_digest *digest,
			       char out[LIBDSTACK_DIGEST_TEXT])
{
	const char *name = dstack_alg_name(digest->alg);
	size_t len = strlen(name);

	memcpy(out, name, len + 1);
	if (digest->alg == DSTACK_ALG_NONE)
		return out;
	out[len] = ':';
	libdstack_to_hex(digest->value, sizeof(digest->value), out + len + 1);
	return out;
}

bool libdstack_digest_from_text(const char *text,
				struct dstack_digest *digest)
{
	uint8_t seen;
	uint32_t alg;

	for (alg = DSTACK_ALG_NONE + 1; alg < __DSTACK_ALG_MAX; alg++) {
		const char *name = dstack_alg_name(alg);
		size_t len = strlen(name);

		if (strncmp(text, name, len) != 0 || text[len] != ':')
			continue;
		digest->alg = alg;
		text += len + 1;
		return decode(text, digest->value, sizeof(digest->value),
			      &seen) &&
			!(seen & UPPER) && !text[2 * sizeof(digest->value)];
	}
	return false;
}
