// SPDX-License-Identifier: MIT
/*
 * What OVMF says of itself in the table at its end
 *
 * Copyright The dstack for Linux authors
 *
 * It is read backwards.  Where the reset vector begins, 32 bytes before the
 * end, the footer ends: the size of the whole table and a GUID.  Before it lie
 * the entries, each its data, its size with all of this, and a GUID.
 */
#include "ovmf.h"

#include <stdbool.h>
#include <string.h>

#define ENTRY_SIZE	(2 + OVMF_GUID_SIZE)
#define FOOTER_END	32

/* 96b582de-1fb2-45f7-baea-a366c55a082d */
static const uint8_t footer_guid[OVMF_GUID_SIZE] = {
	0xde, 0x82, 0xb5, 0x96, 0xb2, 0x1f, 0xf7, 0x45,
	0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d
};

/* What is left of the table. */
struct table {
	const uint8_t *data;
	size_t left;
};

/* The size of what ends here; it is all there. */
static bool last_size(const struct table *t, size_t *size)
{
	const uint8_t *p;

	if (t->left < ENTRY_SIZE)
		return false;
	p = t->data + t->left - ENTRY_SIZE;
	*size = p[0] | p[1] << 8;
	return *size >= ENTRY_SIZE && *size <= t->left;
}

static bool last_is(const struct table *t, const uint8_t guid[OVMF_GUID_SIZE])
{
	return !memcmp(t->data + t->left - OVMF_GUID_SIZE, guid,
		       OVMF_GUID_SIZE);
}

const uint8_t *ovmf_find(const void *image, size_t len,
			 const uint8_t guid[OVMF_GUID_SIZE], size_t *size)
{
	struct table t = { image, len };
	size_t all;

	if (len < FOOTER_END)
		return NULL;
	t.left -= FOOTER_END;
	if (!last_size(&t, &all) || !last_is(&t, footer_guid))
		return NULL;
	t.data += t.left - all;
	t.left = all - ENTRY_SIZE;
	while (last_size(&t, size)) {
		t.left -= *size;
		if (memcmp(t.data + t.left + *size - OVMF_GUID_SIZE, guid,
			   OVMF_GUID_SIZE))
			continue;
		*size -= ENTRY_SIZE;
		return t.data + t.left;
	}
	return NULL;
}
