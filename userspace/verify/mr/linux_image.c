// SPDX-License-Identifier: MIT
/*
 * What QEMU makes of a kernel before the firmware measures it
 *
 * Copyright The dstack for Linux authors
 *
 * A boot loader fills in the kernel's header (Documentation/arch/x86/boot.rst
 * of the kernel), and QEMU is one: the firmware gets the changed file.  Where
 * the initrd would go depends on its size and on the memory below 4 GiB.
 */
#include "mr.h"

#include <string.h>

#define HEADER_END	0x268
#define REAL_MODE	0x10000U
#define CMDLINE		0x20000U
#define ACPI_DATA	0x28000U	/* QEMU keeps that much for tables */
#define ABOVE_4G	(1U << 1)	/* of xloadflags */

#define GIB		(1ULL << 30)
#define Q35_SPLIT	0xb0000000ULL

uint64_t linux_image_low_memory(uint64_t memory)
{
	return memory >= Q35_SPLIT ? 2 * GIB : memory;
}

static uint32_t initrd_address(const uint8_t *image,
			       const struct libdstack_mr_input *input)
{
	uint64_t low = linux_image_low_memory(input->memory);
	uint32_t max = mr_get32(image + 0x22c);

	if (mr_get16(image + 0x206) >= 0x20c &&
	    mr_get16(image + 0x236) & ABOVE_4G)
		max = UINT32_MAX;
	if (max >= low - ACPI_DATA)
		max = low - ACPI_DATA - 1;
	return (max - input->initrd.len) & ~(MR_PAGE - 1);
}

int linux_image_load(uint8_t *image, const struct libdstack_mr_input *input,
		     struct libdstack_failure *failure)
{
	/* Older ones have no EFI stub that could be measured. */
	if (input->kernel.len < HEADER_END ||
	    memcmp(image + 0x202, "HdrS", 4) ||
	    mr_get16(image + 0x206) < 0x20b || !(image[0x211] & 1))
		return verify_fail(failure, REASON(MALFORMED),
				   "kernel: not a bzImage of Linux 3.3 or newer");
	if (input->cmdline && strstr(input->cmdline, "vga="))
		return verify_fail(failure, REASON(UNSUPPORTED),
				   "vga= makes QEMU write a video mode into the kernel: leave it out");
	mr_put(image + 0x228, CMDLINE, 4);
	image[0x210] = 0xb0;			/* QEMU as the loader */
	image[0x211] |= 0x80;			/* there is a heap */
	mr_put(image + 0x224, CMDLINE - REAL_MODE - 0x200, 2);
	if (!input->initrd.len)
		return 0;
	if (input->initrd.len >= linux_image_low_memory(input->memory) -
	    ACPI_DATA)
		return verify_fail(failure, REASON(MALFORMED),
				   "the initrd is larger than the machine's memory");
	mr_put(image + 0x218, initrd_address(image, input), 4);
	mr_put(image + 0x21c, input->initrd.len, 4);
	return 0;
}
