// SPDX-License-Identifier: MIT
/*
 * Names in certificates, which a client may have chosen
 *
 * Copyright The dstack for Linux authors
 */
#include "room.h"

#include <arpa/inet.h>
#include <openssl/asn1.h>
#include <string.h>

#define LABEL_MAX	63
#define X520_MAX	64		/* characters: X.520, upper bounds */
#define WILDCARD	"*."
#define LETTERS		"ABCDEFGHIJKLMNOPQRSTUVWXYZ" \
			"abcdefghijklmnopqrstuvwxyz0123456789-"

static bool is_address(const char *name)
{
	uint8_t address[16];

	return inet_pton(AF_INET, name, address) == 1 ||
		inet_pton(AF_INET6, name, address) == 1;
}

/* Labels of @letters, of which none begins or ends with a hyphen. */
static bool is_domain(const char *name, const char *letters)
{
	size_t len;

	for (;; name += len + 1) {
		len = strspn(name, letters);
		if (!len || len > LABEL_MAX || name[0] == '-' ||
		    name[len - 1] == '-')
			return false;
		if (name[len] != '.')
			return !name[len];
	}
}

static bool is_short(const char *name)
{
	return strnlen(name, ISSUE_HOST_MAX + 1) <= ISSUE_HOST_MAX;
}

bool issue_is_host(const char *name)
{
	return is_short(name) &&
		(is_domain(name, LETTERS) || is_address(name));
}

bool issue_is_alt_name(const char *name)
{
	size_t skip = strlen(WILDCARD);

	if (!is_short(name))
		return false;
	if (!strncmp(name, WILDCARD, skip))
		return is_domain(name + skip, LETTERS "_");
	return is_domain(name, LETTERS "_") || is_address(name);
}

/* Neither for control, nor half of a pair of UTF-16. */
static bool is_shown(unsigned long c)
{
	return c >= ' ' && !(c >= 0x7f && c < 0xa0) &&
		!(c >= 0xd800 && c < 0xe000) && c <= 0x10ffff;
}

bool issue_copy_x520(const struct libdstack_span *span,
		     char out[ISSUE_X520_SIZE])
{
	size_t at, nr = 0;
	unsigned long c;
	int len;

	if (span->len >= ISSUE_X520_SIZE)
		return false;
	for (at = 0; at < span->len; at += len) {
		len = UTF8_getc(span->data + at, (int)(span->len - at), &c);
		if (len <= 0 || !is_shown(c) || ++nr > X520_MAX)
			return false;
	}
	if (span->len)
		memcpy(out, span->data, span->len);
	out[span->len] = '\0';
	return true;
}
