// SPDX-License-Identifier: MIT
/*
 * Starts programs from many threads at once
 *
 * Copyright The dstack for Linux authors
 *
 * Prints how many ran, "ok COUNT", and for each errno how many failed with it;
 * with a time, also how long a program took, from its start to its end: the
 * median, the 99th of a hundred, and the longest.
 */
#include <pthread.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "prog.h"

#define THREADS_MAX	1000
#define ERRNO_MAX	256
#define STACK_SIZE	65536
#define ARG_SIZE	100000	/* below what the kernel takes for one */
#define TIMES_MAX	1000000

static char **files;
static int nr_files, rounds;
static char **args;		/* args[0] is the program */
static pthread_barrier_t ready;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned int ended[ERRNO_MAX];	/* by errno, under lock */
static uint64_t times[TIMES_MAX];	/* in ns, under lock */
static size_t nr_times;
static uint64_t deadline;		/* 0: so many rounds */

static int usage(void)
{
	fputs("Usage: prog_storm [-c CGROUP] [-a BYTES] [-e] [-s] THREADS"
	      " ROUNDS FILE...\n\n"
	      "Each thread runs one FILE, ROUNDS times.\n\n"
	      "  -c CGROUP  move to this cgroup directory first\n"
	      "  -a BYTES   of arguments for each program\n"
	      "  -e         exec in the threads themselves: one can win\n"
	      "  -s         ROUNDS are seconds, and one FILE is run at least\n",
	      stderr);
	return 2;
}

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static void count(int err, uint64_t begin)
{
	uint64_t end = now();

	pthread_mutex_lock(&lock);
	ended[err < ERRNO_MAX ? err : ERRNO_MAX - 1]++;
	if (nr_times < TIMES_MAX)
		times[nr_times++] = end - begin;
	pthread_mutex_unlock(&lock);
}

static int make_args(size_t bytes)
{
	size_t nr = (bytes + ARG_SIZE - 1) / ARG_SIZE, i;
	char *text = malloc(ARG_SIZE);

	args = calloc(nr + 2, sizeof(*args));
	if (!text || !args)
		return -1;
	memset(text, 'x', ARG_SIZE - 1);
	text[ARG_SIZE - 1] = '\0';
	for (i = 1; i <= nr; i++)
		args[i] = text;
	return 0;
}

/* The errno of the exec, as the child's exit status. */
static int fork_and_exec(const char *file, int *pid)
{
	*pid = fork();
	if (*pid < 0)
		return errno;
	if (*pid)
		return 0;
	execv(file, args);
	_exit(errno);
}

static int run(const char *file, int by_fork)
{
	int pid, status, err;

	err = by_fork ? fork_and_exec(file, &pid) :
			posix_spawn(&pid, file, NULL, NULL, args, environ);
	if (err)
		return err;
	if (waitpid(pid, &status, 0) != pid)
		return errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : ERRNO_MAX;
}

static void *work(void *arg)
{
	size_t nr = (size_t)arg;
	uint64_t begin;
	int i;

	pthread_barrier_wait(&ready);
	for (i = 0; deadline ? !i || now() < deadline : i < rounds; i++) {
		begin = now();
		count(run(files[nr % nr_files], nr & 2), begin);
	}
	return NULL;
}

static void *exec_here(void *arg)
{
	int i;

	pthread_barrier_wait(&ready);
	for (i = 0; i < rounds; i++) {
		execv(files[(size_t)arg % nr_files], args);
		count(errno, now());
	}
	return NULL;
}

static int storm(size_t nr, void *(*fn)(void *arg))
{
	static pthread_t threads[THREADS_MAX];
	pthread_attr_t attr;
	size_t i;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	pthread_barrier_init(&ready, NULL, nr);
	for (i = 0; i < nr; i++)
		if (pthread_create(&threads[i], &attr, fn, (void *)i))
			return -1;
	for (i = 0; i < nr; i++)
		pthread_join(threads[i], NULL);
	return 0;
}

static int compare_times(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void report_times(void)
{
	if (!nr_times)
		return;
	qsort(times, nr_times, sizeof(*times), compare_times);
	printf("p50 %llu\np99 %llu\nmax %llu\n",
	       (unsigned long long)times[nr_times / 2],
	       (unsigned long long)times[nr_times * 99 / 100],
	       (unsigned long long)times[nr_times - 1]);
}

static void report(void)
{
	int i;

	for (i = 0; i < ERRNO_MAX; i++) {
		errno = i;
		if (ended[i])
			printf("%s %u\n", i ? errno_name() : "ok", ended[i]);
	}
	if (deadline)
		report_times();
}

int main(int argc, char **argv)
{
	void *(*fn)(void *arg) = work;
	const char *cgroup = NULL;
	size_t bytes = 0, nr;
	int c, seconds = 0;

	while ((c = getopt(argc, argv, "+c:a:es")) != -1) {
		if (c == '?')
			return usage();
		if (c == 'c')
			cgroup = optarg;
		else if (c == 'a')
			bytes = strtoul(optarg, NULL, 10);
		else if (c == 's')
			seconds = 1;
		else
			fn = exec_here;
	}
	if (argc < optind + 3)
		return usage();
	nr = strtoul(argv[optind], NULL, 10);
	rounds = atoi(argv[optind + 1]);
	files = argv + optind + 2;
	nr_files = argc - optind - 2;
	if (!nr || nr > THREADS_MAX)
		return usage();
	if ((cgroup && enter_cgroup(cgroup)) || make_args(bytes)) {
		perror("prog_storm");
		return 1;
	}
	args[0] = files[0];
	if (seconds)
		deadline = now() + rounds * 1000000000ULL;
	if (storm(nr, fn))
		return 1;
	report();
	return 0;
}
