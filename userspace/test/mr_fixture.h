/* SPDX-License-Identifier: MIT */
/*
 * Firmware and kernels that tests make themselves
 *
 * Copyright The dstack for Linux authors
 */
#ifndef MR_FIXTURE_H
#define MR_FIXTURE_H

#include <stdint.h>
#include <string.h>

#include "mr/mr.h"

#define FIRMWARE_SIZE	0x8000U
#define FIRMWARE_CODE	0x4000U	/* behind the configuration */
#define FIRMWARE_TABLE	0x7000U	/* the metadata */
#define KERNEL_SIZE	0x3000U
#define KERNEL_PE	0x40U
#define KERNEL_OPTIONAL	(KERNEL_PE + 24)
#define KERNEL_SECTIONS	(KERNEL_OPTIONAL + 160)

struct fixture_section {
	uint32_t offset, len;
	uint64_t address, size;
	uint32_t type, attributes;
};

/* As OVMF has them; those that need memory lie where a real one's do. */
static const struct fixture_section fixture_sections[] = {
	{ FIRMWARE_CODE, 0x4000, 0xffffc000, 0x4000, TDVF_BFV, 1 },
	{ 0, 0x4000, 0xffc00000, 0x4000, TDVF_CFV, 0 },
	{ 0, 0, 0x810000, 0x10000, TDVF_TEMP_MEM, 0 },
	{ 0, 0, 0x80b000, 0x2000, TDVF_TEMP_MEM, 0 },
	{ 0, 0, 0x809000, 0x2000, TDVF_TD_HOB, 0 },
	{ 0, 0, 0x800000, 0x6000, TDVF_TEMP_MEM, 0 },
};

#define FIXTURE_SECTIONS \
	(sizeof(fixture_sections) / sizeof(fixture_sections[0]))

static inline void fixture_put_section(uint8_t *p,
				       const struct fixture_section *s)
{
	mr_put(p, s->offset, 4);
	mr_put(p + 4, s->len, 4);
	mr_put(p + 8, s->address, 8);
	mr_put(p + 16, s->size, 8);
	mr_put(p + 24, s->type, 4);
	mr_put(p + 28, s->attributes, 4);
}

/* A table of two entries, one of them ours, before the reset vector. */
static inline void fixture_put_table(uint8_t *data)
{
	static const uint8_t footer[16] = {
		0xde, 0x82, 0xb5, 0x96, 0xb2, 0x1f, 0xf7, 0x45,
		0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d
	}, metadata[16] = {
		0x35, 0x65, 0x7a, 0xe4, 0x4a, 0x98, 0x98, 0x47,
		0x86, 0x5e, 0x46, 0x85, 0xa7, 0xbf, 0x8e, 0xc2
	};
	uint8_t *p = data + FIRMWARE_SIZE - 32;

	memcpy(p -= 16, footer, 16);
	mr_put(p -= 2, 18 + 22 + 20, 2);
	memset(p -= 16, 0x42, 16);
	mr_put(p -= 2, 20, 2);
	mr_put(p -= 2, 0, 2);
	memcpy(p -= 16, metadata, 16);
	mr_put(p -= 2, 22, 2);
	mr_put(p - 4, FIRMWARE_SIZE - FIRMWARE_TABLE, 4);
}

static inline void fixture_firmware(uint8_t data[FIRMWARE_SIZE])
{
	uint8_t *p = data + FIRMWARE_TABLE;
	size_t i;

	for (i = 0; i < FIRMWARE_SIZE; i++)
		data[i] = i * 7 + (i >> 8);
	memcpy(p, "TDVF", 4);
	mr_put(p + 4, 16 + 32 * FIXTURE_SECTIONS, 4);
	mr_put(p + 8, 1, 4);
	mr_put(p + 12, FIXTURE_SECTIONS, 4);
	for (i = 0; i < FIXTURE_SECTIONS; i++)
		fixture_put_section(p + 16 + 32 * i, &fixture_sections[i]);
	fixture_put_table(data);
}

/* A bzImage as far as QEMU looks, and a PE file of two sections. */
static inline void fixture_kernel(uint8_t data[KERNEL_SIZE])
{
	size_t i;

	for (i = 0; i < KERNEL_SIZE; i++)
		data[i] = i * 5 + (i >> 8);
	memset(data, 0, 0x400);
	memcpy(data, "MZ", 2);
	mr_put(data + 60, KERNEL_PE, 4);
	memcpy(data + KERNEL_PE, "PE\0\0", 4);
	mr_put(data + KERNEL_PE + 6, 2, 2);
	mr_put(data + KERNEL_PE + 20, 160, 2);
	mr_put(data + KERNEL_OPTIONAL, 0x20b, 2);
	mr_put(data + KERNEL_OPTIONAL + 60, 0x400, 4);
	mr_put(data + KERNEL_OPTIONAL + 108, 6, 4);
	/* The second lies first in the file. */
	mr_put(data + KERNEL_SECTIONS + 16, 0x1000, 4);
	mr_put(data + KERNEL_SECTIONS + 20, 0x1400, 4);
	mr_put(data + KERNEL_SECTIONS + 40 + 16, 0x1000, 4);
	mr_put(data + KERNEL_SECTIONS + 40 + 20, 0x400, 4);
	memcpy(data + 0x202, "HdrS", 4);
	mr_put(data + 0x206, 0x20f, 2);
	data[0x211] = 1;
	mr_put(data + 0x22c, 0x7fffffff, 4);
	mr_put(data + 0x236, 2, 2);
}

#endif /* MR_FIXTURE_H */
