/* SPDX-License-Identifier: MIT */
/*
 * A log file, and what the kernel says of it
 *
 * Copyright The dstack for Linux authors
 */
#ifndef RECOVER_FIXTURE_H
#define RECOVER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../dstackd/store.c" /* NOLINT(bugprone-suspicious-include) */
#include "../dstackd/lines.c" /* NOLINT(bugprone-suspicious-include) */
#include "../dstackd/rewrite.c" /* NOLINT(bugprone-suspicious-include) */
#include "../dstackd/recover.c" /* NOLINT(bugprone-suspicious-include) */

#define EVENTS 8

void msg(const char *fmt, ...)
{
	(void)fmt;
}

void notify_alive(void)
{
}

void library_message(const char *message)
{
	(void)message;
}

/* As assert_true(), in a way that analysers understand. */
static inline void must(bool ok)
{
	if (ok)
		return;
	fail();
	abort();
}

/* A directory with a log file in it, and what the kernel says of its log. */
struct world {
	char dir[64];
	char path[128];
	struct kernel_log kernel;
	uint8_t digests[EVENTS][DSTACK_REGISTER_SIZE];
	uint8_t known[EVENTS][DSTACK_REGISTER_SIZE];	/* by the kernel */
	char *lines[EVENTS];
	uint64_t next;
};

static inline void make_event(struct world *w, int i)
{
	char payload[32];
	int len = snprintf(payload, sizeof(payload), "payload %d", i);

	assert_int_equal(dstack_event_digest("test", 4, payload, len,
					     w->digests[i]), 0);
	assert_int_equal(libdstack_event_to_json("test", 4, payload, len,
						 w->digests[i], &w->lines[i]),
			 0);
}

static inline int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	int i;

	assert_non_null(w);
	snprintf(w->dir, sizeof(w->dir), "/tmp/recover_test.XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->path, sizeof(w->path), "%s/log/log.jsonl", w->dir);
	for (i = 0; i < EVENTS; i++)
		make_event(w, i);
	w->kernel.digests = w->digests;
	w->kernel.count = EVENTS;
	*state = w;
	return 0;
}

static inline int remove_entry(const char *path, const struct stat *st,
			       int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline int teardown(void **state)
{
	struct world *w = *state;
	int i;

	assert_int_equal(nftw(w->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS),
			 0);
	for (i = 0; i < EVENTS; i++)
		free(w->lines[i]);
	free(w);
	return 0;
}

/* The kernel keeps only digests from event @first on. */
static inline void forget(struct world *w, uint64_t first)
{
	uint64_t i;

	memcpy(w->kernel.start, w->kernel.base, sizeof(w->kernel.start));
	for (i = 0; i < first; i++)
		assert_int_equal(dstack_event_fold(w->kernel.start,
						   w->kernel.digests[i]), 0);
	memcpy(w->known, w->kernel.digests,
	       w->kernel.count * DSTACK_REGISTER_SIZE);
	memset(w->known, 0, first * DSTACK_REGISTER_SIZE);
	w->kernel.digests = w->known;
	w->kernel.first = first;
}

/* Add text to the log file, as an earlier daemon or bad luck did. */
static inline void append(struct world *w, const char *text)
{
	struct store store;

	must(!store_open(&store, w->path));
	assert_int_equal(write_all(store.fd, text, strlen(text)), 0);
	store_close(&store);
}

static inline void append_events(struct world *w, int from, int to)
{
	for (; from < to; from++)
		append(w, w->lines[from]);
}

static inline void recover(struct world *w)
{
	struct store store;

	must(!store_open(&store, w->path));
	assert_int_equal(store_recover(&store, &w->kernel, &w->next), 0);
	store_close(&store);
}

static inline char *content(const struct world *w)
{
	size_t len;
	char *text;
	FILE *in = fopen(w->path, "r");

	text = calloc(1, 65536);
	must(in && text);
	len = fread(text, 1, 65535, in);
	text[len] = '\0';
	fclose(in);
	return text;
}

/* The file is exactly the events [0, nr), but for those in @lost. */
static inline void assert_holds(const struct world *w, int nr,
				unsigned int lost)
{
	char *text = content(w), *at = text;
	struct libdstack_log *log;
	int i;

	for (i = 0; i < nr; i++) {
		char *end = strchr(at, '\n');

		assert_non_null(end);
		if (lost & 1U << i) {
			assert_int_equal(libdstack_log_parse(at, end - at,
							     &log), 0);
			assert_string_equal(log->events[0].name, "lost");
			assert_memory_equal(log->events[0].digest,
					    w->digests[i],
					    DSTACK_REGISTER_SIZE);
			libdstack_log_free(log);
		} else {
			assert_memory_equal(at, w->lines[i], end + 1 - at);
		}
		at = end + 1;
	}
	assert_int_equal(*at, '\0');
	free(text);
}

/* How many files are beside the log: kept ones, or forgotten ones. */
static inline int count_others(const struct world *w)
{
	char path[128];
	struct dirent *entry;
	int nr = -1;		/* the log itself */
	DIR *dir;

	snprintf(path, sizeof(path), "%s/log", w->dir);
	dir = opendir(path);
	must(dir);
	while ((entry = readdir(dir)))
		nr += entry->d_name[0] != '.';
	closedir(dir);
	return nr;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif /* RECOVER_FIXTURE_H */
