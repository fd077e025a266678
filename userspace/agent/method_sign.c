// SPDX-License-Identifier: MIT
/*
 * Sign and Verify: the key stays with us
 *
 * Copyright The dstack for Linux authors
 */
#include "agent.h"
#include "metrics/metrics.h"

#include <errno.h>
#include <string.h>

#include <guest_v0.pb-c.h>

/* The key that v0 signs with, and what its claim says that it is for. */
#define PATH	"vms"
#define PURPOSE	"signing"

static int answer(const struct agent *agent, struct agent_claim *claim,
		  uint64_t epoch, const uint8_t signature[AGENT_SIGNATURE_SIZE],
		  Guest__V0__SignResponse *out, struct rpc_error *error)
{
	return rpc_put_bytes(&out->signature, signature,
			     AGENT_SIGNATURE_SIZE) ?:
		rpc_put_bytes(&out->public_key, claim->public.bytes,
			      claim->public.len) ?:
		rpc_add_bytes(&out->n_signature_chain, &out->signature_chain,
			      signature, AGENT_SIGNATURE_SIZE) ?:
		agent_add_links(agent, claim, epoch, &out->n_signature_chain,
				&out->signature_chain, error);
}

AGENT_CALL(agent_v0_sign)
{
	const Guest__V0__SignRequest *in = (const void *)request;
	const struct agent_key_request ask = {
		.algorithm = agent_algorithm_of_signature(in->algorithm),
		.delivery = DSTACK_DELIVER_AGENT,
		.path = PATH, .path_len = strlen(PATH),
	};
	struct agent_claim claim = {
		.algorithm = ask.algorithm,
		.name = PURPOSE, .name_len = strlen(PURPOSE),
	};
	uint8_t key[DSTACK_KEY_SIZE], signature[AGENT_SIGNATURE_SIZE];
	const char *why = "can't sign";
	uint64_t epoch;
	int err;

	err = agent_get_key(caller, &ask, key, &epoch, error);
	if (err)
		return err;
	err = agent_sign(ask.algorithm, key, in->data.data, in->data.len,
			 signature, &why) ?:
		agent_key_public(ask.algorithm, key, &claim.public);
	explicit_bzero(key, sizeof(key));
	if (err)
		return rpc_fail(error, err, "%s", why);
	metrics_count(agent->counters, METRICS_SIGNATURES);
	return answer(agent, &claim, epoch, signature,
		      (Guest__V0__SignResponse *)response, error);
}

AGENT_CALL(agent_v0_verify)
{
	const Guest__V0__VerifyRequest *in = (const void *)request;
	Guest__V0__VerifyResponse *out = (void *)response;
	const struct agent_signed what = {
		.algorithm = agent_algorithm_of_signature(in->algorithm),
		.data = in->data.data, .len = in->data.len,
		.signature = in->signature.data,
		.signature_len = in->signature.len,
		.public_key = in->public_key.data,
		.public_len = in->public_key.len,
	};
	const char *why = "can't verify";
	bool valid = false;
	int err = agent_verify(&what, &valid, &why);

	(void)agent;
	(void)caller;
	out->valid = valid;
	return err ? rpc_fail(error, err, "%s", why) : 0;
}
