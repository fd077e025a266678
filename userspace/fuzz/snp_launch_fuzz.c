// SPDX-License-Identifier: MIT
/*
 * Firmware for SEV-SNP, and what its launch is measured to
 *
 * Copyright The dstack for Linux authors
 */
#include "fuzz.h"

#include <stdlib.h>

#include "../test/ovmf_fixture.h"
#include "snp/launch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t hash[32];
	/* Whole pages: what is missing comes first, as the end matters. */
	const size_t size = (len + LAUNCH_PAGE - 1) / LAUNCH_PAGE * LAUNCH_PAGE;
	uint8_t *firmware = calloc(1, size ? size : 1);
	struct libdstack_snp_guest guest = {
		.firmware = firmware, .firmware_len = size, .vcpus = 2,
		.kernel = hash,
	};
	struct libdstack_failure failure;
	struct launch_firmware fw;
	uint8_t digest[48];

	must(firmware);
	if (len)
		memcpy(firmware + size - len, data, len);
	if (!launch_firmware_parse(firmware, size, &fw))
		must(fw.sections <= LAUNCH_SECTIONS_MAX);
	must(!libdstack_snp_measure(&guest, digest, &failure) ==
	     !*failure.text);
	free(firmware);
	return 0;
}

void fuzz_seeds(void)
{
	static struct ovmf_fixture f;

	ovmf_make(&f);
	fuzz_seed(f.data, sizeof(f.data));
	/* Without the first page, of which nothing is read. */
	fuzz_seed(f.data + OVMF_LIST, sizeof(f.data) - OVMF_LIST);
}
