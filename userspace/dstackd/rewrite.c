// SPDX-License-Identifier: MIT
/*
 * The log file: write it anew
 *
 * Copyright The dstack for Linux authors
 */
#include "dstackd.h"
#include "material.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ASIDE_TRIES	100
#define COPY_BYTES	65536

void say_lost(const struct store *store, uint64_t lost, uint64_t seq)
{
	if (lost)
		msg("%llu events are missing from '%s', the first is event %llu: the kernel has only their digests, so this log can't be replayed past it",
		    (unsigned long long)lost, store->path,
		    (unsigned long long)seq);
}

int rewrite_path(const struct store *store, char path[PATH_MAX])
{
	return snprintf(path, PATH_MAX, "%s.new", store->path) < PATH_MAX ?
		0 : -ENAMETOOLONG;
}

/* What is written, and the part of an old file that comes next. */
struct output {
	struct store file;
	int fd;
	off_t at, len;
	uint64_t missing, first_missing;
};

static int write_some(struct output *out)
{
	if (out->file.len < BATCH_BYTES)
		return 0;
	notify_alive();
	return store_write(&out->file);
}

static int copy_part(struct output *out)
{
	char buf[COPY_BYTES];
	int err = 0;

	while (!err && out->len) {
		size_t want = out->len < COPY_BYTES ? out->len : COPY_BYTES;
		ssize_t n = pread(out->fd, buf, want, out->at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ESTALE;	/* it was just cut */
		out->at += n;
		out->len -= n;
		err = store_add_text(&out->file, buf, n) ?: write_some(out);
	}
	return err;
}

/* Lines that follow each other there are copied at once. */
static int put_line(struct output *out, const struct line *line)
{
	int err;

	if (line->fd != out->fd || line->at != out->at + out->len) {
		err = copy_part(out);
		if (err)
			return err;
		out->fd = line->fd;
		out->at = line->at;
	}
	out->len += line->len;
	return 0;
}

static int put_lost(struct output *out, const struct kernel_log *kernel,
		    uint64_t seq)
{
	if (!out->missing++)
		out->first_missing = seq;
	return copy_part(out) ?:
	       store_add_lost(&out->file, kernel->digests[seq]) ?:
	       write_some(out);
}

static int compare_digests(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	return memcmp(x->digest, y->digest, sizeof(x->digest));
}

/* The good ones, by digest. */
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

static int put_events(struct output *out, struct material *m)
{
	const struct kernel_log *kernel = m->kernel;
	struct lines *lines = &m->lines;
	uint64_t seq;
	int err = 0;

	sort_lines(lines);
	for (seq = 0; !err && seq < kernel->acked; seq++) {
		struct line key = { .at = 0 }, *line = NULL;

		memcpy(key.digest, kernel->digests[seq], sizeof(key.digest));
		if (lines->nr)
			line = bsearch(&key, lines->items, lines->nr,
				       sizeof(key), compare_digests);
		err = line ? put_line(out, line) : put_lost(out, kernel, seq);
	}
	return err ?: copy_part(out);
}

/* The events before this module's, and then this module's. */
static int write_new(struct output *out, const char *path,
		     const struct store *old, struct material *m)
{
	struct store *file = &out->file;
	struct stat st;
	int err;

	file->path = old->path;
	file->fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_TRUNC |
			O_CLOEXEC | O_NOFOLLOW, 0600);
	if (file->fd < 0)
		return -errno;
	out->fd = old->fd;
	if (m->first)
		out->len = m->first < m->own ? m->lines.items[m->first].at :
			   old->size;
	err = put_events(out, m) ?: store_write(file);
	if (!err && (fsync(file->fd) || fstat(file->fd, &st)))
		err = -errno;
	if (!err) {
		file->size = st.st_size;
		file->mtime = st.st_mtim;
	}
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

static void say_kept(const struct store *store, const struct material *m,
		     const char *aside, uint64_t good)
{
	if (m->moved)
		msg("what was found in the place of '%s' is kept as '%s'",
		    store->path, aside);
	else
		msg("'%s' is not this kernel's log from event %" PRIu64 " on (another boot's, or damaged): kept as '%s'",
		    store->path, good, aside);
}

/* The new file at @path takes the place of the old one. */
static int replace(const struct store *store, const struct material *m,
		   const char *path, uint64_t good)
{
	bool aside = !m->moved || m->other >= 0;
	char kept[PATH_MAX];
	int err = 0;

	if (aside)
		err = keep_aside(store, kept, sizeof(kept));
	if (!err && rename(path, store->path))
		err = -errno;
	if (!err && aside)
		say_kept(store, m, kept, good);
	return err ?: store_sync_parent(store->path);
}

int rewrite(struct store *store, struct material *m, uint64_t good)
{
	struct output out = { .file.fd = -1 };
	char path[PATH_MAX];
	int err;

	err = rewrite_path(store, path) ?: store_make_parent(path);
	if (err)
		return err;
	err = write_new(&out, path, store, m) ?: replace(store, m, path, good);
	if (err) {
		store_close(&out.file);
		unlink(path);	/* a full disk needs the space */
		return err;
	}
	say_lost(store, out.missing, out.first_missing);
	/* Not by its name, which may mean another file already. */
	store_close(store);
	*store = out.file;
	return 0;
}
