// SPDX-License-Identifier: MIT
/*
 * Firmware and kernels whose measurements are asked for
 *
 * Copyright The dstack for Linux authors
 */
#include "fuzz.h"

#include <stdlib.h>

#include "../test/mr_fixture.h"

/* The first byte says what the rest is. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct libdstack_mr_input input = { .memory = 2ULL << 30,
					    .have_acpi = true };
	struct libdstack_failure failure;
	struct libdstack_mr mr;
	uint8_t *copy;
	int err;

	if (!len)
		return 0;
	copy = fuzz_copy(data + 1, len - 1);
	if (data[0] & 1)
		input.kernel = (struct libdstack_mr_file){ copy, len - 1 };
	else
		input.firmware = (struct libdstack_mr_file){ copy, len - 1 };
	err = libdstack_mr_predict(&input, &mr, &failure);
	must(!err == !*failure.text);
	must(err || mr.nr == (data[0] & 1 ? 5 : 13));
	free(copy);
	return 0;
}

void fuzz_seeds(void)
{
	static uint8_t firmware[1 + FIRMWARE_SIZE], kernel[1 + KERNEL_SIZE];

	fixture_firmware(firmware + 1);
	fuzz_seed(firmware, sizeof(firmware));
	kernel[0] = 1;
	fixture_kernel(kernel + 1);
	fuzz_seed(kernel, sizeof(kernel));
}
