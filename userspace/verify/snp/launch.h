/* SPDX-License-Identifier: MIT */
/*
 * What predicting a launch measurement consists of
 *
 * Copyright The dstack for Linux authors
 *
 * firmware.c reads what OVMF says of itself, vmsa.c writes the first state of a
 * virtual CPU, and launch.c measures all of it in order.
 */
#ifndef LAUNCH_H
#define LAUNCH_H

#include <libdstack_snp.h>

#define LAUNCH_PAGE		4096
#define LAUNCH_SECTIONS_MAX	64
#define LAUNCH_PAGES_MAX	65536	/* that sections may have, in all */

enum launch_section_type {
	LAUNCH_MEMORY = 1,
	LAUNCH_SECRETS = 2,
	LAUNCH_CPUID = 3,
	LAUNCH_CALLING_AREA = 4,	/* of an SVSM */
	LAUNCH_KERNEL_HASHES = 16,
};

struct launch_section {
	uint32_t address, size, type;
};

/* From the tables at the end of OVMF. */
struct launch_firmware {
	struct launch_section section[LAUNCH_SECTIONS_MAX];
	uint32_t sections;
	uint32_t reset_eip;		/* of other CPUs; 0: not said */
	uint32_t hashes;		/* where a kernel's go; 0: nowhere */
};

/* NULL, or what is wrong. */
const char *launch_firmware_parse(const void *data, size_t len,
				  struct launch_firmware *fw);
void launch_vmsa(const struct libdstack_snp_guest *guest, uint32_t eip,
		 uint8_t page[LAUNCH_PAGE]);

#endif /* LAUNCH_H */
