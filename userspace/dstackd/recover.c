// SPDX-License-Identifier: MIT
/*
 * The log file: recover after a crash, a reboot, or damage
 *
 * Copyright The dstack for Linux authors
 *
 * The kernel keeps the digest of every event, so each line can be checked, and
 * a good line is as good as the kernel's own record wherever it is found.
 */
#include "dstackd.h"
#include "event.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_LEN	65536
#define ASIDE_TRIES	100

struct line {
	size_t at;
	uint32_t len;		/* with its newline; 0: not an event */
	uint8_t digest[DSTACK_REGISTER_SIZE];
};

struct lines {
	char *text;		/* the whole file, mapped */
	size_t size;
	struct line *items;
	size_t nr, cap;
	size_t first;		/* line of the kernel's event 0 */
};

/* A place that store_add_lost() kept is good, too: it is known to be lost. */
static bool content_ok(const struct libdstack_event *event)
{
	uint8_t digest[DSTACK_REGISTER_SIZE];

	if (!event->payload_len && !strcmp(event->name, "lost"))
		return true;
	return !dstack_event_digest(event->name, strlen(event->name),
				    event->payload, event->payload_len,
				    digest) &&
		!memcmp(digest, event->digest, sizeof(digest));
}

static void parse_line(const char *text, struct line *line)
{
	struct libdstack_log *log;

	if (line->len > LINE_MAX_LEN ||
	    libdstack_log_parse(text, line->len, &log)) {
		line->len = 0;
		return;
	}
	if (log->count == 1 && content_ok(&log->events[0]))
		memcpy(line->digest, log->events[0].digest,
		       sizeof(line->digest));
	else
		line->len = 0;
	libdstack_log_free(log);
}

static int add_line(struct lines *lines, size_t at, size_t len)
{
	struct line *line;

	if (lines->nr == lines->cap) {
		size_t cap = lines->cap ? 2 * lines->cap : 1024;

		line = reallocarray(lines->items, cap, sizeof(*line));
		if (!line)
			return -ENOMEM;
		lines->items = line;
		lines->cap = cap;
	}
	line = &lines->items[lines->nr++];
	memset(line, 0, sizeof(*line));
	line->at = at;
	line->len = len > LINE_MAX_LEN ? LINE_MAX_LEN + 1 : len;
	parse_line(lines->text + at, line);
	return 0;
}

static void free_lines(struct lines *lines)
{
	if (lines->text)
		munmap(lines->text, lines->size);
	free(lines->items);
	memset(lines, 0, sizeof(*lines));
}

/* Writing was cut short: the kernel still has this event. */
static int cut_torn_line(struct store *store)
{
	off_t end = store->size;
	char c;

	while (end > 0) {
		if (pread(store->fd, &c, 1, end - 1) != 1)
			return -EIO;
		if (c == '\n')
			break;
		end--;
	}
	if (end == store->size)
		return 0;
	msg("'%s' ends with an incomplete line of %lld bytes: cut off",
	    store->path, (long long)(store->size - end));
	if (ftruncate(store->fd, end))
		return -errno;
	store->size = end;
	return 0;
}

static int read_lines(const struct store *store, struct lines *lines)
{
	size_t at, len;
	int err = 0;

	memset(lines, 0, sizeof(*lines));
	if (!store->size)
		return 0;
	lines->size = store->size;
	lines->text = mmap(NULL, lines->size, PROT_READ, MAP_PRIVATE,
			   store->fd, 0);
	if (lines->text == MAP_FAILED) {
		lines->text = NULL;
		return -errno;
	}
	/* A bad line is no error here: the result is told once, as a whole. */
	libdstack_set_message_callback(NULL);
	for (at = 0; !err && at < lines->size; at += len) {
		const char *end = memchr(lines->text + at, '\n',
					 lines->size - at);

		len = lines->size - at;
		if (end)
			len = end + 1 - (lines->text + at);
		err = add_line(lines, at, len);
	}
	libdstack_set_message_callback(library_message);
	if (err)
		free_lines(lines);
	return err;
}

/*
 * A module that was loaded again goes on where the register stood: its first
 * event is the line at which the file replays to that value.
 */
static void find_first(struct lines *lines, const struct kernel_log *kernel)
{
	uint8_t value[DSTACK_REGISTER_SIZE] = { 0 };
	size_t i;

	lines->first = 0;
	for (i = 0; i <= lines->nr; i++) {
		if (!memcmp(value, kernel->base, sizeof(value))) {
			lines->first = i;
			return;
		}
		if (i == lines->nr || !lines->items[i].len ||
		    dstack_event_fold(value, lines->items[i].digest))
			return;
	}
}

static bool line_is(const struct lines *lines, size_t i,
		    const struct kernel_log *kernel, uint64_t seq)
{
	return i < lines->nr && seq < kernel->count && lines->items[i].len &&
		!memcmp(lines->items[i].digest, kernel->digests[seq],
			DSTACK_REGISTER_SIZE);
}

static uint64_t count_matches(const struct lines *lines,
			      const struct kernel_log *kernel)
{
	uint64_t seq = 0;

	while (line_is(lines, lines->first + seq, kernel, seq))
		seq++;
	return seq;
}

