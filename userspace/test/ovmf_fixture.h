/* SPDX-License-Identifier: MIT */
/*
 * Firmware for SEV-SNP that tests make themselves: two pages, nothing to run
 *
 * Copyright The dstack for Linux authors
 */
#ifndef OVMF_FIXTURE_H
#define OVMF_FIXTURE_H

#include <libdstack_snp.h>
#include <string.h>

#define OVMF_SIZE	8192
#define OVMF_SECTIONS	5
#define OVMF_LIST	4096	/* where the list of sections is */
#define OVMF_SECTION(i)	(OVMF_LIST + 16 + 12 * (i))

/* Backwards from the footer: each entry's size and GUID, data before. */
#define OVMF_FOOTER_GUID	(OVMF_SIZE - 32 - 16)
#define OVMF_RESET_GUID		(OVMF_FOOTER_GUID - 2 - 16)
#define OVMF_RESET		(OVMF_RESET_GUID - 2 - 4)
#define OVMF_HASHES_GUID	(OVMF_RESET - 16)
#define OVMF_HASHES		(OVMF_HASHES_GUID - 2 - 8)
#define OVMF_METADATA_GUID	(OVMF_HASHES - 16)
#define OVMF_METADATA		(OVMF_METADATA_GUID - 2 - 4)

struct ovmf_fixture {
	uint8_t data[OVMF_SIZE];
};

static inline void ovmf_put(struct ovmf_fixture *f, size_t at, uint64_t value,
			    int bytes)
{
	for (; bytes--; value >>= 8)
		f->data[at++] = value;
}

static inline void ovmf_guid(struct ovmf_fixture *f, size_t at,
			     const char *guid, uint16_t size)
{
	ovmf_put(f, at - 2, size, 2);
	memcpy(f->data + at, guid, 16);
}

static inline void ovmf_section(struct ovmf_fixture *f, int i,
				uint32_t address, uint32_t size, uint32_t type)
{
	ovmf_put(f, OVMF_SECTION(i), address, 4);
	ovmf_put(f, OVMF_SECTION(i) + 4, size, 4);
	ovmf_put(f, OVMF_SECTION(i) + 8, type, 4);
}

static inline void ovmf_make(struct ovmf_fixture *f)
{
	memset(f->data, 0x90, sizeof(f->data));
	memcpy(f->data + OVMF_LIST, "ASEV", 4);
	ovmf_put(f, OVMF_LIST + 4, 16 + 12 * OVMF_SECTIONS, 4);
	ovmf_put(f, OVMF_LIST + 8, 1, 4);
	ovmf_put(f, OVMF_LIST + 12, OVMF_SECTIONS, 4);
	ovmf_section(f, 0, 0x800000, 0x9000, 1);
	ovmf_section(f, 1, 0x80d000, 0x1000, 2);
	ovmf_section(f, 2, 0x80e000, 0x1000, 3);
	ovmf_section(f, 3, 0x80f000, 0x1000, 4);
	ovmf_section(f, 4, 0x810000, 0x1000, 16);
	ovmf_put(f, OVMF_METADATA, OVMF_SIZE - OVMF_LIST, 4);
	ovmf_guid(f, OVMF_METADATA_GUID,
		  "\x66\x65\x88\xdc\x4a\x98\x98\x47\xa7\x5e\x55\x85\xa7\xbf\x67\xcc",
		  22);
	ovmf_put(f, OVMF_HASHES, 0x810c00, 4);
	ovmf_put(f, OVMF_HASHES + 4, 0x400, 4);
	ovmf_guid(f, OVMF_HASHES_GUID,
		  "\x1f\x37\x55\x72\x3b\x3a\x04\x4b\x92\x7b\x1d\xa6\xef\xa8\xd4\x54",
		  26);
	ovmf_put(f, OVMF_RESET, 0x80b004, 4);
	ovmf_guid(f, OVMF_RESET_GUID,
		  "\xde\x71\xf7\x00\x7e\x1a\xcb\x4f\x89\x0e\x68\xc7\x7e\x2f\xb4\x4e",
		  22);
	ovmf_guid(f, OVMF_FOOTER_GUID,
		  "\xde\x82\xb5\x96\xb2\x1f\xf7\x45\xba\xea\xa3\x66\xc5\x5a\x08\x2d",
		  18 + 22 + 26 + 22);
}

#endif /* OVMF_FIXTURE_H */
