// SPDX-License-Identifier: MIT
/*
 * What it takes to recover a long log file
 *
 * Copyright The dstack for Linux authors
 *
 * Built without sanitizers: time and memory are those of dstackd.  The figures
 * are printed; the bounds are what a machine that boots can wait for, and that
 * eight times as many events take no more than eight times as long, roughly.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../dstackd/store.c" /* NOLINT(bugprone-suspicious-include) */
#include "../dstackd/lines.c" /* NOLINT(bugprone-suspicious-include) */
#include "../dstackd/rewrite.c" /* NOLINT(bugprone-suspicious-include) */
#include "../dstackd/recover.c" /* NOLINT(bugprone-suspicious-include) */

#define EVENTS		1000000
#define PART		8
#define SECONDS_MAX	30
#define BYTES_MAX	160	/* of memory for each event */
#define RATIO_MAX	3	/* of the times for one event */
#define REPLAY_MAX	5	/* seconds of a CPU */

void msg(const char *fmt, ...)
{
	(void)fmt;
}

void library_message(const char *message)
{
	(void)message;
}

void notify_alive(void)
{
}

/* A log file of many events, and what the kernel says of it. */
struct world {
	char dir[64], path[128];
	struct kernel_log kernel;
	struct store store;
	double seconds;
	size_t memory;
};

static void must(bool ok)
{
	if (ok)
		return;
	fail();
	abort();
}

static void add_event(struct world *w, uint64_t i)
{
	uint8_t *digest = w->kernel.digests[i];
	char payload[256];
	int len = snprintf(payload, sizeof(payload),
			   "v=1 id=container-%u kind=exec alg=sha256 digest=%064llx reason=approved path=/usr/bin/program-%llu",
			   (unsigned int)(i % 7), (unsigned long long)i,
			   (unsigned long long)i);

	must(!dstack_event_digest("dstack.exec", 11, payload, len, digest));
	must(!store_add(&w->store, "dstack.exec", 11, payload, len, digest));
}

static void world_init(struct world *w, uint64_t nr)
{
	uint64_t i;

	memset(w, 0, sizeof(*w));
	/* Where logs are, not where memory may pass for a disk. */
	snprintf(w->dir, sizeof(w->dir), "/tmp/recover_scale.XXXXXX");
	must(mkdtemp(w->dir));
	snprintf(w->path, sizeof(w->path), "%s/log.jsonl", w->dir);
	w->kernel.digests = calloc(nr, DSTACK_REGISTER_SIZE);
	must(w->kernel.digests && !store_open(&w->store, w->path));
	for (i = 0; i < nr; i++) {
		add_event(w, i);
		if (w->store.len > 64 * BATCH_BYTES)
			must(!store_commit(&w->store));
	}
	must(!store_commit(&w->store));
	w->kernel.count = nr;
	w->kernel.acked = nr;
}

static int remove_entry(const char *path, const struct stat *st, int type,
			struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void world_exit(struct world *w)
{
	store_close(&w->store);
	free(w->kernel.digests);
	nftw(w->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* A line of /proc/self/status, in bytes. */
static size_t memory(const char *name)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];
	size_t kib = 0;

	must(file);
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, name, strlen(name)))
			kib = strtoul(line + strlen(name), NULL, 10);
	fclose(file);
	return kib * 1024;
}

static void forget_peak(void)
{
	FILE *file = fopen("/proc/self/clear_refs", "we");

	must(file);
	fputs("5", file);
	must(!fclose(file));
}

/* As the daemon does it when it starts. */
static void recover(struct world *w)
{
	size_t before;
	uint64_t next;
	double start;

	store_close(&w->store);
	forget_peak();
	before = memory("VmRSS:");
	start = now();
	must(!store_open(&w->store, w->path));
	must(!store_recover(&w->store, &w->kernel, &next));
	w->seconds = now() - start;
	w->memory = memory("VmHWM:") - before;
	must(next == w->kernel.count);
}

/*
 * What happened to the file
 */

static void leave_alone(struct world *w)
{
	(void)w;
}

