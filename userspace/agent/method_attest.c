// SPDX-License-Identifier: MIT
/*
 * Attest: a quote and all that explains it, in one container
 *
 * Copyright The dstack for Linux authors
 */
#include "agent.h"

#include <errno.h>
#include <string.h>

#include <guest_v0.pb-c.h>
#include <guest_v1.pb-c.h>

#define NONCE_SIZE	32

static int encode(const struct agent *agent,
		  const struct attest_evidence *evidence,
		  enum libdstack_attestation_form form,
		  ProtobufCBinaryData *out)
{
	struct libdstack_attestation parts;
	int err = attest_parts(evidence, agent->vm_config, &parts);

	if (err)
		return err;
	err = attest_encode(&parts, form, false, &out->data, &out->len);
	attest_parts_free(&parts);
	return err;
}

static int attest(const struct agent *agent, const struct http_caller *caller,
		  const ProtobufCBinaryData *data,
		  enum libdstack_attestation_form form,
		  ProtobufCBinaryData *out, struct rpc_error *error)
{
	uint8_t report_data[DSTACK_REPORT_DATA_SIZE];
	struct attest_evidence evidence;
	int err;

	err = agent_report_data(data, report_data, error) ?:
		agent_evidence(agent, caller, report_data, &evidence, error);
	if (err)
		return err;
	err = encode(agent, &evidence, form, out);
	attest_evidence_free(&evidence);
	return err ? rpc_fail(error, err, "can't write the attestation: %s",
			      strerror(-err)) : 0;
}

AGENT_CALL(agent_v0_attest)
{
	const Guest__V0__ReportDataRequest *in = (const void *)request;
	Guest__V0__AttestResponse *out = (void *)response;

	return attest(agent, caller, &in->report_data, LIBDSTACK_FORM_SCALE,
		      &out->attestation, error);
}

/* There is no evidence of GPUs from the boot: an empty list says that. */
AGENT_CALL(agent_v1_attest)
{
	const Guest__V1__AttestRequest *in = (const void *)request;
	Guest__V1__AttestResponse *out = (void *)response;

	return attest(agent, caller, &in->report_data, LIBDSTACK_FORM_MSGPACK,
		      &out->attestation, error);
}

/* An empty list could pass for the evidence that a verifier wants. */
AGENT_CALL(agent_v1_attest_gpu)
{
	const Guest__V1__AttestGpuRequest *in = (const void *)request;

	(void)agent;
	(void)caller;
	(void)response;
	if (in->nonce.len != NONCE_SIZE)
		return rpc_fail(error, -EINVAL,
				"a nonce has %d bytes, not %zu", NONCE_SIZE,
				in->nonce.len);
	return rpc_fail(error, -EOPNOTSUPP,
			"no GPU of this machine can be attested");
}
