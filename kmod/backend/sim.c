// SPDX-License-Identifier: GPL-2.0-only
/*
 * A register in a variable: for development, proves nothing
 *
 * Copyright The dstack for Linux authors
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/panic.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../backend_ops.h"
#include "../pure.h"

#define SIM_MAGIC "DSTKSIM1"

/* What stands in for a quote.  Verifiers refuse it by its magic. */
struct sim_quote {
	u8 magic[8];
	u8 report_data[DSTACK_REPORT_DATA_SIZE];
	u8 value[DSTACK_REGISTER_SIZE];
};

static u8 value[DSTACK_REGISTER_SIZE];

static int sim_probe(void)
{
	memset(value, 0, sizeof(value));
	add_taint(TAINT_TEST, LOCKDEP_STILL_OK);
	pr_notice("backend sim: evidence of this machine proves nothing\n");
	return 0;
}

static void sim_remove(void)
{
}

static int sim_extend(const u8 digest[DSTACK_REGISTER_SIZE])
{
	const struct dstack_bytes parts[] = {
		{ value, sizeof(value) }, { digest, DSTACK_REGISTER_SIZE },
	};

	return dstack_sha384(parts, ARRAY_SIZE(parts), value);
}

static int sim_report(const u8 report_data[DSTACK_REPORT_DATA_SIZE],
		      struct dstack_report *report)
{
	struct sim_quote *quote = (struct sim_quote *)report->data;

	BUILD_BUG_ON(sizeof(*quote) > sizeof(report->data));
	memcpy(quote->magic, SIM_MAGIC, sizeof(quote->magic));
	memcpy(quote->report_data, report_data, sizeof(quote->report_data));
	memcpy(quote->value, value, sizeof(quote->value));
	memcpy(report->value, value, sizeof(report->value));
	report->len = sizeof(*quote);
	return 0;
}

static int sim_quote(const struct dstack_report *report, void **quote,
		     size_t *len)
{
	*quote = kmemdup(report->data, report->len, GFP_KERNEL);
	if (!*quote)
		return -ENOMEM;
	*len = report->len;
	return 0;
}

const struct dstack_backend_ops dstack_backend_sim = {
	.name = "sim",
	.id = DSTACK_BACKEND_SIM,
	.flags = DSTACK_BACKEND_F_INSECURE,
	.feature = DSTACK_FEATURE_SIM,
	.probe = sim_probe,
	.remove = sim_remove,
	.extend = sim_extend,
	.report = sim_report,
	.quote = sim_quote,
};
