/* SPDX-License-Identifier: MIT */
/*
 * What is left of secrets in this process's memory
 *
 * Copyright The dstack for Linux authors
 *
 * What to look for is kept in disguise, so that looking for it puts no copy
 * there.  Memory that was freed counts: the sanitizer keeps it as it was.
 */
#ifndef MEMORY_FIXTURE_H
#define MEMORY_FIXTURE_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DISGUISE	0x5a
#define CHUNK		65536
#define LARGE		(64UL << 20)	/* regions that are the sanitizer's */
#define NEEDLE_MAX	64

struct needle {
	uint8_t bytes[NEEDLE_MAX];	/* in disguise */
	size_t len;
};

static uint8_t chunk[CHUNK];

static inline struct needle needle_of(const void *secret, size_t len)
{
	struct needle needle = { .len = len };
	size_t i;

	assert_true(len <= sizeof(needle.bytes));
	for (i = 0; i < len; i++)
		needle.bytes[i] = ((const uint8_t *)secret)[i] ^ DISGUISE;
	return needle;
}

static inline bool is_needle(const uint8_t *at, const struct needle *needle)
{
	size_t i;

	for (i = 0; i < needle->len; i++)
		if ((at[i] ^ DISGUISE) != needle->bytes[i])
			return false;
	return true;
}

/* How often it is in the chunk, beginning before @end. */
static inline int count_in_chunk(const struct needle *needle, size_t end,
				 size_t have)
{
	int nr = 0;
	size_t i;

	for (i = 0; i < end && i + needle->len <= have; i++)
		nr += chunk[i] == (needle->bytes[0] ^ DISGUISE) &&
			is_needle(chunk + i, needle);
	return nr;
}

/* @mem: without the sanitizer's leave.  Needles may go over a chunk's end. */
static inline int count_in_region(int mem, unsigned long from,
				  unsigned long to,
				  const struct needle *needles, size_t nr)
{
	size_t step = CHUNK - NEEDLE_MAX, i;
	unsigned long at;
	int found = 0;
	ssize_t n;

	for (at = from; at < to; at += step) {
		if (at < (unsigned long)chunk + CHUNK &&
		    at + CHUNK > (unsigned long)chunk)
			continue;
		n = pread(mem, chunk, to - at < CHUNK ? to - at : CHUNK,
			  (off_t)at);
		for (i = 0; n > 0 && i < nr; i++)
			found += count_in_chunk(&needles[i], step, n);
	}
	return found;
}

/* Copies of any of them, in whatever this process can write to. */
static inline int count_copies(const struct needle *needles, size_t nr)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	int mem = open("/proc/self/mem", O_RDONLY), found = 0, got;
	unsigned long from, to;
	char line[512], mode[5];

	assert_true(maps && mem >= 0);
	while (fgets(line, sizeof(line), maps)) {
		got = sscanf(line, "%lx-%lx %4s", &from, &to, mode);
		assert_int_equal(got, 3);
		if (mode[1] == 'w' && to - from < LARGE)
			found += count_in_region(mem, from, to, needles, nr);
	}
	fclose(maps);
	close(mem);
	explicit_bzero(chunk, sizeof(chunk));
	return found;
}

#endif /* MEMORY_FIXTURE_H */
