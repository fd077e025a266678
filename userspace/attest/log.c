// SPDX-License-Identifier: MIT
/*
 * The event log as a text, up to the event that a quote covers
 *
 * Copyright The dstack for Linux authors
 *
 * dstackd keeps one event a line, from the first; its lines are the objects of
 * the array that clients of upstream's API know.  It only ever appends, so what
 * was read is kept, and the file read on from there.  Nothing but the register
 * says whether that was right: it has one value after each event.
 */
#include "attest.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib.h"

#include "event.h"

#define TEXT_MAX	(8U << 20)	/* more fits into no container */
#define PATIENCE	100		/* looks, */
#define PAUSE_NS	20000000	/* and so long between two */
#define DIGEST		"\"digest\":\""

/* What is known after an event. */
struct entry {
	uint32_t end;			/* of it, in the text */
	uint8_t value[DSTACK_REGISTER_SIZE];	/* of the register */
};

struct attest_log {
	char *path;
	pthread_mutex_t lock;		/* of all below */
	dev_t dev;			/* of which file this is */
	ino_t ino;
	off_t read;			/* bytes of it */
	char *text;			/* its lines, a ',' before each */
	size_t len, room;
	struct entry *entries;
	size_t nr, entries_room;
	bool used;			/* of late */
};

int attest_log_open(const char *path, struct attest_log **out)
{
	struct attest_log *log = calloc(1, sizeof(*log));

	if (log)
		log->path = strdup(path);
	if (!log || !log->path || pthread_mutex_init(&log->lock, NULL)) {
		if (log)
			free(log->path);
		free(log);
		return -ENOMEM;
	}
	*out = log;
	return 0;
}

static void forget(struct attest_log *log)
{
	free(log->text);
	free(log->entries);
	log->text = NULL;
	log->entries = NULL;
	log->len = 0;
	log->room = 0;
	log->nr = 0;
	log->entries_room = 0;
	log->read = 0;
}

void attest_log_close(struct attest_log *log)
{
	if (!log)
		return;
	forget(log);
	pthread_mutex_destroy(&log->lock);
	free(log->path);
	free(log);
}

void attest_log_rest(struct attest_log *log)
{
	pthread_mutex_lock(&log->lock);
	if (!log->used)
		forget(log);
	log->used = false;
	pthread_mutex_unlock(&log->lock);
}

/*
 * Reading
 */

static int make_room(struct attest_log *log, size_t len)
{
	size_t room = log->room ?: 65536;
	size_t nr = log->entries_room ? 2 * log->entries_room : 256;
	void *grown;

	while (room < log->len + len + 1)
		room *= 2;
	if (room > log->room) {
		grown = realloc(log->text, room);
		if (!grown)
			return -ENOMEM;
		log->text = grown;
		log->room = room;
	}
	if (log->nr < log->entries_room)
		return 0;
	grown = reallocarray(log->entries, nr, sizeof(*log->entries));
	if (!grown)
		return -ENOMEM;
	log->entries = grown;
	log->entries_room = nr;
	return 0;
}

/* Of a line that has no digest, no value follows that a register could have. */
static void fold(const struct attest_log *log, const char *line,
		 struct entry *entry)
{
	const char *hex = strstr(line, DIGEST);
	uint8_t digest[DSTACK_REGISTER_SIZE];

	memset(entry->value, 0, sizeof(entry->value));
	if (log->nr)
		memcpy(entry->value, entry[-1].value, sizeof(entry->value));
	if (hex)
		hex += strlen(DIGEST);
	if (!hex || strnlen(hex, 2 * sizeof(digest)) < 2 * sizeof(digest) ||
	    !libdstack_from_hex(hex, 2 * sizeof(digest), digest,
				sizeof(digest)) ||
	    dstack_event_fold(entry->value, digest))
		memset(entry->value, 0xff, sizeof(entry->value));
}

