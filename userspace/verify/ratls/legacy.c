// SPDX-License-Identifier: MIT
/*
 * Certificates of old: a quote, and its log in JSON, compressed or not
 *
 * Copyright The dstack for Linux authors
 */
#include "ratls.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define GZIP_MAGIC	"ELGZv1"
#define GZIP_MAGIC_LEN	6
#define LOG_MAX		16384U		/* once it is expanded */

/* One gzip file, and nothing else; -EFBIG: longer than @size. */
static int expand(const struct libdstack_span *in, uint8_t *out, size_t size,
		  size_t *len)
{
	struct archive *gz = archive_read_new();
	struct archive_entry *entry;
	la_ssize_t got = -1;

	if (!gz)
		return -ENOMEM;
	*len = 0;
	if (archive_read_support_filter_gzip(gz) == ARCHIVE_OK &&
	    archive_read_support_format_raw(gz) == ARCHIVE_OK &&
	    archive_read_open_memory(gz, in->data, in->len) == ARCHIVE_OK &&
	    archive_read_next_header(gz, &entry) == ARCHIVE_OK &&
	    archive_filter_count(gz) == 2)
		do {
			got = archive_read_data(gz, out + *len, size - *len);
			*len += got > 0 ? got : 0;
		} while (got > 0 && *len < size);
	archive_read_free(gz);
	if (got < 0)
		return -EBADMSG;
	return got ? -EFBIG : 0;
}

static int read_compressed(const struct libdstack_span *quote,
			   const struct libdstack_span *log,
			   struct libdstack_attestation **attestation,
			   struct libdstack_failure *failure)
{
	const struct libdstack_span gzip = {
		log->data + GZIP_MAGIC_LEN, log->len - GZIP_MAGIC_LEN
	};
	uint8_t *text = malloc(LOG_MAX + 1);
	struct libdstack_span plain = { text, 0 };
	int err = text ? expand(&gzip, text, LOG_MAX + 1, &plain.len) : -ENOMEM;

	if (!err)
		err = att_from_quote(quote, &plain, attestation, failure);
	else if (err == -ENOMEM)
		err = verify_fail(failure, REASON(MEMORY), "no memory");
	else
		err = verify_fail(failure, REASON(MALFORMED),
				  "the event log is not what gzip makes of at most %u bytes",
				  LOG_MAX);
	free(text);
	return err;
}

int ratls_read_legacy(const struct libdstack_span *quote,
		      const struct libdstack_span *log,
		      struct libdstack_attestation **attestation,
		      struct libdstack_failure *failure)
{
	if (!log->data)
		return verify_fail(failure, REASON(MALFORMED),
				   "the certificate has a quote without its event log");
	if (log->len >= GZIP_MAGIC_LEN &&
	    !memcmp(log->data, GZIP_MAGIC, GZIP_MAGIC_LEN))
		return read_compressed(quote, log, attestation, failure);
	return att_from_quote(quote, log, attestation, failure);
}
