// SPDX-License-Identifier: MIT
/*
 * Messages, hex, numbers and files
 *
 * Copyright The dstack for Linux authors
 */
#include "dstackctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

static void message(int err, const char *fmt, va_list args)
	__attribute__((format(printf, 2, 0)));

static void message(int err, const char *fmt, va_list args)
{
	fputs("dstackctl: ", stderr);
	vfprintf(stderr, fmt, args);
	if (err)
		fprintf(stderr, ": %s", strerror(err < 0 ? -err : err));
	fputc('\n', stderr);
}

void error_msg(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	message(0, fmt, args);
	va_end(args);
}

void error_msg_errno(int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	message(err, fmt, args);
	va_end(args);
}

int usage_hint(const char *command)
{
	fprintf(stderr, "See 'dstackctl %s --help'.\n", command);
	return EXIT_USAGE;
}

/* Read until the end; the size of a pipe or of a proc file is not known. */
static int read_all(int fd, size_t max, char **buf, size_t *len)
{
	size_t cap = 65536, n = 0;
	char *data = malloc(cap), *more;

	while (data) {
		ssize_t got = read(fd, data + n, cap - 1 - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 || n + got > max) {
			int err = got < 0 ? -errno : -EFBIG;

			free(data);
			return err;
		}
		n += got;
		if (!got) {
			data[n] = '\0';
			*buf = data;
			*len = n;
			return 0;
		}
		if (n < cap - 1)
			continue;
		cap *= 2;
		more = realloc(data, cap);
		if (!more)
			free(data);
		data = more;
	}
	return -ENOMEM;
}

int read_file(const char *path, size_t max, void **buf, size_t *len)
{
	bool use_stdin = !strcmp(path, "-");
	char *data = NULL;
	int fd, err;

	fd = use_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		err = -errno;
		error_msg_errno(err, "can't open '%s'", path);
		return err;
	}
	err = read_all(fd, max, &data, len);
	if (!use_stdin)
		close(fd);
	if (err == -EFBIG)
		error_msg("'%s' is larger than %zu bytes", path, max);
	else if (err)
		error_msg_errno(err, "can't read '%s'", path);
	*buf = data;
	return err;
}

int write_all(int fd, const void *buf, size_t len)
{
	const char *data = buf;

	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= n;
	}
	return 0;
}

int write_file(const char *path, const void *buf, size_t len)
{
	bool use_stdout = !strcmp(path, "-");
	int fd, err;

	fd = use_stdout ? STDOUT_FILENO :
		open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0) {
		err = -errno;
		error_msg_errno(err, "can't create '%s'", path);
		return err;
	}
	err = write_all(fd, buf, len);
	if (!use_stdout && close(fd) && !err)
		err = -errno;
	if (err)
		error_msg_errno(err, "can't write '%s'", path);
	return err;
}

void print_safe(FILE *out, const void *data, size_t len)
{
	const uint8_t *in = data;
	size_t i;

	for (i = 0; i < len; i++) {
		if (in[i] == '\\')
			fputs("\\\\", out);
		else if (in[i] >= 0x20 && in[i] < 0x7f)
			fputc(in[i], out);
		else
			fprintf(out, "\\x%02x", in[i]);
	}
}
