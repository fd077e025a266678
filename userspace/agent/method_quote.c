// SPDX-License-Identifier: MIT
/*
 * Quotes, with the event log that explains them
 *
 * Copyright The dstack for Linux authors
 */
#include "agent.h"
#include "batch.h"

#include <errno.h>
#include <libdstack_attestation.h>
#include <stdlib.h>
#include <string.h>

#include <guest_v0.pb-c.h>
#include <guest_v1.pb-c.h>
#include <tappd.pb-c.h>

int agent_explain(const struct agent *agent, struct attest_evidence *evidence,
		  struct rpc_error *error)
{
	const char *why;
	int err = attest_explain(agent->log, evidence, &why);

	return err ? rpc_fail(error, err, "%s: %s", why, strerror(-err)) : 0;
}

int agent_report_data(const ProtobufCBinaryData *data,
		      uint8_t out[DSTACK_REPORT_DATA_SIZE],
		      struct rpc_error *error)
{
	memset(out, 0, DSTACK_REPORT_DATA_SIZE);
	if (data->len > DSTACK_REPORT_DATA_SIZE)
		return rpc_fail(error, -EINVAL, "Report data is too long");
	memcpy(out, data->data, data->len);
	return 0;
}

static int put_quote(const struct attest_evidence *evidence,
		     ProtobufCBinaryData *quote, char **event_log)
{
	char *text;
	int err = attest_text(evidence, true, &text);

	if (err)
		return err;
	/* Large as it may be, it is not copied once more. */
	*event_log = text;
	return rpc_put_bytes(quote, evidence->quote.data, evidence->quote.len);
}

int agent_quote_reply(struct agent *agent, const struct http_caller *caller,
		      const uint8_t report_data[DSTACK_REPORT_DATA_SIZE],
		      ProtobufCMessage *response, struct rpc_error *error)
{
	Guest__V0__GetQuoteResponse *out = (void *)response;
	struct attest_evidence evidence;
	int err;

	err = agent_evidence(agent, caller, report_data, &evidence, error);
	if (err)
		return err;
	err = put_quote(&evidence, &out->quote, &out->event_log) ?:
		rpc_put_bytes(&out->report_data, report_data,
			      DSTACK_REPORT_DATA_SIZE) ?:
		rpc_put_text(&out->vm_config, agent->vm_config);
	attest_evidence_free(&evidence);
	return err;
}

AGENT_CALL(agent_v0_get_quote)
{
	const Guest__V0__ReportDataRequest *in = (const void *)request;
	uint8_t report_data[DSTACK_REPORT_DATA_SIZE];

	return agent_report_data(&in->report_data, report_data, error) ?:
		agent_quote_reply(agent, caller, report_data, response, error);
}

static int answer_tappd(const struct attest_evidence *evidence,
			Tappd__QuoteResponse *out)
{
	return put_quote(evidence, &out->quote, &out->event_log);
}

AGENT_CALL(agent_tappd_raw_quote)
{
	const Guest__V0__ReportDataRequest *in = (const void *)request;
	struct attest_evidence evidence;
	int err;

	if (in->report_data.len != DSTACK_REPORT_DATA_SIZE)
		return rpc_fail(error, -EINVAL,
				"report data has %d bytes here, not %zu",
				DSTACK_REPORT_DATA_SIZE, in->report_data.len);
	err = agent_evidence(agent, caller, in->report_data.data, &evidence,
			     error);
	if (err)
		return err;
	err = answer_tappd(&evidence, (Tappd__QuoteResponse *)response);
	attest_evidence_free(&evidence);
	return err;
}

AGENT_CALL(agent_tappd_tdx_quote)
{
	const Tappd__TdxQuoteRequest *in = (const void *)request;
	Tappd__QuoteResponse *out = (void *)response;
	const char *hash = *in->hash_algorithm ? in->hash_algorithm : "sha512";
	const char *tag = *in->prefix ? in->prefix : LIBDSTACK_TAG_APP_DATA;
	bool raw = !strcmp(hash, "raw");
	uint8_t report_data[DSTACK_REPORT_DATA_SIZE];
	struct attest_evidence evidence;
	int err;

	err = libdstack_report_data(tag, hash, in->report_data.data,
				    in->report_data.len, report_data);
	if (err == -EINVAL)
		return rpc_fail(error, err,
				"raw report data has %d bytes, not %zu",
				DSTACK_REPORT_DATA_SIZE, in->report_data.len);
	if (err)
		return rpc_fail(error, err, "no such hash: '%.32s'", hash);
	err = agent_evidence(agent, caller, report_data, &evidence, error);
	if (err)
		return err;
	err = answer_tappd(&evidence, out) ?:
		rpc_put_text(&out->hash_algorithm, hash) ?:
		rpc_put_text(&out->prefix, raw ? "" : tag);
	attest_evidence_free(&evidence);
	return err;
}

static int put_part(const struct libdstack_batch *part,
		    Guest__V1__BatchPart *out)
{
	char program[LIBDSTACK_DIGEST_TEXT];
	size_t i;
	int err;

	out->index = part->index;
	out->count = part->count;
	out->policy_epoch = part->epoch;
	libdstack_digest_to_text(&part->program, program);
	err = rpc_put_text(&out->container, part->id) ?:
	      rpc_put_text(&out->program, program) ?:
	      rpc_put_bytes(&out->salt, part->salt, sizeof(part->salt)) ?:
	      rpc_put_bytes(&out->report_data, part->report_data,
			    sizeof(part->report_data));
	for (i = 0; !err && i < part->nr; i++)
		err = rpc_add_bytes(&out->n_path, &out->path, part->path[i],
				    sizeof(part->path[i]));
	return err;
}

static int answer_batch(const struct attest_evidence *evidence,
			const struct libdstack_batch *part,
			Guest__V1__BatchQuoteResponse *out)
{
	out->batch = malloc(sizeof(*out->batch));
	if (!out->batch)
		return -ENOMEM;
	guest__v1__batch_part__init(out->batch);
	return put_part(part, out->batch) ?:
		put_quote(evidence, &out->quote, &out->event_log) ?:
		rpc_put_bytes(&out->report_data, evidence->quote.report_data,
			      sizeof(evidence->quote.report_data));
}

AGENT_CALL(agent_v1_batch_quote)
{
	const Guest__V1__BatchQuoteRequest *in = (const void *)request;
	uint8_t report_data[DSTACK_REPORT_DATA_SIZE];
	struct attest_evidence evidence = { .log = NULL };
	struct libdstack_batch part;
	int err;

	err = agent_report_data(&in->report_data, report_data, error) ?:
		agent_batch_quote(agent, caller, report_data, &evidence.quote,
				  &part, error);
	if (err)
		return err;
	err = agent_explain(agent, &evidence, error) ?:
		answer_batch(&evidence, &part, (void *)response);
	attest_evidence_free(&evidence);
	return err;
}
