/* SPDX-License-Identifier: MIT */
/*
 * libdstack_batch: report data of many containers in one quote
 *
 * Copyright The dstack for Linux authors
 *
 * The quote is bound by the kernel (DSTACK_QUOTE_F_BOUND) to a program of the
 * host, the agent, which thereby says: the container of each part asked for its
 * report data.  Documentation/verify/batches.rst has the bytes.
 */
#ifndef LIBDSTACK_BATCH_H
#define LIBDSTACK_BATCH_H

#include <libdstack_verify.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LIBDSTACK_BATCH_TAG	"dstack-batch-v1"	/* 16 bytes with NUL */
#define LIBDSTACK_BATCH_MAX	1024	/* parts of one batch */
#define LIBDSTACK_BATCH_DEPTH	10	/* hashes on the path of each */
#define LIBDSTACK_BATCH_SALT	32
#define LIBDSTACK_BATCH_FILE_MAX 33554432U	/* bytes of a reply */

/* One container's part of a batch, and who vouches for it. */
struct libdstack_batch {
	char id[DSTACK_ID_SIZE];		/* the container's */
	uint8_t report_data[DSTACK_REPORT_DATA_SIZE];	/* its own */
	/* So that others who have a part can't find these out by trying. */
	uint8_t salt[LIBDSTACK_BATCH_SALT];
	uint64_t index, count;			/* of the part, of parts */
	size_t nr;				/* hashes of @path */
	uint8_t path[LIBDSTACK_BATCH_DEPTH][DSTACK_DIGEST_SIZE];
	struct dstack_digest program;		/* on the host */
	uint64_t epoch;			/* of the policy then; 0: none */
};

/*
 * libdstack: making them, and what a verifier computes
 */

/*
 * The report data of a quote that the kernel bound to a container's, or
 * DSTACK_HOST_ID's, program.  0 or -errno.
 */
int libdstack_bound_report_data(const uint8_t nonce[DSTACK_REPORT_DATA_SIZE],
				const char *id,
				const struct dstack_digest *program,
				uint64_t epoch,
				uint8_t out[DSTACK_REPORT_DATA_SIZE]);
/*
 * Fills in index, count, nr and path of @count parts, whose other members but
 * the last two are set, and the @nonce for the quote.  -EINVAL: none, or more
 * than LIBDSTACK_BATCH_MAX.
 */
int libdstack_batch_make(struct libdstack_batch *parts, size_t count,
			 uint8_t nonce[DSTACK_REPORT_DATA_SIZE]);
/*
 * The report data of the quote that this is a part of: -EBADMSG if it is a part
 * of nothing.
 */
int libdstack_batch_report_data(const struct libdstack_batch *part,
				uint8_t out[DSTACK_REPORT_DATA_SIZE]);

/*
 * libdstack_verify: taking them apart
 */

/* The agent's reply in JSON, or its "batch" alone.  -EBADMSG with @failure. */
int libdstack_batch_parse(const char *text, size_t len,
			  struct libdstack_batch *part,
			  struct libdstack_failure *failure);

/* What a verifier expects; NULL is anything. */
struct libdstack_batch_wanted {
	const char *id;
	const uint8_t *report_data;		/* DSTACK_REPORT_DATA_SIZE */
	const struct dstack_digest *program;
};

/*
 * Is it the part that is wanted, of the batch in a quote with this
 * @report_data, which was verified?  0, or -EBADMSG or -EKEYREJECTED with
 * @failure.
 */
int libdstack_batch_check(const struct libdstack_batch *part,
			  const struct libdstack_batch_wanted *wanted,
			  const uint8_t report_data[DSTACK_REPORT_DATA_SIZE],
			  struct libdstack_failure *failure);

#ifdef __cplusplus
}
#endif

#endif /* LIBDSTACK_BATCH_H */
