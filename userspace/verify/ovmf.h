/* SPDX-License-Identifier: MIT */
/*
 * What OVMF says of itself in the table at its end
 *
 * Copyright The dstack for Linux authors
 */
#ifndef OVMF_H
#define OVMF_H

#include <stddef.h>
#include <stdint.h>

#define OVMF_GUID_SIZE	16

/*
 * The data of the entry with this GUID, or NULL if there is none, or no whole
 * table.
 */
const uint8_t *ovmf_find(const void *image, size_t len,
			 const uint8_t guid[OVMF_GUID_SIZE], size_t *size);

#endif /* OVMF_H */
