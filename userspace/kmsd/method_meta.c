// SPDX-License-Identifier: MIT
/*
 * What everybody may know
 *
 * Copyright The dstack for Linux authors
 */
#include <errno.h>
#include <kms.pb-c.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../daemon/daemon.h"
#include "kmsd.h"

KMSD_CALL(kmsd_get_env_key)
{
	const Kms__AppId *in = (const void *)request;
	Kms__GetAppEnvEncryptPubKeyResponse *out = (void *)response;
	uint64_t epoch = EPOCH_OLDEST;
	const struct issue *issue;
	struct issue_env_key key;
	int err;

	(void)from;
	if (in->app_id.len != DSTACK_APP_ID_SIZE)
		return rpc_fail(error, -EINVAL, "Invalid app ID: want %d bytes",
				DSTACK_APP_ID_SIZE);
	err = self_allowed(kmsd, time(NULL), error);
	if (err)
		return err;
	issue = epochs_get(kmsd->epochs, &epoch);
	if (!issue)
		return rpc_fail(error, -ENOKEY, "this KMS has no keys");
	out->timestamp = (uint64_t)time(NULL);
	err = issue_env_key(issue, in->app_id.data, out->timestamp, &key);
	epochs_put(kmsd->epochs);
	return err ?: rpc_put_bytes(&out->public_key, key.public,
				    sizeof(key.public)) ?:
		rpc_put_bytes(&out->signature, key.signature,
			      sizeof(key.signature)) ?:
		rpc_put_bytes(&out->signature_v1, key.signature_v1,
			      sizeof(key.signature_v1));
}

static int put_auth(struct kmsd *kmsd, Kms__GetMetaResponse *out)
{
	struct auth_info info = { 0 };
	struct chain_why why;
	int err = 0;

	/* Keys are the same, whoever can be asked now. */
	if (auth_info(kmsd->auth, (uint64_t)time(NULL), &info, &why))
		msg_at(LOG_WARNING, "GetMeta: %s", why.text);
	if (*info.gateway_app_id) {
		err = rpc_put_text(&out->gateway_app_id, info.gateway_app_id);
		out->gateway_case =
			KMS__GET_META_RESPONSE__GATEWAY_GATEWAY_APP_ID;
	}
	if (!err && *info.kms_contract) {
		err = rpc_put_text(&out->kms_contract_address,
				   info.kms_contract);
		out->contract_case =
			KMS__GET_META_RESPONSE__CONTRACT_KMS_CONTRACT_ADDRESS;
	}
	if (!err && *info.app_implementation) {
		err = rpc_put_text(&out->app_auth_implementation,
				   info.app_implementation);
		out->app_case =
			KMS__GET_META_RESPONSE__APP_APP_AUTH_IMPLEMENTATION;
	}
	if (info.chain_id) {
		out->chain_id = info.chain_id;
		out->chain_case = KMS__GET_META_RESPONSE__CHAIN_CHAIN_ID;
	}
	return err;
}

KMSD_CALL(kmsd_get_meta)
{
	Kms__GetMetaResponse *out = (void *)response;
	uint64_t epoch = EPOCH_OLDEST;
	const struct issue *issue;
	int err;

	(void)from;
	(void)request;
	issue = epochs_get(kmsd->epochs, &epoch);
	if (!issue)
		return rpc_fail(error, -ENOKEY, "this KMS has no keys");
	err = rpc_put_text(&out->ca_cert, issue_cert(issue, ISSUE_ROOT_CA)) ?:
		rpc_put_bytes(&out->k256_pubkey, issue_public(issue)->k256,
			      sizeof(issue_public(issue)->k256));
	epochs_put(kmsd->epochs);
	out->is_dev = kmsd->options->auth.type == AUTH_TYPE_DEV;
	out->allow_any_upgrade = out->is_dev;
	return err ?: put_auth(kmsd, out);
}
