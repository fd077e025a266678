// SPDX-License-Identifier: MIT
/*
 * What a KMS gave to whom: the file as it grows
 *
 * Copyright The dstack for Linux authors
 *
 * Who adds a line waits until it is stored.  One of those who wait stores what
 * there is, for all of them: with a slow disk more lines go at a time.
 */
#include "audit.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yyjson.h>

#include "audit_line.h"

struct audit {
	int fd;
	pthread_mutex_t lock;		/* of all that follows */
	pthread_cond_t stored_more;
	struct audit_head head;
	off_t end;
	uint64_t stored;		/* lines */
	bool storing;			/* somebody is about it */
	bool broken;
};

/*
 * The file that there is
 */

static int check_file(int fd, const char *path, libdstack_message_fn tell,
		      off_t *size)
{
	struct stat st;
	const char *what = NULL;
	char line[512];

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		what = "is no file";
	else if (st.st_uid != geteuid() || (st.st_mode & 0022))
		what = "can be written by others: chown and chmod go-w it";
	*size = st.st_size;
	if (!what)
		return 0;
	snprintf(line, sizeof(line), "'%.400s' %s", path, what);
	tell(line);
	return -EPERM;
}

/* How much of @text, from its end, is behind the last newline. */
static size_t unfinished(const char *text, size_t len)
{
	const char *end = len ? memrchr(text, '\n', len) : NULL;

	return end ? len - (size_t)(end + 1 - text) : len;
}

static ssize_t read_at(int fd, char *data, size_t len, off_t at)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = pread(fd, data + done, len - done, at + (off_t)done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : (ssize_t)done;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

/* The last line is of ours, and there is nothing behind it. */
static int find_end(struct audit *audit, off_t size)
{
	char tail[2 * AUDIT_LINE_MAX];
	size_t want = size < (off_t)sizeof(tail) ? (size_t)size : sizeof(tail);
	ssize_t len = read_at(audit->fd, tail, want, size - (off_t)want);
	size_t rest, start;

	if (len < 0)
		return (int)len;
	rest = unfinished(tail, (size_t)len);
	audit->end = size - (off_t)rest;
	len -= (ssize_t)rest;
	/* A line that has no end within its bound was not ours. */
	if (rest >= AUDIT_LINE_MAX)
		return -EBADMSG;
	if (!audit->end)
		return 0;
	start = (size_t)len - 1;
	while (start && tail[start - 1] != '\n')
		start--;
	return audit_line_read(tail + start, (size_t)len - start - 1,
			       &audit->head);
}

int audit_open(const char *path, libdstack_message_fn tell, struct audit **out)
{
	struct audit *audit = calloc(1, sizeof(*audit));
	char line[512];
	off_t size = 0;
	int err = 0;

	if (!audit)
		return -ENOMEM;
	pthread_mutex_init(&audit->lock, NULL);
	pthread_cond_init(&audit->stored_more, NULL);
	audit->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (audit->fd < 0)
		err = -errno;
	err = err ?: check_file(audit->fd, path, tell, &size) ?:
		find_end(audit, size);
	if (!err && audit->end < size && ftruncate(audit->fd, audit->end))
		err = -errno;
	/* What is there was a KMS's, and on the disk already. */
	audit->stored = audit->head.lines;
	if (!err) {
		*out = audit;
		return 0;
	}
	if (err == -EBADMSG)
		snprintf(line, sizeof(line), "'%.400s' does not end in a line of a KMS: move it away, and keep it",
			 path);
	else
		snprintf(line, sizeof(line), "can't open '%.400s': %s", path,
			 strerror(-err));
	tell(line);
	audit_close(audit);
	return err;
}

void audit_close(struct audit *audit)
{
	if (!audit)
		return;
	if (audit->fd >= 0)
		close(audit->fd);
	pthread_cond_destroy(&audit->stored_more);
	pthread_mutex_destroy(&audit->lock);
	free(audit);
}

/*
 * New lines
 */

/* Whole, or not at all; or nobody knows. */
static int append(struct audit *audit, const char *text, size_t len)
{
	size_t done = 0;
	ssize_t n = 0;
	int err;

	while (done < len) {
		n = pwrite(audit->fd, text + done, len - done,
			   audit->end + (off_t)done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	if (done == len) {
		audit->end += (off_t)len;
		return 0;
	}
	err = n < 0 ? -errno : -ENOSPC;
	if (done && ftruncate(audit->fd, audit->end))
		audit->broken = true;
	return err;
}

/* Until the line @number is stored. */
static int store(struct audit *audit, uint64_t number)
{
	uint64_t until;
	bool failed;

	while (audit->stored < number && !audit->broken) {
		if (audit->storing) {
			pthread_cond_wait(&audit->stored_more, &audit->lock);
			continue;
		}
		audit->storing = true;
		until = audit->head.lines;
		pthread_mutex_unlock(&audit->lock);
		failed = fdatasync(audit->fd);
		pthread_mutex_lock(&audit->lock);
		audit->storing = false;
		/* The kernel may have dropped what it could not write. */
		if (failed)
			audit->broken = true;
		else
			audit->stored = until;
		pthread_cond_broadcast(&audit->stored_more);
	}
	return audit->stored < number ? -EIO : 0;
}

int audit_add(struct audit *audit, const struct audit_entry *entry)
{
	struct audit_head next;
	size_t len = 0;
	char *text;
	int err;

	pthread_mutex_lock(&audit->lock);
	next = audit->head;
	err = audit->broken ? -EIO :
		audit_line_write(entry, &next, &text, &len);
	if (!err) {
		err = append(audit, text, len);
		free(text);
	}
	if (!err) {
		audit->head = next;
		err = store(audit, next.lines);
	}
	pthread_mutex_unlock(&audit->lock);
	return err;
}

void audit_get_head(struct audit *audit, struct audit_head *head)
{
	pthread_mutex_lock(&audit->lock);
	*head = audit->head;
	pthread_mutex_unlock(&audit->lock);
}