static void say_lost(const struct store *store, uint64_t lost, uint64_t seq)
{
	if (lost)
		msg("%llu events are missing from '%s', the first is event %llu: the kernel has only their digests, so this log can't be replayed past it",
		    (unsigned long long)lost, store->path,
		    (unsigned long long)seq);
}

/* The file ends too early: keep the places of what nobody has any more. */
static int append_lost(struct store *store, const struct kernel_log *kernel,
		       uint64_t from)
{
	uint64_t seq;
	int err = 0;

	for (seq = from; !err && seq < kernel->acked; seq++)
		err = store_add_lost(store, kernel->digests[seq]);
	if (!err)
		err = store_commit(store);
	if (!err)
		say_lost(store, kernel->acked - from, from);
	return err;
}

static int compare_digests(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	return memcmp(x->digest, y->digest, sizeof(x->digest));
}

/* The good lines, sorted by digest; lines->items is only valid so far. */
static void sort_lines(struct lines *lines)
{
	size_t i, nr = 0;

	for (i = 0; i < lines->nr; i++)
		if (lines->items[i].len)
			lines->items[nr++] = lines->items[i];
	lines->nr = nr;
	if (nr)
		qsort(lines->items, nr, sizeof(*lines->items),
		      compare_digests);
}

static int write_events(FILE *out, const struct store *store,
			struct lines *lines, const struct kernel_log *kernel)
{
	struct store lost = { .fd = -1 };
	uint64_t seq, missing = 0, first = 0;
	int err = 0;

	sort_lines(lines);
	for (seq = 0; !err && seq < kernel->acked; seq++) {
		struct line key = { .at = 0 }, *line = NULL;

		memcpy(key.digest, kernel->digests[seq], sizeof(key.digest));
		if (lines->nr)
			line = bsearch(&key, lines->items, lines->nr,
				       sizeof(key), compare_digests);
		if (line) {
			fwrite(lines->text + line->at, 1, line->len, out);
			continue;
		}
		if (!missing++)
			first = seq;
		lost.len = 0;
		err = store_add_lost(&lost, key.digest);
		fwrite(lost.buf, 1, lost.len, out);
	}
	free(lost.buf);
	if (!err)
		say_lost(store, missing, first);
	return err;
}

/* Give the old file a second name; its own is then replaced at once. */
static int keep_aside(const struct store *store, char *aside, size_t size)
{
	long long now = time(NULL);
	int i;

	for (i = 0; i < ASIDE_TRIES; i++) {
		snprintf(aside, size, "%s.%lld", store->path, now + i);
		if (!link(store->path, aside))
			return 0;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

static int sync_parent(const char *path)
{
	char dir[PATH_MAX];
	char *slash;
	int fd, err = 0;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir] = '\0';
	fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd))
		err = -errno;
	if (fd >= 0)
		close(fd);
	return err;
}

static int write_new(const char *path, const struct store *store,
		     struct lines *lines, const struct kernel_log *kernel)
{
	FILE *out;
	int fd, err;

	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		  0600);
	if (fd < 0)
		return -errno;
	out = fdopen(fd, "w");
	if (!out) {
		close(fd);
		return -ENOMEM;
	}
	if (lines->first)
		fwrite(lines->text, 1, lines->first < lines->nr ?
		       lines->items[lines->first].at : lines->size, out);
	err = write_events(out, store, lines, kernel);
	if (fflush(out) || fsync(fd))
		err = err ?: -errno;
	if (ferror(out))
		err = err ?: -EIO;
	fclose(out);
	return err;
}

static int rewrite(struct store *store, struct lines *lines,
		   const struct kernel_log *kernel, uint64_t good)
{
	char path[PATH_MAX], aside[PATH_MAX];
	char *name = NULL;
	int err;

	if (snprintf(path, sizeof(path), "%s.new", store->path) >= PATH_MAX)
		return -ENAMETOOLONG;
	err = write_new(path, store, lines, kernel) ?:
		keep_aside(store, aside, sizeof(aside));
	if (!err && rename(path, store->path))
		err = -errno;
	if (!err)
		err = sync_parent(store->path);
	if (err)
		return err;
	msg("'%s' is not this kernel's log from event %" PRIu64 " on (another boot's, or damaged): kept as '%s'",
	    store->path, good, aside);
	name = strdup(store->path);
	if (!name)
		return -ENOMEM;
	store_close(store);
	err = store_open(store, name);
	free(name);
	return err;
}

int store_recover(struct store *store, const struct kernel_log *kernel,
		  uint64_t *next)
{
	struct lines lines;
	uint64_t good, nr;
	int err;

	err = cut_torn_line(store) ?: read_lines(store, &lines);
	if (err)
		goto out;
	find_first(&lines, kernel);
	good = count_matches(&lines, kernel);
	nr = lines.nr - lines.first;
	*next = good > kernel->acked ? good : kernel->acked;
	if (good < nr) {
		err = rewrite(store, &lines, kernel, good);
		*next = kernel->acked;
	} else if (good < kernel->acked) {
		err = append_lost(store, kernel, good);
	} else if (fdatasync(store->fd)) {
		/* Who wrote these lines may have died before its sync. */
		err = -errno;
	}
	free_lines(&lines);
out:
	if (err)
		msg("can't recover event log '%s': %s", store->path,
		    strerror(-err));
	return err;
}
