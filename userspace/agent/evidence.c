// SPDX-License-Identifier: MIT
/*
 * Evidence for the caller's container
 *
 * Copyright The dstack for Linux authors
 */
#include "agent.h"

#include <string.h>

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
