/* SPDX-License-Identifier: MIT */
/*
 * Chance that can be repeated: FUZZ_SEED is the number that a run has printed
 *
 * Copyright The dstack for Linux authors
 */
#ifndef DSTACK_CHANCE_H
#define DSTACK_CHANCE_H

#include <stdint.h>
#include <stdlib.h>
#include <time.h>

/* xorshift64*: good enough, and the same everywhere. */
static inline uint64_t any(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dULL >> 16;
}

static inline unsigned int below(uint64_t *state, unsigned int end)
{
	return any(state) % end;
}

static inline uint64_t seed(void)
{
	const char *text = getenv("FUZZ_SEED");

	return text ? strtoull(text, NULL, 0) :
		      (uint64_t)time(NULL) * 2654435761U | 1;
}

#endif /* DSTACK_CHANCE_H */
