/* SPDX-License-Identifier: MIT */
/*
 * What the fuzz targets share
 *
 * Copyright The dstack for Linux authors
 *
 * A target is one file, NAME_fuzz.c: what one parser makes of an input, what
 * must hold if it accepts it, and inputs to begin with.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of the target. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
void fuzz_seeds(void);

/* Of libFuzzer's, before it starts. */
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* One more input to begin with. */
void fuzz_seed(const void *data, size_t len);
void fuzz_seed_text(const char *text);
/* A copy with nothing around it, so that a byte too far is noticed. */
void *fuzz_copy(const void *data, size_t len);
void must(bool ok);

#endif /* FUZZ_H */
