// SPDX-License-Identifier: MIT
/*
 * Is a tick an instruction
 *
 * Copyright The dstack for Linux authors
 */
#include "bench.h"

/* @rounds times two instructions, and two before. */
static __attribute__((noinline)) uint64_t loop(uint64_t rounds)
{
	uint64_t begin = ticks();

	__asm__ volatile("mov %0, %%rcx\n"
			 "nop\n"
			 "1: dec %%rcx\n"
			 "jnz 1b\n"
			 : : "r" (rounds) : "rcx", "cc");
	return ticks() - begin;
}

/* The difference of two lengths: what surrounds the loop falls out. */
int cmd_calibrate(const struct options *opt, char **args)
{
	struct series series;
	size_t i;

	(void)args;
	series_init(&series, opt->count);
	for (i = 0; i < opt->warm + opt->count; i++) {
		uint64_t one = loop(1000), two = loop(2000);

		if (i >= opt->warm)
			series_add(&series, two - one);
	}
	series_print(&series, opt->name);
	return 0;
}
