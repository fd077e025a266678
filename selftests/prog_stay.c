// SPDX-License-Identifier: MIT
/*
 * Runs until it is ended, in ways that make it hard to find
 *
 * Copyright The dstack for Linux authors
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "prog.h"

#define CHAINS	3

static int usage(void)
{
	fputs("Usage: prog_stay [-m FILE] [-n N] [-t|-f|-l]\n\n"
	      "  -m FILE  map FILE executable\n"
	      "  -n N     as N processes\n"
	      "  -t       in a thread, while the first one has ended\n"
	      "  -f       as processes that fork and exit without end\n"
	      "  -l       change the mappings without end\n", stderr);
	return 2;
}

static void stay(void)
{
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}

static void *stay_in_thread(void *unused)
{
	(void)unused;
	stay();
	return NULL;
}

static int stay_without_leader(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, stay_in_thread, NULL))
		return 1;
	pthread_exit(NULL);
}

/* Each process lives just long enough to make the next. */
static void hop(void)
{
	int i;

	puts("ready");
	fflush(stdout);
	for (i = 1; i < CHAINS; i++)
		if (!fork())
			break;
	for (;;)
		if (fork() > 0)
			_exit(0);
}

static void shuffle(void)
{
	puts("ready");
	fflush(stdout);
	for (;;) {
		void *at = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE,
				-1, 0);

		munmap(at, 1 << 20);
	}
}

static int map(const char *name)
{
	int fd = open(name, O_RDONLY);

	return fd < 0 || mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE,
			      fd, 0) == MAP_FAILED;
}

int main(int argc, char **argv)
{
	int c, how = 0, others = 0;

	while ((c = getopt(argc, argv, "m:n:tfl")) != -1) {
		if (c == 'm' && map(optarg)) {
			puts(errno_name());
			return 126;
		}
		if (c == 'n')
			others = atoi(optarg) - 1;
		else if (c == '?')
			return usage();
		else if (c != 'm')
			how = c;
	}
	while (others-- > 0)
		if (!fork())
			stay();
	switch (how) {
	case 't':
		return stay_without_leader();
	case 'f':
		hop();
		break;
	case 'l':
		shuffle();
		break;
	}
	stay();
	return 0;
}
