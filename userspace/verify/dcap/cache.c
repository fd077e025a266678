// SPDX-License-Identifier: MIT
/*
 * Collateral, kept in files and fetched when it is about to expire
 *
 * Copyright The dstack for Linux authors
 *
 * A file is replaced by renaming, so readers need no lock.  Who fetches holds
 * one on the file beside it, and whoever waited for it takes what came of that:
 * the new file, or the failure, whose time is that of the lock's file.
 */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MARGIN_MAX	(7 * 86400)	/* before its end newer is fetched */
#define PAUSE		60	/* seconds after a failure, while kept serves */
#define POLL_NS		20000000	/* between looks at a lock */

#define NO_LOCK		(-1)	/* none can be had */
#define BUSY		(-2)	/* somebody else has it */

struct entry {
	const struct libdstack_collateral_source *source;
	struct dcap_key key;
	time_t now;
	char *path;			/* NULL: nothing is kept */
	struct timespec came;		/* when this call was made */
	struct libdstack_collateral *kept;	/* checked; or NULL */
	struct libdstack_failure kept_failure;	/* valid, but for this */
	struct libdstack_failure *failure;
};

static int memory(struct entry *e)
{
	return verify_fail(e->failure, REASON(MEMORY), "out of memory");
}

static int make_path(struct entry *e)
{
	char fmspc[2 * DCAP_FMSPC_SIZE + 1];

	if (!e->source->dir)
		return 0;
	if (asprintf(&e->path, "%s/%s-%s-%s.json", e->source->dir,
		     e->key.tdx ? "tdx" : "sgx",
		     libdstack_to_hex(e->key.fmspc, sizeof(e->key.fmspc),
				      fmspc),
		     e->key.processor ? "processor" : "platform") < 0) {
		e->path = NULL;
		return memory(e);
	}
	return 0;
}

/* What can't be read is not there; why is remembered. */
static void load(struct entry *e)
{
	struct libdstack_failure *f = &e->kept_failure;

	libdstack_collateral_free(e->kept);
	e->kept = NULL;
	memset(f, 0, sizeof(*f));
	if (!e->path || access(e->path, F_OK)) {
		verify_fail(f, REASON(UNAVAILABLE), "none is kept");
		return;
	}
	if (libdstack_collateral_read(e->path, &e->kept)) {
		e->kept = NULL;
		verify_fail(f, REASON(MALFORMED), "'%.160s' can't be read",
			    e->path);
		return;
	}
	if (!dcap_key_check(e->source, &e->key, e->kept, e->now, f) ||
	    f->reason == REASON(EXPIRED) || f->reason == REASON(EARLY))
		return;
	libdstack_collateral_free(e->kept);
	e->kept = NULL;
}

static bool is_valid(const struct entry *e)
{
	return e->kept && e->kept_failure.reason == REASON(NONE);
}

static bool is_fresh(const struct entry *e)
{
	const struct dcap_window *w;
	int64_t margin;

	if (!is_valid(e))
		return false;
	w = &e->kept->trust->window;
	margin = (w->to - w->from) / 4;
	if (margin > MARGIN_MAX)
		margin = MARGIN_MAX;
	return e->now <= w->to - margin;
}

static bool is_older(const struct dcap_trust *a, const struct dcap_trust *b)
{
	return a->tcb_info.eval_number < b->tcb_info.eval_number ||
		a->tcb_info.issued < b->tcb_info.issued ||
		a->qe.eval_number < b->qe.eval_number ||
		a->qe.issued < b->qe.issued;
}

/* What was fetched is as good as what is kept, and of this platform. */
static int check_new(struct entry *e, struct libdstack_collateral *c)
{
	int err = dcap_key_check(e->source, &e->key, c, e->now, e->failure);

	if (!err && e->kept && is_older(c->trust, e->kept->trust))
		err = verify_fail(e->failure, REASON(MISMATCH),
				  "what was fetched is older than what is kept: it is rolled back, or remove '%.120s'",
				  e->path);
	return err;
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= n;
	}
	return fsync(fd) ? -errno : 0;
}

/* Whole, or not at all. */
static int store(const char *path, const char *text)
{
	char *temp;
	int fd, err;

	if (asprintf(&temp, "%s.XXXXXX", path) < 0)
		return -ENOMEM;
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0) {
		err = -errno;
		free(temp);
		return err;
	}
	err = write_all(fd, text, strlen(text));
	if (!err && fchmod(fd, 0644))
		err = -errno;
	close(fd);
	if (!err && rename(temp, path))
		err = -errno;
	if (err)
		unlink(temp);
	free(temp);
	return err;
}

/* New collateral in e->kept; what was there stays if there is none. */
static int fetch(struct entry *e)
{
	struct libdstack_collateral *c = NULL;
	char *text = NULL;
	int err;

	err = dcap_pccs_fetch(e->source, &e->key, &text, e->failure);
	if (!err && libdstack_collateral_parse(text, strlen(text), &c)) {
		c = NULL;
		err = verify_fail(e->failure, REASON(MALFORMED),
				  "%.140s: what it serves is no collateral",
				  e->source->url);
	}
	if (!err)
		err = check_new(e, c);
	/* A file that can't be written costs the next one a request. */
	if (!err && e->path && store(e->path, text))
		dstack_message("can't write '%s': collateral is not kept",
			       e->path);
	if (err) {
		libdstack_collateral_free(c);
	} else {
		libdstack_collateral_free(e->kept);
		e->kept = c;
		memset(&e->kept_failure, 0, sizeof(e->kept_failure));
	}
	free(text);
	return err;
}

