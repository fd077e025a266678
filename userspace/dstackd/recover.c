// SPDX-License-Identifier: MIT
/*
 * The log file: recover after a crash, a reboot, or damage
 *
 * Copyright The dstack for Linux authors
 *
 * The kernel keeps the digests of the newest events, and the value that those
 * before replay to.  A file whose lines claim digests that replay to it has the
 * right ones: so each line can be checked, and a good line is as good as the
 * kernel's own record wherever it is found.
 */
#include "dstackd.h"
#include "event.h"
#include "material.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * A module that was loaded again goes on where the register stood: its first
 * event is the line at which the file replays to that value.
 */
static size_t find_first(const struct material *m, size_t from, size_t end)
{
	uint8_t value[DSTACK_REGISTER_SIZE] = { 0 };
	size_t i;

	for (i = from; i <= end; i++) {
		if (!memcmp(value, m->kernel->base, sizeof(value)))
			return i;
		if (i == end || !m->lines.items[i].len ||
		    dstack_event_fold(value, m->lines.items[i].digest))
			break;
	}
	return from;
}

/* Take the digests that the kernel has forgotten from the lines at @first. */
static void take_digests(struct material *m, size_t first, size_t end)
{
	uint64_t seq;

	for (seq = 0; seq < m->kernel->first && first + seq < end; seq++)
		memcpy(m->kernel->digests[seq],
		       m->lines.items[first + seq].digest,
		       DSTACK_REGISTER_SIZE);
}

/* ... if they replay to what the kernel says. */
static void prove(struct material *m, size_t from, size_t end)
{
	const struct kernel_log *kernel = m->kernel;
	size_t first = find_first(m, from, end);
	uint8_t value[DSTACK_REGISTER_SIZE];
	uint64_t seq;

	memcpy(value, kernel->base, sizeof(value));
	for (seq = 0; seq < kernel->first; seq++)
		if (first + seq >= end ||
		    dstack_event_fold(value,
				      m->lines.items[first + seq].digest))
			return;
	m->proven = !kernel->first ||
		!memcmp(value, kernel->start, sizeof(value));
	if (m->proven)
		take_digests(m, first, end);
}

static bool line_is(const struct material *m, size_t i, uint64_t seq)
{
	return i < m->own && seq < m->kernel->count && m->lines.items[i].len &&
		!memcmp(m->lines.items[i].digest, m->kernel->digests[seq],
			DSTACK_REGISTER_SIZE);
}

static uint64_t count_matches(const struct material *m)
{
	uint64_t seq = 0;

	while (line_is(m, m->first + seq, seq))
		seq++;
	return seq;
}

/* Is a newer event where it is when those before have their places? */
static bool in_place(const struct material *m)
{
	uint64_t seq;

	for (seq = m->kernel->first; seq < m->kernel->acked; seq++)
		if (line_is(m, m->first + seq, seq))
			return true;
	return false;
}

/*
 * Nobody knows the oldest digests any more.  Lines that have their places stay,
 * as they can be right; but another boot's must not pass for ours.
 */
static void do_without_proof(const struct store *store, struct material *m)
{
	if (m->proven)
		return;
	if (in_place(m))
		take_digests(m, m->first, m->own);
	msg("the first %" PRIu64 " events of '%s' can't be checked: the kernel has only newer digests, and the file doesn't replay to where those begin",
	    m->kernel->first, store->path);
}

/* The file ends too early: keep the places of what nobody has any more. */
static int append_lost(struct store *store, const struct kernel_log *kernel,
		       uint64_t from)
{
	uint64_t seq;
	int err = 0;

	for (seq = from; !err && seq < kernel->acked; seq++) {
		err = store_add_lost(store, kernel->digests[seq]);
		if (!err && store->len >= BATCH_BYTES)
			err = store_commit(store);
	}
	if (!err)
		err = store_commit(store);
	if (!err)
		say_lost(store, kernel->acked - from, from);
	return err;
}

/* What is in the place of the open file, if that is not there itself. */
static int find_other(const struct store *store, struct material *m)
{
	struct stat ours, st;

	m->other = open(store->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW |
			O_NONBLOCK);
	if (m->other < 0) {
		m->moved = true;
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	}
	if (fstat(store->fd, &ours) || fstat(m->other, &st))
		return -errno;
	m->moved = ours.st_dev != st.st_dev || ours.st_ino != st.st_ino;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	return 0;
}

static int read_own(struct material *m, int fd)
{
	int err;

	lines_free(&m->lines);
	err = lines_read(&m->lines, fd);
	m->own = m->lines.nr;
	m->first = find_first(m, 0, m->own);
	prove(m, 0, m->own);
	return err;
}

/*
 * The open file can't be read, for its disk is gone: go on with the file that
 * is in its place, but only if nothing is missing from it.
 */
static int change_over(struct store *store, struct material *m)
{
	const char *path = store->path;
	int err;

	err = read_own(m, m->other);
	if (!err && count_matches(m) < m->kernel->acked)
		err = -EIO;
	if (err)
		return err;
	store_close(store);
	m->moved = false;
	return store_open(store, path) ?: read_own(m, store->fd);
}

static int gather(struct store *store, struct material *m)
{
	int err;

	err = find_other(store, m);
	if (err)
		return err;
	err = read_own(m, store->fd);
	if (err && err != -ENOMEM && m->moved && m->other >= 0)
		err = change_over(store, m);
	if (err)
		return err;
	store->size = m->lines.end;
	if (!m->moved || m->other < 0)
		return 0;
	err = lines_read(&m->lines, m->other);
	if (!m->proven)
		prove(m, m->own, m->lines.nr);
	return err;
}

/* Writing was cut short: the kernel still has this event. */
static int cut_torn_line(struct store *store)
{
	struct stat st;

	if (fstat(store->fd, &st))
		return -errno;
	if (st.st_size <= store->size)
		return 0;
	if (ftruncate(store->fd, store->size))
		return -errno;
	msg("'%s' ended with an incomplete line of %lld bytes: cut off",
	    store->path, (long long)(st.st_size - store->size));
	return 0;
}

static int repair(struct store *store, struct material *m, uint64_t *next)
{
	const struct kernel_log *kernel = m->kernel;
	struct stat st;
	uint64_t good;
	int err;

	do_without_proof(store, m);
	good = count_matches(m);
	*next = good > kernel->acked ? good : kernel->acked;
	if (m->moved || good < m->own - m->first) {
		*next = kernel->acked;
		return rewrite(store, m, good);
	}
	err = cut_torn_line(store);
	if (!err && good < kernel->acked)
		return append_lost(store, kernel, good);
	/* Who wrote these lines may have died before its sync. */
	if (!err && (fdatasync(store->fd) || fstat(store->fd, &st)))
		err = -errno;
	if (!err)
		store->mtime = st.st_mtim;
	return err;
}

int store_recover(struct store *store, const struct kernel_log *kernel,
		  uint64_t *next)
{
	struct material m = { .kernel = kernel, .other = -1 };
	char path[PATH_MAX];
	int err;

	/* Who died while writing it left what nobody wants. */
	if (!rewrite_path(store, path))
		unlink(path);
	store->dirty = false;
	err = gather(store, &m) ?: repair(store, &m, next);
	lines_free(&m.lines);
	if (m.other >= 0)
		close(m.other);
	return err;
}
