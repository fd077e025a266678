// SPDX-License-Identifier: MIT
/*
 * Evidence for the caller's container
 *
 * Copyright The dstack for Linux authors
 */
#include "agent.h"

#include <string.h>

int agent_evidence(const struct agent *agent, const struct http_caller *caller,
		   const uint8_t report_data[DSTACK_REPORT_DATA_SIZE],
		   struct attest_evidence *evidence, struct rpc_error *error)
{
	bool shares = agent->shared && !strcmp(caller->id, CALLER_REMOTE);
	int err;

	memset(evidence, 0, sizeof(*evidence));
	err = shares ? agent_shared_quote(agent, caller, report_data,
					  &evidence->quote, error) :
		agent_quote(agent, caller, report_data, &evidence->quote,
			    error);
	err = err ?: agent_explain(agent, evidence, error);
	if (err)
		attest_evidence_free(evidence);
	return err;
}