static bool is_before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec < b->tv_sec ||
		(a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

static bool is_over(const struct timespec *end)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return is_before(end, &now);
}

/*
 * Whoever has the lock fetches, and has a time to end.  It is waited for that
 * long, in case it was stopped, and not at all while what is kept serves.
 */
static int wait_for_lock(const struct entry *e, int fd)
{
	const struct timespec pause = { .tv_nsec = POLL_NS };
	struct timespec end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	if (!is_valid(e))
		end.tv_sec += dcap_http_timeout_ms(e->source) / 1000 + 1;
	while (flock(fd, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return NO_LOCK;
		if (is_over(&end))
			return BUSY;
		nanosleep(&pause, NULL);
	}
	return fd;
}

/* The lock's file, locked; or NO_LOCK or BUSY. */
static int lock(const struct entry *e)
{
	char *name;
	int fd, got;

	if (!e->path || asprintf(&name, "%s.lock", e->path) < 0)
		return NO_LOCK;
	/* It may be there, or somebody else may just have made it. */
	mkdir(e->source->dir, 0755);
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	free(name);
	if (fd < 0)
		return NO_LOCK;
	got = wait_for_lock(e, fd);
	if (got < 0)
		close(fd);
	return got;
}

/*
 * Somebody else had no success while this call waited, or, while what is kept
 * still serves, a moment ago.  The file is empty after a success.
 */
static bool tried_lately(const struct entry *e, int fd)
{
	struct timespec now;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) || !st.st_size)
		return false;
	clock_gettime(CLOCK_REALTIME, &now);
	/* The clock was set back: nothing is known of when that was. */
	if (is_before(&now, &st.st_mtim))
		return false;
	return !is_before(&st.st_mtim, &e->came) ||
		(is_valid(e) && now.tv_sec - st.st_mtim.tv_sec < PAUSE);
}

/* What others are to know of it: nothing, or what it met and when. */
static void note(const struct entry *e, int fd)
{
	const struct libdstack_failure *f = e->failure;
	struct timespec times[2];

	if (fd < 0 || ftruncate(fd, 0) || is_fresh(e) ||
	    pwrite(fd, f, sizeof(*f), 0) != sizeof(*f))
		return;
	clock_gettime(CLOCK_REALTIME, &times[0]);
	times[1] = times[0];
	futimens(fd, times);
}

/* What the other one met; the file may be of another version of this. */
static int recall(struct entry *e, int fd)
{
	struct libdstack_failure f;

	if (pread(fd, &f, sizeof(f), 0) != sizeof(f) ||
	    f.reason == REASON(NONE) || f.reason >= __LIBDSTACK_REASON_MAX)
		return verify_fail(e->failure, REASON(UNAVAILABLE),
				   "somebody else just tried in vain");
	f.text[sizeof(f.text) - 1] = '\0';
	return verify_fail(e->failure, f.reason, "%s", f.text);
}

static int refresh(struct entry *e)
{
	int fd = lock(e), err;

	if (fd == BUSY)
		return verify_fail(e->failure, REASON(UNAVAILABLE),
				   "somebody else is fetching it, and has not finished");
	/* Somebody else may have been faster. */
	if (fd >= 0)
		load(e);
	if (is_fresh(e)) {
		err = 0;
	} else if (tried_lately(e, fd)) {
		err = recall(e, fd);
	} else {
		err = fetch(e);
		note(e, fd);
	}
	if (fd >= 0)
		close(fd);
	return err;
}

/* Kept collateral that is not good any more, or nobody to ask for it. */
static int offline(struct entry *e)
{
	const struct libdstack_failure *f = &e->kept_failure;

	return verify_fail(e->failure, REASON(UNAVAILABLE),
			   "no collateral, and no service to fetch it from: %s",
			   f->text);
}

static int get(struct entry *e)
{
	int err = 0;

	load(e);
	if (is_fresh(e))
		return 0;
	if (e->source->url)
		err = refresh(e);
	else if (!is_valid(e))
		err = offline(e);
	if (is_valid(e)) {
		memset(e->failure, 0, sizeof(*e->failure));
		return 0;
	}
	return err;
}

int libdstack_collateral_get(const struct libdstack_collateral_source *source,
			     const void *quote, size_t len, time_t now,
			     struct libdstack_collateral **collateral,
			     struct libdstack_failure *failure)
{
	struct entry e = {
		.source = source, .now = now, .failure = failure,
	};
	int err;

	memset(failure, 0, sizeof(*failure));
	clock_gettime(CLOCK_REALTIME, &e.came);
	err = dcap_key_of_quote(source, quote, len, &e.key, failure);
	if (err)
		return err;
	memset(failure, 0, sizeof(*failure));
	err = make_path(&e);
	if (!err)
		err = get(&e);
	if (err) {
		verify_step(failure, "collateral");
		libdstack_collateral_free(e.kept);
	} else {
		*collateral = e.kept;
	}
	free(e.path);
	return err;
}
