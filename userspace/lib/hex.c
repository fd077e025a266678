// SPDX-License-Identifier: MIT
/*
 * Bytes as hex digits, and back
 *
 * Copyright The dstack for Linux authors
 */
#include "lib.h"

#include <string.h>

#include "event.h"

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

char *libdstack_digest_to_text(const struct dstack_digest *digest,
			       char out[LIBDSTACK_DIGEST_TEXT])
{
	char hex[2 * DSTACK_DIGEST_SIZE + 1];

	if (digest->alg == DSTACK_ALG_NONE)
		snprintf(out, LIBDSTACK_DIGEST_TEXT, "%s",
			 dstack_alg_name(DSTACK_ALG_NONE));
	else
		snprintf(out, LIBDSTACK_DIGEST_TEXT, "%s:%s",
			 dstack_alg_name(digest->alg),
			 libdstack_to_hex(digest->value,
					  sizeof(digest->value), hex));
	return out;
}

bool libdstack_digest_from_text(const char *text,
				struct dstack_digest *digest)
{
	const char *colon = strchr(text, ':'), *hex;
	uint32_t alg;

	if (!colon)
		return false;
	hex = colon + 1;
	if (strspn(hex, "0123456789abcdef") != 2 * sizeof(digest->value))
		return false;
	for (alg = DSTACK_ALG_NONE + 1; alg < __DSTACK_ALG_MAX; alg++) {
		const char *name = dstack_alg_name(alg);

		if (strlen(name) != (size_t)(colon - text) ||
		    strncmp(text, name, strlen(name)))
			continue;
		digest->alg = alg;
		return libdstack_from_hex(hex, strlen(hex), digest->value,
					  sizeof(digest->value));
	}
	return false;
}