static void damage_the_middle(struct world *w)
{
	int fd = open(w->path, O_WRONLY);

	must(fd >= 0);
	must(pwrite(fd, "x", 1, w->store.size / 2) == 1);
	close(fd);
}

/* Every event of the kernel is missing, every line is of no use. */
static void take_another_boots(struct world *w)
{
	uint64_t i;

	for (i = 0; i < w->kernel.count; i++)
		w->kernel.digests[i][0] ^= 0xff;
}

/* Of all but the newest the kernel has only what they replay to. */
static void forget_most(struct world *w)
{
	const uint64_t kept = 65536;
	uint64_t i;

	w->kernel.first = w->kernel.count - kept;
	for (i = 0; i < w->kernel.first; i++)
		must(!dstack_event_fold(w->kernel.start, w->kernel.digests[i]));
	memset(w->kernel.digests, 0, w->kernel.first * DSTACK_REGISTER_SIZE);
}

/* A module that was loaded again: its base is far into the file. */
static void forget_the_first_half(struct world *w)
{
	uint64_t half = w->kernel.count / 2, i;

	for (i = 0; i < half; i++)
		must(!dstack_event_fold(w->kernel.base, w->kernel.digests[i]));
	memmove(w->kernel.digests, w->kernel.digests + half,
		(w->kernel.count - half) * DSTACK_REGISTER_SIZE);
	w->kernel.count -= half;
	w->kernel.acked = w->kernel.count;
}

static void run(struct world *w, uint64_t nr, void (*happen)(struct world *w))
{
	world_init(w, nr);
	happen(w);
	recover(w);
}

static void measure(const char *name, void (*happen)(struct world *w))
{
	struct world small, large;
	off_t size;

	run(&small, EVENTS / PART, happen);
	world_exit(&small);
	run(&large, EVENTS, happen);
	size = large.store.size;
	world_exit(&large);
	printf("# %s: %d events, %lld MiB then: %.1f s, %zu MiB besides %zu MiB of digests; an eighth of it: %.1f s\n",
	       name, EVENTS, (long long)size >> 20, large.seconds,
	       large.memory >> 20,
	       (size_t)EVENTS * DSTACK_REGISTER_SIZE >> 20, small.seconds);
	must(large.seconds < SECONDS_MAX);
	must(large.memory < (size_t)EVENTS * BYTES_MAX);
	must(large.seconds < PART * RATIO_MAX * small.seconds);
}

static void whole_file(void **state)
{
	(void)state;
	measure("whole file", leave_alone);
}

static void file_whose_digests_are_forgotten(void **state)
{
	(void)state;
	measure("forgotten digests", forget_most);
}

static void file_of_two_modules(void **state)
{
	(void)state;
	measure("second module", forget_the_first_half);
}

static void damaged_file(void **state)
{
	(void)state;
	measure("damaged file", damage_the_middle);
}

static void file_of_another_boot(void **state)
{
	(void)state;
	measure("another boot's file", take_another_boots);
}

static double now_of_cpu(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* What "dstackctl replay" does, whatever else the machine does. */
static void replay_of_a_million_events(void **state)
{
	uint8_t value[DSTACK_REGISTER_SIZE] = { 0 };
	struct libdstack_log *log;
	struct world w;
	double start;
	size_t bad;

	(void)state;
	world_init(&w, EVENTS);
	start = now_of_cpu();
	must(!libdstack_log_read(w.path, &log));
	must(!libdstack_log_replay(log, EVENTS, value, &bad));
	w.seconds = now_of_cpu() - start;
	libdstack_log_free(log);
	world_exit(&w);
	printf("# replay: %d events: %.1f s\n", EVENTS, w.seconds);
	must(w.seconds < REPLAY_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_file),
		cmocka_unit_test(file_whose_digests_are_forgotten),
		cmocka_unit_test(file_of_two_modules),
		cmocka_unit_test(damaged_file),
		cmocka_unit_test(file_of_another_boot),
		cmocka_unit_test(replay_of_a_million_events),
	};

	return cmocka_run_group_tests_name("recover_scale", tests, NULL, NULL);
}
