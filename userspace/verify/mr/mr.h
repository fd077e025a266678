/* SPDX-License-Identifier: MIT */
/*
 * What the rooms that predict measurements share
 *
 * Copyright The dstack for Linux authors
 *
 * tdvf.c reads a firmware's metadata and computes MRTD, hob.c the list of
 * memory that QEMU hands to it, linux_image.c what QEMU makes of a kernel, pe.c
 * the hash of that, and predict.c the registers.
 */
#ifndef MR_H
#define MR_H

#include <libdstack_mr.h>

#include "../failure.h"

#define MR_PAGE		4096U
#define MR_SECTIONS_MAX	64

/* All integers are little-endian. */
static inline uint16_t mr_get16(const uint8_t *p)
{
	return p[0] | p[1] << 8;
}

static inline uint32_t mr_get32(const uint8_t *p)
{
	return mr_get16(p) | (uint32_t)mr_get16(p + 2) << 16;
}

static inline uint64_t mr_get64(const uint8_t *p)
{
	return mr_get32(p) | (uint64_t)mr_get32(p + 4) << 32;
}

static inline void mr_put(uint8_t *p, uint64_t value, int bytes)
{
	while (bytes--) {
		*p++ = value;
		value >>= 8;
	}
}

/* tdvf.c */

enum tdvf_type {
	TDVF_BFV,		/* boot firmware volume */
	TDVF_CFV,		/* configuration firmware volume */
	TDVF_TD_HOB,		/* where QEMU puts the list of memory */
	TDVF_TEMP_MEM,
	TDVF_PERM_MEM,
	TDVF_PAYLOAD,
	TDVF_PAYLOAD_PARAM,
	__TDVF_MAX
};

struct tdvf_section {
	const uint8_t *data;	/* in the file; NULL if it has none */
	uint32_t len;
	uint64_t address, size;	/* in memory, whole pages */
	enum tdvf_type type;
	bool extend, augment;	/* measure its content; add no pages */
};

struct tdvf {
	struct tdvf_section section[MR_SECTIONS_MAX];
	size_t nr;
};

int tdvf_parse(const struct libdstack_mr_file *image, struct tdvf *tdvf,
	       struct libdstack_failure *failure);
/* The first of this type, or NULL. */
const struct tdvf_section *tdvf_find(const struct tdvf *tdvf,
				     enum tdvf_type type);
int tdvf_mrtd(const struct tdvf *tdvf, bool two_pass,
	      uint8_t mrtd[LIBDSTACK_MR_SIZE]);

/* hob.c */

int hob_digest(const struct tdvf *tdvf, uint64_t memory,
	       uint8_t digest[LIBDSTACK_MR_SIZE],
	       struct libdstack_failure *failure);

/* linux_image.c */

/* @image: a copy of the kernel, which is changed as QEMU does. */
int linux_image_load(uint8_t *image, const struct libdstack_mr_input *input,
		     struct libdstack_failure *failure);
/* Memory of a q35 machine below 4 GiB. */
uint64_t linux_image_low_memory(uint64_t memory);

#endif /* MR_H */