static int add_line(struct attest_log *log, const char *line, size_t len)
{
	struct entry *entry;
	int err;

	if (log->len + len >= TEXT_MAX)
		return -EFBIG;
	err = make_room(log, len + 1);
	if (err)
		return err;
	log->text[log->len] = ',';
	memcpy(log->text + log->len + 1, line, len);
	log->len += len + 1;
	entry = &log->entries[log->nr];
	entry->end = (uint32_t)log->len;
	fold(log, line, entry);
	log->nr++;
	return 0;
}

static FILE *open_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");

	if (!file && fd >= 0)
		close(fd);
	return file;
}

/* Another file may be in its place, or it may have been cut. */
static int find_place(struct attest_log *log, FILE *file)
{
	struct stat st;

	if (fstat(fileno(file), &st))
		return -errno;
	if (st.st_dev != log->dev || st.st_ino != log->ino ||
	    st.st_size < log->read)
		forget(log);
	log->dev = st.st_dev;
	log->ino = st.st_ino;
	return fseeko(file, log->read, SEEK_SET) ? -errno : 0;
}

/* -EAGAIN: they are not all there yet. */
static int read_on(struct attest_log *log, FILE *file, uint64_t count)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t len;
	int err;

	err = find_place(log, file);
	while (!err && log->nr < count) {
		len = getline(&line, &room, file);
		if (len <= 0 || line[len - 1] != '\n')
			err = -EAGAIN;
		else
			err = add_line(log, line, len - 1);
		if (!err)
			log->read += len;
	}
	free(line);
	return err;
}

static int catch_up(struct attest_log *log, uint64_t count)
{
	FILE *file;
	int err;

	if (log->nr >= count)
		return 0;
	file = open_file(log->path);
	if (!file)
		return -errno;
	err = read_on(log, file, count);
	fclose(file);
	return err;
}

static bool explains(const struct attest_log *log, uint64_t count,
		     const uint8_t *value)
{
	return !value || !count ||
		!memcmp(log->entries[count - 1].value, value,
			DSTACK_REGISTER_SIZE);
}

/* What was kept may be of a file that has been mended since. */
static int look(struct attest_log *log, uint64_t count, const uint8_t *value)
{
	int err = catch_up(log, count);

	if (err || explains(log, count, value))
		return err;
	forget(log);
	err = catch_up(log, count);
	if (!err && !explains(log, count, value))
		err = -EBADMSG;
	return err;
}

static int copy(const struct attest_log *log, uint64_t count, char **out)
{
	size_t len = count ? log->entries[count - 1].end : 1;
	char *text = malloc(len + 2);

	if (!text)
		return -ENOMEM;
	if (count)
		memcpy(text, log->text, len);
	text[0] = '[';
	text[len] = ']';
	text[len + 1] = '\0';
	*out = text;
	return 0;
}

int attest_log_text(struct attest_log *log, uint64_t count,
		    const uint8_t *value, char **text)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	int tries = 0, err;

	do {
		if (tries)
			nanosleep(&pause, NULL);
		pthread_mutex_lock(&log->lock);
		log->used = true;
		err = look(log, count, value) ?: copy(log, count, text);
		pthread_mutex_unlock(&log->lock);
	} while (err == -EAGAIN && ++tries < PATIENCE);
	/* If what is kept is why, it is not next time. */
	if (err) {
		pthread_mutex_lock(&log->lock);
		forget(log);
		pthread_mutex_unlock(&log->lock);
	}
	return err;
}

/*
 * One after the other, and none kept
 */

static int each(FILE *file, uint64_t count, attest_log_fn fn, void *arg)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t len;
	int ret = 0;

	while (!ret && count--) {
		len = getline(&line, &room, file);
		if (len <= 0 || line[len - 1] != '\n')
			ret = -EAGAIN;
		else
			ret = fn(line, len, arg);
	}
	free(line);
	return ret;
}

int attest_log_each(const char *path, uint64_t count, attest_log_fn fn,
		    void *arg)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	int tries = 0, ret;
	FILE *file;

	do {
		if (tries)
			nanosleep(&pause, NULL);
		file = open_file(path);
		if (!file)
			return -errno;
		ret = each(file, count, fn, arg);
		fclose(file);
	} while (ret == -EAGAIN && ++tries < PATIENCE);
	return ret;
}
