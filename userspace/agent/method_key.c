// SPDX-License-Identifier: MIT
/*
 * GetKey, of each generation of the API
 *
 * Copyright The dstack for Linux authors
 */
#include "agent.h"
#include "metrics/metrics.h"

#include <errno.h>
#include <string.h>

#include <guest_v0.pb-c.h>
#include <guest_v1.pb-c.h>
#include <tappd.pb-c.h>

/* The key and its links go here; @public may be NULL. */
struct answer {
	ProtobufCBinaryData *key, *public;
	size_t *nr;
	ProtobufCBinaryData **links;
};

static int get(struct agent *agent, const struct http_caller *caller,
	       const struct agent_key_request *request,
	       struct agent_claim *claim, const struct answer *to,
	       struct rpc_error *error)
{
	uint8_t key[DSTACK_KEY_SIZE];
	uint64_t epoch;
	int err;

	err = agent_get_key(caller, request, key, &epoch, error);
	if (err)
		return err;
	claim->v1 = request->v1;
	claim->algorithm = request->algorithm;
	err = agent_key_public(request->algorithm, key, &claim->public) ?:
		agent_add_links(agent, claim, epoch, to->nr, to->links,
				error) ?:
		rpc_put_bytes(to->key, key, sizeof(key));
	if (!err && to->public)
		err = rpc_put_bytes(to->public, claim->public.bytes,
				    claim->public.len);
	explicit_bzero(key, sizeof(key));
	if (!err)
		metrics_count(agent->counters, METRICS_KEYS);
	return err;
}

static int get_v0(struct agent *agent, const struct http_caller *caller,
		  const char *path, const char *purpose, const char *algorithm,
		  const struct answer *to, struct rpc_error *error)
{
	const struct agent_key_request request = {
		.algorithm = agent_algorithm_of_key(algorithm),
		.delivery = DSTACK_DELIVER_BYTES,
		.path = path, .path_len = strlen(path),
	};
	struct agent_claim claim = {
		.name = purpose, .name_len = strlen(purpose),
	};

	return get(agent, caller, &request, &claim, to, error);
}

AGENT_CALL(agent_v0_get_key)
{
	const Guest__V0__GetKeyRequest *in = (const void *)request;
	Guest__V0__GetKeyResponse *out = (void *)response;
	const struct answer to = {
		&out->key, NULL, &out->n_signature_chain, &out->signature_chain
	};

	return get_v0(agent, caller, in->path, in->purpose, in->algorithm, &to,
		      error);
}

AGENT_CALL(agent_tappd_derive_k256)
{
	const Guest__V0__GetKeyRequest *in = (const void *)request;
	Tappd__DeriveK256KeyResponse *out = (void *)response;
	const struct answer to = {
		&out->k256_key, NULL, &out->n_k256_signature_chain,
		&out->k256_signature_chain
	};

	return get_v0(agent, caller, in->path, in->purpose, in->algorithm, &to,
		      error);
}

AGENT_CALL(agent_v1_get_key)
{
	const Guest__V1__GetKeyRequest *in = (const void *)request;
	Guest__V1__GetKeyResponse *out = (void *)response;
	const struct agent_key_request ask = {
		.algorithm = agent_algorithm_of_v1(in->algorithm),
		.delivery = DSTACK_DELIVER_BYTES, .v1 = true,
		.path = in->domain.data, .path_len = in->domain.len,
	};
	struct agent_claim claim = {
		.name = in->domain.data, .name_len = in->domain.len,
	};
	const struct answer to = {
		&out->key, &out->public_key, &out->n_signature_chain,
		&out->signature_chain
	};

	return get(agent, caller, &ask, &claim, &to, error);
}
