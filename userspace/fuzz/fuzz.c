// SPDX-License-Identifier: MIT
/*
 * What the fuzz targets share
 *
 * Copyright The dstack for Linux authors
 *
 * With FUZZ_SEEDS=DIR a target writes the inputs to begin with there, and ends.
 */
#include "fuzz.h"

#include <libdstack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *dir;
static unsigned int seeds;

void must(bool ok)
{
	if (!ok)
		abort();
}

void *fuzz_copy(const void *data, size_t len)
{
	void *copy = malloc(len ? len : 1);

	must(copy);
	if (len)
		memcpy(copy, data, len);
	return copy;
}

void fuzz_seed(const void *data, size_t len)
{
	char path[256];
	FILE *out;

	snprintf(path, sizeof(path), "%s/seed-%u", dir, seeds++);
	out = fopen(path, "we");
	must(out && fwrite(data, 1, len, out) == len && !fclose(out));
}

void fuzz_seed_text(const char *text)
{
	fuzz_seed(text, strlen(text));
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	/* Most inputs are wrong: that need not be said. */
	libdstack_set_message_callback(NULL);
	dir = getenv("FUZZ_SEEDS");
	if (!dir)
		return 0;
	fuzz_seeds();
	exit(0);
}
