// SPDX-License-Identifier: MIT
/*
 * Keys of the caller's container, and the links that vouch for them
 *
 * Copyright The dstack for Linux authors
 */
#include "agent.h"
#include "words.h"

#include <errno.h>
#include <string.h>

static const enum dstack_key_kind kinds[] = {
	[AGENT_SECP256K1] = DSTACK_KEY_SECP256K1,
	[AGENT_SECP256K1_PREHASHED] = DSTACK_KEY_SECP256K1,
	[AGENT_ED25519] = DSTACK_KEY_ED25519,
};

/* What the person who wrote the policy has to know. */
static int refused(int err, const struct http_caller *caller,
		   const struct libdstack_key *key, struct rpc_error *error)
{
	switch (err) {
	case -EACCES:
		return rpc_fail(error, err,
				"the policy does not let container '%s' have this key: its section needs \"keys\" with this path, kind %s, scope app and delivery %s",
				caller->id, dstack_key_kind_name(key->kind),
				dstack_key_delivery_name(key->delivery));
	case -ENOKEY:
		return rpc_fail(error, err,
				"no root key is loaded for this application");
	case -ESTALE:
		return rpc_fail(error, err,
				"the container that asked has ended");
	case -EKEYREVOKED:
		return rpc_fail(error, err, "this key epoch is retired");
	case -EKEYREJECTED:
		return rpc_fail(error, err,
				"what is derived is no key of this kind: take another path");
	case -EDQUOT:
	case -ENOBUFS:
		return rpc_fail(error, err,
				"this container took keys too often: try again later");
	case -EINVAL:
		return rpc_fail(error, err, "a path has at most %d bytes",
				DSTACK_KEY_PATH_MAX);
	default:
		return rpc_fail(error, err, "can't get the key: %s",
				strerror(-err));
	}
}

int agent_get_key(const struct http_caller *caller,
		  const struct agent_key_request *request,
		  uint8_t key[DSTACK_KEY_SIZE], uint64_t *epoch,
		  struct rpc_error *error)
{
	struct libdstack_key ask = {
		.scope = DSTACK_SCOPE_APP, .delivery = request->delivery,
		.flags = request->v1 ? DSTACK_KEY_F_V1 : 0,
		.path = request->path, .path_len = request->path_len,
	};
	int fd, err;

	if (!request->kind && request->algorithm == AGENT_UNSUPPORTED)
		return rpc_fail(error, -EINVAL, AGENT_UNSUPPORTED_TEXT);
	ask.kind = request->kind ? request->kind : kinds[request->algorithm];
	fd = agent_device(caller, error);
	if (fd < 0)
		return fd;
	err = libdstack_get_key(fd, &ask, key, NULL);
	*epoch = ask.epoch;
	return err ? refused(err, caller, &ask, error) : 0;
}

int agent_add_links(const struct agent *agent, const struct agent_claim *claim,
		    uint64_t epoch, size_t *nr, ProtobufCBinaryData **links,
		    struct rpc_error *error)
{
	const struct agent_app_keys *keys;
	uint8_t link[AGENT_LINK_SIZE];
	int err;

	if (!agent->epochs)
		return 0;
	keys = agent_epochs_get(agent->epochs, epoch, error);
	if (!keys)
		return -EAGAIN;
	err = agent_claim_sign(claim, keys->k256_key, link) ?:
		rpc_add_bytes(nr, links, link, sizeof(link)) ?:
		rpc_add_bytes(nr, links, keys->k256_signature,
			      keys->k256_signature_len);
	agent_epochs_put(agent->epochs);
	return err;
}
