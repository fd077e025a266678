// SPDX-License-Identifier: GPL-2.0-only
/*
 * Evidence: a quote and the log position that it covers
 *
 * Copyright The dstack for Linux authors
 */
#include <linux/cleanup.h>
#include <linux/file.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "backend.h"
#include "digest.h"
#include "identity.h"
#include "measure.h"
#include "policy.h"
#include "pure.h"
#include "quote.h"

static int caller_digest(struct dstack_digest *digest)
{
	struct file *file = dstack_digest_program();
	int err;

	if (!file)
		return -EACCES;
	err = dstack_digest_file(file, digest);
	fput(file);
	return err == -ETXTBSY ? -EACCES : err;
}

/*
 * tag || SHA-384(tag || nonce || le32(len of id) || id ||
 *		  le32(alg) || digest || le64(epoch))
 *
 * Lengths are fixed or in front, so that no two callers share a preimage.
 */
static int bind_to_caller(const char *id,
			  const u8 nonce[DSTACK_REPORT_DATA_SIZE],
			  u8 out[DSTACK_REPORT_DATA_SIZE])
{
	struct dstack_policy_facts facts;
	struct dstack_digest digest;
	__le32 id_len = cpu_to_le32(strlen(id));
	__le32 alg;
	__le64 epoch;
	int err;

	BUILD_BUG_ON(sizeof(DSTACK_BOUND_TAG) != DSTACK_BOUND_TAG_SIZE);
	BUILD_BUG_ON(DSTACK_BOUND_TAG_SIZE + DSTACK_REGISTER_SIZE !=
		     DSTACK_REPORT_DATA_SIZE);
	err = caller_digest(&digest);
	if (err)
		return err;
	alg = cpu_to_le32(digest.alg);
	dstack_policy_facts(&facts);
	epoch = cpu_to_le64(facts.epoch);

	const struct dstack_bytes parts[] = {
		{ DSTACK_BOUND_TAG, DSTACK_BOUND_TAG_SIZE },
		{ nonce, DSTACK_REPORT_DATA_SIZE },
		{ &id_len, sizeof(id_len) }, { id, strlen(id) },
		{ &alg, sizeof(alg) }, { digest.value, sizeof(digest.value) },
		{ &epoch, sizeof(epoch) },
	};

	memcpy(out, DSTACK_BOUND_TAG, DSTACK_BOUND_TAG_SIZE);
	return dstack_sha384(parts, ARRAY_SIZE(parts),
			     out + DSTACK_BOUND_TAG_SIZE);
}

static int choose_report_data(const struct dstack_container *container,
			      const u8 wanted[DSTACK_REPORT_DATA_SIZE],
			      bool bound, u8 out[DSTACK_REPORT_DATA_SIZE])
{
	if (bound)
		return bind_to_caller(container ? container->id :
						  DSTACK_HOST_ID, wanted, out);
	/* Only the kernel says to whom a quote is bound. */
	if (!memcmp(wanted, DSTACK_BOUND_TAG, DSTACK_BOUND_TAG_SIZE))
		return -EACCES;
	memcpy(out, wanted, DSTACK_REPORT_DATA_SIZE);
	return 0;
}

/**
 * dstack_quote_get() - get a quote whose register is the log's value
 * @container: of the caller, NULL for the host
 * @report_data: the caller's bytes, or nonce
 * @bound: bind to the caller
 * @quote: filled in
 *
 * The report is made under the measure lock, the quote outside: an exec never
 * waits for the VMM.
 *
 * Context: sleeps, up to DSTACK_QUOTE_TIMEOUT_MS.
 * Return: 0; -EACCES for report data that claims to be bound, or a program
 * that cannot be identified; -ENOTRECOVERABLE if the register diverged;
 * -EBUSY, -ETIMEDOUT, -EINTR, -EIO, -EPROTO, -ENOMEM of the backend.
 */
int dstack_quote_get(const struct dstack_container *container,
		     const u8 report_data[DSTACK_REPORT_DATA_SIZE], bool bound,
		     struct dstack_quote *quote)
{
	struct dstack_report *report __free(kfree) = NULL;
	int err;

	err = choose_report_data(container, report_data, bound,
				 quote->report_data);
	if (err)
		return err;
	report = kzalloc_obj(*report, GFP_KERNEL);
	if (!report)
		return -ENOMEM;
	err = dstack_measure_report(quote->report_data, report, &quote->count);
	if (err)
		return err;
	memcpy(quote->value, report->value, sizeof(quote->value));
	return dstack_backend()->quote(report, &quote->data, &quote->len);
}
