// SPDX-License-Identifier: MIT
/*
 * What OVMF wants of SEV-SNP
 *
 * Copyright The dstack for Linux authors
 *
 * OVMF's table of GUIDs says where, counted from the end, the list of sections
 * is that SEV-SNP measures.
 */
#include "launch.h"

#include <string.h>

#include "../cursor.h"
#include "../ovmf.h"

static const uint8_t metadata_guid[OVMF_GUID_SIZE] = {
	0x66, 0x65, 0x88, 0xdc, 0x4a, 0x98, 0x98, 0x47,
	0xa7, 0x5e, 0x55, 0x85, 0xa7, 0xbf, 0x67, 0xcc
};

static const uint8_t hashes_guid[OVMF_GUID_SIZE] = {
	0x1f, 0x37, 0x55, 0x72, 0x3b, 0x3a, 0x04, 0x4b,
	0x92, 0x7b, 0x1d, 0xa6, 0xef, 0xa8, 0xd4, 0x54
};

static const uint8_t reset_guid[OVMF_GUID_SIZE] = {
	0xde, 0x71, 0xf7, 0x00, 0x7e, 0x1a, 0xcb, 0x4f,
	0x89, 0x0e, 0x68, 0xc7, 0x7e, 0x2f, 0xb4, 0x4e
};

/* The number that an entry begins with; 0 if there is none. */
static uint32_t read_entry(const void *data, size_t len,
			   const uint8_t guid[OVMF_GUID_SIZE])
{
	struct cursor in = { .left = 0 };
	uint32_t value;

	in.p = ovmf_find(data, len, guid, &in.left);
	return in.p && cursor_u32(&in, &value) ? value : 0;
}

static const char *read_sections(const uint8_t *data, size_t len,
				 uint32_t from_end, struct launch_firmware *fw)
{
	struct cursor in;
	const uint8_t *magic;
	uint32_t size, version, i;

	if (from_end > len)
		return "the list of sections is not within the firmware";
	in.p = data + len - from_end;
	in.left = from_end;
	magic = cursor_take(&in, 4);
	if (!magic || memcmp(magic, "ASEV", 4) || !cursor_u32(&in, &size) ||
	    !cursor_u32(&in, &version) || !cursor_u32(&in, &fw->sections))
		return "no list of sections where the firmware says it is";
	if (version != 1 || fw->sections > LAUNCH_SECTIONS_MAX)
		return "a list of sections of unknown version, or too long";
	for (i = 0; i < fw->sections; i++)
		if (!cursor_u32(&in, &fw->section[i].address) ||
		    !cursor_u32(&in, &fw->section[i].size) ||
		    !cursor_u32(&in, &fw->section[i].type))
			return "the list of sections is cut off";
	return NULL;
}

const char *launch_firmware_parse(const void *data, size_t len,
				  struct launch_firmware *fw)
{
	const uint32_t from_end = read_entry(data, len, metadata_guid);

	memset(fw, 0, sizeof(*fw));
	if (!from_end)
		return "the firmware has no sections for SEV-SNP: is it OVMF?";
	fw->hashes = read_entry(data, len, hashes_guid);
	fw->reset_eip = read_entry(data, len, reset_guid);
	return read_sections(data, len, from_end, fw);
}
