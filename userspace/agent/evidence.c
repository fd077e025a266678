// SPDX-License-Identifier: MIT
/*
 * Evidence for the caller's container
 *
 * Copyright The dstack for Linux authors
 */
#include "agent.h"

#include <errno.h>
#include <string.h>

int agent_explain(const struct agent *agent, struct attest_evidence *evidence,
		  struct rpc_error *error)
{
	const char *why;
	int err = attest_explain(agent->log, evidence, &why);

	return err ? rpc_fail(error, err, "%s: %s", why, strerror(-err)) : 0;
}

int agent_evidence(const struct agent *agent, const struct agent_caller *caller,
		   const uint8_t report_data[DSTACK_REPORT_DATA_SIZE],
		   struct attest_evidence *evidence, struct rpc_error *error)
{
	int err;

	memset(evidence, 0, sizeof(*evidence));
	err = agent_quote(agent, caller, report_data, &evidence->quote,
			  error) ?:
		agent_explain(agent, evidence, error);
	if (err)
		attest_evidence_free(evidence);
	return err;
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
