// SPDX-License-Identifier: MIT
/*
 * dstackctl verify quote --batch: whose part of the quote this is
 *
 * Copyright The dstack for Linux authors
 */
#include "verify.h"

#include <errno.h>
#include <string.h>

int batch_read(struct request *request, struct input *in, struct outcome *out)
{
	struct libdstack_quote_policy *policy = &request->policy;
	struct libdstack_failure failure;
	void *text;
	size_t len;
	int err;

	if (!request->batch)
		return 0;
	err = read_file(request->batch, LIBDSTACK_BATCH_FILE_MAX, &text, &len);
	if (err)
		return err;
	if (libdstack_batch_parse(text, len, &in->batch, &failure))
		report_failure(&out->report, "batch", &failure);
	free(text);
	/* What is wanted is in the part; the quote carries what it leads to. */
	in->pin_report_data = policy->pin_report_data;
	policy->pin_report_data = false;
	return 0;
}

static void show_steps(struct report *report,
		       const struct libdstack_batch *part)
{
	struct libdstack_step step = { .name = "batch part" };
	char text[LIBDSTACK_DIGEST_TEXT];

	snprintf(step.input, sizeof(step.input),
		 "part %u of %u, %zu hashes up to the root",
		 (unsigned int)part->index + 1, (unsigned int)part->count,
		 part->nr);
	report_step(report, &step);
	step.name = "batch program";
	snprintf(step.input, sizeof(step.input),
		 "%s on the host, policy epoch %llu",
		 libdstack_digest_to_text(&part->program, text),
		 (unsigned long long)part->epoch);
	report_step(report, &step);
}

bool check_batch(const struct request *request, const struct input *in,
		 struct outcome *out)
{
	const struct libdstack_batch *part = &in->batch;
	const struct libdstack_batch_wanted wanted = {
		.id = request->container,
		.report_data = in->pin_report_data ?
			       request->policy.report_data : NULL,
		.program = request->program.alg == DSTACK_ALG_NONE ? NULL :
			   &request->program,
	};
	struct report *report = &out->report;
	struct libdstack_failure failure;
	char text[LIBDSTACK_DIGEST_TEXT];

	if (!request->batch)
		return true;
	show_steps(report, part);
	if (libdstack_batch_check(part, &wanted, out->report_data, &failure))
		return report_failure(report, "batch", &failure);
	out->part = part;
	return report_add(report, true, "batch",
			  "container '%s', part %u of %u, says %s of the host, policy epoch %llu",
			  part->id, (unsigned int)part->index + 1,
			  (unsigned int)part->count,
			  libdstack_digest_to_text(&part->program, text),
			  (unsigned long long)part->epoch);
}
