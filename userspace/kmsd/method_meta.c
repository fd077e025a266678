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
#include "../rpc/codec.h"
#include "kmsd.h"

KMSD_CALL(kmsd_get_env_key)
{
	const Kms__AppId *in = (const void *)request;
	Kms__GetAppEnvEncryptPubKeyResponse *out = (void *)response;
	bool named = in->epoch_case == KMS__APP_ID__EPOCH_KEY_EPOCH;
	uint64_t epoch = named ? in->key_epoch : EPOCH_OLDEST;
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
	issue = epochs_get(kmsd->epochs, 0, &epoch, error);
	if (!issue)
		return -ENOKEY;
	out->epoch_case =
		KMS__GET_APP_ENV_ENCRYPT_PUB_KEY_RESPONSE__EPOCH_KEY_EPOCH;
	out->key_epoch = epoch;
	out->timestamp = (uint64_t)time(NULL);
	err = issue_env_key(issue, in->app_id.data, out->timestamp, &key);
	epochs_put(kmsd->epochs);
	return err ?: rpc_put_bytes(&out->public_key, key.public,
				    sizeof(key.public)) ?:
		rpc_put_bytes(&out->signature, key.signature,
			      sizeof(key.signature)) ?:
		rpc_put_bytes(&out->signature_v1, key.signature_v1,
			      sizeof(key.signature_v1)) ?:
		epochs_list(kmsd->epochs, 0, &out->n_key_epochs,
			    &out->key_epochs);
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

static int copy_info(const Kms__BootstrapResponse *in,
		     Kms__GetMetaResponse *out)
{
	Kms__BootstrapResponse *info = malloc(sizeof(*info));

	if (!info)
		return -ENOMEM;
	kms__bootstrap_response__init(info);
	out->bootstrap_info = info;
	return rpc_put_bytes(&info->ca_pubkey, in->ca_pubkey.data,
			     in->ca_pubkey.len) ?:
		rpc_put_bytes(&info->k256_pubkey, in->k256_pubkey.data,
			      in->k256_pubkey.len) ?:
		rpc_put_bytes(&info->attestation, in->attestation.data,
			      in->attestation.len);
}

/*
 * What is in the file proves itself to who verifies it, and nothing here is
 * decided by it.  Like upstream's, a KMS that has none says nothing of it.
 */
static int put_info(struct kmsd *kmsd, Kms__GetMetaResponse *out)
{
	static const struct rpc_method method = {
		.in = &kms__bootstrap_response__descriptor,
	};
	struct rpc_request text = { .what = "bootstrap-info.json" };
	struct rpc_error error = { 0 };
	ProtobufCAllocator allocator;
	ProtobufCMessage *info = NULL;
	struct rpc_memory memory;
	char *data;
	int err = state_read_info(kmsd->state, &data, &text.len);

	if (err)
		return err == -ENOMEM ? err : 0;
	text.body = data;
	memory = (struct rpc_memory){ .left = 2 * text.len + (1U << 20) };
	allocator = rpc_memory_for_messages(&memory);
	err = rpc_json_read(&text, &method, &memory, &info, &error);
	if (!err)
		err = copy_info((const void *)info, out);
	else
		msg_at(LOG_WARNING, "GetMeta: %s", error.text);
	protobuf_c_message_free_unpacked(info, &allocator);
	free(data);
	return err == -ENOMEM ? err : 0;
}

static int put_succession(const struct epoch_shown *shown,
			  Kms__GetMetaResponse *out)
{
	const struct issue_public *public = &shown->public;
	Kms__Succession *record = malloc(sizeof(*record));

	if (!record)
		return -ENOMEM;
	kms__succession__init(record);
	out->successions[out->n_successions++] = record;
	record->epoch = shown->number;
	return rpc_put_bytes(&record->k256_pubkey, public->k256,
			     sizeof(public->k256)) ?:
		rpc_put_bytes(&record->ca_pubkey, public->ca,
			      sizeof(public->ca)) ?:
		rpc_put_bytes(&record->record, shown->succession,
			      shown->succession_len);
}

/* For who pins the root of an epoch, also of one that is gone. */
static int put_successions(struct kmsd *kmsd, Kms__GetMetaResponse *out)
{
	struct epoch_shown shown;
	size_t i;
	int err = 0;

	out->successions = calloc(KEY_EPOCHS_MAX, sizeof(*out->successions));
	if (!out->successions)
		return -ENOMEM;
	for (i = 0; !err && i < KEY_EPOCHS_MAX &&
	     epochs_show(kmsd->epochs, i, &shown); i++)
		if (shown.succession_len)
			err = put_succession(&shown, out);
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
	issue = epochs_get(kmsd->epochs, 0, &epoch, error);
	if (!issue)
		return -ENOKEY;
	err = rpc_put_text(&out->ca_cert, issue_cert(issue, ISSUE_ROOT_CA)) ?:
		rpc_put_bytes(&out->k256_pubkey, issue_public(issue)->k256,
			      sizeof(issue_public(issue)->k256));
	epochs_put(kmsd->epochs);
	out->is_dev = kmsd->options->auth.type == AUTH_TYPE_DEV;
	out->allow_any_upgrade = out->is_dev;
	return err ?: put_successions(kmsd, out) ?: put_info(kmsd, out) ?:
		put_auth(kmsd, out);
}
