// SPDX-License-Identifier: MIT
/*
 * Read one JSON object of bounded size
 *
 * Copyright The dstack for Linux authors
 */
#include "oci-hook.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

struct source {
	int fd;
	size_t left;	/* bytes that may still come, and one more */
	int err;
};

static size_t fill(void *buffer, size_t len, void *arg)
{
	struct source *source = arg;
	ssize_t n;

	if (len > source->left)
		len = source->left;
	do {
		n = read(source->fd, buffer, len);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		source->err = -errno;
	if (n > 0)
		source->left -= n;
	if (!source->left)
		source->err = -EFBIG;
	return source->err ? (size_t)-1 : (size_t)n;
}

int json_read(int fd, size_t max, const char *what, json_t **root)
{
	struct source source = { .fd = fd, .left = max + 1 };
	json_error_t error;

	*root = json_load_callback(fill, &source, JSON_REJECT_DUPLICATES,
				   &error);
	if (source.err == -EFBIG)
		msg("%s has more than %zu bytes", what, max);
	else if (source.err)
		msg("can't read %s: %s", what, strerror(-source.err));
	else if (!*root)
		msg("%s is no JSON object: line %d: %s", what, error.line,
		    error.text);
	else if (!json_is_object(*root))
		msg("%s is no JSON object", what);
	else
		return 0;
	json_decref(*root);
	*root = NULL;
	return source.err ? source.err : -EBADMSG;
}
