/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the guest's benchmark share
 *
 * Copyright The dstack for Linux authors
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * One tick is one guest instruction if the machine counts them (-icount
 * shift=0).  No fence: the emulator executes in order.
 */
static inline uint64_t ticks(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a" (low), "=d" (high) : : "memory");
	return (uint64_t)high << 32 | low;
}

/* "dstp" in eax: what follows is counted as @phase by tools/profile, 0: no. */
#define MARK_LEAF	0x70747364U

static inline void mark(size_t phase)
{
	uint32_t a = MARK_LEAF, b, c = (uint32_t)phase, d;

	__asm__ volatile("cpuid" : "+a" (a), "=b" (b), "+c" (c), "=d" (d)
			 : : "memory");
}

/**
 * struct series - samples of one measurement
 * @values: ticks
 * @cap: how many will be taken
 * @count: how many were taken
 */
struct series {
	uint64_t *values;
	size_t cap;
	size_t count;
};

/**
 * struct options - what every measurement can be told
 * @name: of its series
 * @cgroup: to be in; NULL: stay
 * @warm: rounds before the first sample
 * @count: samples
 * @phase: of the profile, 0: none
 * @other: a process whose time is told apart, 0: none
 */
struct options {
	const char *name;
	const char *cgroup;
	size_t warm;
	size_t count;
	size_t phase;
	size_t other;
};

/* Touches the memory, so that no sample pays for it. */
void series_init(struct series *series, size_t cap);
void series_add(struct series *series, uint64_t value);
/* One line: name, then every value. */
void series_print(const struct series *series, const char *name);

void die(const char *what) __attribute__((noreturn));
void enter(const char *cgroup);
/* The file's content is in the page cache afterwards. */
void read_whole(int fd);

int cmd_calibrate(const struct options *opt, char **args);
int cmd_exec(const struct options *opt, char **args);
int cmd_map(const struct options *opt, char **args);
int cmd_pin(const struct options *opt, char **args);
int cmd_hash(const struct options *opt, char **args);
int cmd_content(const struct options *opt, char **args);
int cmd_extend(const struct options *opt, char **args);
int cmd_why(const struct options *opt, char **args);
int cmd_key(const struct options *opt, char **args);
int cmd_settle(const struct options *opt, char **args);

#endif /* BENCH_H */
