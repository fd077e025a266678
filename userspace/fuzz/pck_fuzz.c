// SPDX-License-Identifier: MIT
/*
 * What a platform's certificate says of the platform
 *
 * Copyright The dstack for Linux authors
 */
#include "fuzz.h"

#include <stdlib.h>

#include "../test/pck_fixture.h"
#include "dcap/dcap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *copy = fuzz_copy(data, len);
	struct dcap_pck pck;

	/* A list with all that is asked for is not shorter than that. */
	if (dcap_pck_read(copy, len, &pck))
		must(len > 300);
	free(copy);
	return 0;
}

void fuzz_seeds(void)
{
	uint8_t data[2048];

	fuzz_seed(data, pck_extension(data, 0, 0));
	fuzz_seed(data, pck_extension(data, 1, 0));
	fuzz_seed(data, pck_extension(data, 0, 17));
}
