// SPDX-License-Identifier: MIT
/*
 * Keys: of applications, and of the KMS itself for another one
 *
 * Copyright The dstack for Linux authors
 */
#include <errno.h>
#include <kms.pb-c.h>
#include <stdlib.h>
#include <string.h>

#include "kmsd.h"

#define API_VERSION_MAX	1

static int no_keys(struct rpc_error *error)
{
	error->status = 503;
	return rpc_fail(error, -ENOKEY, "this KMS has no keys");
}

static int put_keys(const struct issue_app_keys *keys,
		    Kms__GetAppKeyResponse *out)
{
	return rpc_put_bytes(&out->disk_crypt_key, keys->disk,
			     sizeof(keys->disk)) ?:
		rpc_put_bytes(&out->env_crypt_key, keys->env,
			      sizeof(keys->env)) ?:
		rpc_put_bytes(&out->k256_key, keys->k256,
			      sizeof(keys->k256)) ?:
		rpc_put_bytes(&out->k256_signature, keys->k256_signature,
			      sizeof(keys->k256_signature));
}

static int put_rest(const struct visit *visit, const struct issue *issue,
		    Kms__GetAppKeyResponse *out)
{
	const struct libdstack_id *image = &visit->peer.identity.os_image_hash;
	const char *gateway = visit->verdict.gateway_app_id;
	int err = rpc_put_text(&out->ca_cert,
			       issue_cert(issue, ISSUE_ROOT_CA));

	if (!err)
		err = rpc_put_text(&out->gateway_app_id, gateway);
	if (!err)
		err = rpc_put_text(&out->tproxy_app_id, gateway);
	if (!err)
		err = rpc_put_bytes(&out->os_image_hash, image->data,
				    image->len);
	return err;
}

static int give(struct visit *visit, Kms__GetAppKeyResponse *out)
{
	struct issue_app_keys keys;
	uint64_t epoch = EPOCH_OLDEST;
	const struct issue *issue = epochs_get(visit->kmsd->epochs, &epoch);
	int err;

	if (!issue)
		return no_keys(visit->error);
	err = issue_app_keys(issue, visit->boot.app_id,
			     &visit->boot.instance_id, &keys) ?:
		put_keys(&keys, out) ?: put_rest(visit, issue, out);
	issue_app_keys_wipe(&keys);
	epochs_put(visit->kmsd->epochs);
	return err ? err : visit_grant(visit, epoch);
}

KMSD_CALL(kmsd_get_app_key)
{
	const Kms__GetAppKeyRequest *in = (const void *)request;
	struct visit visit = {
		.kmsd = kmsd, .from = from, .method = "GetAppKey",
		.error = error,
	};
	int err = visit_begin(&visit);

	if (!err && in->api_version > API_VERSION_MAX)
		err = rpc_fail(error, -EPROTONOSUPPORT,
			       "Unsupported API version: %llu",
			       (unsigned long long)in->api_version);
	err = err ?: visit_verify(&visit, in->vm_config) ?:
		visit_judge(&visit, auth_app) ?:
		give(&visit, (void *)response);
	visit_end(&visit);
	return err;
}

static int put_roots(const struct issue *issue, const struct key_epoch *epoch,
		     Kms__GetKmsKeyResponse *out)
{
	Kms__KmsKeys *keys = malloc(sizeof(*keys));

	out->keys = malloc(sizeof(*out->keys));
	if (!keys || !out->keys) {
		free(keys);
		return -ENOMEM;
	}
	kms__kms_keys__init(keys);
	out->n_keys = 1;
	out->keys[0] = keys;
	out->temp_ca_key = issue_key(issue, ISSUE_TEMP_CA);
	keys->ca_key = issue_key(issue, ISSUE_ROOT_CA);
	if (!out->temp_ca_key || !keys->ca_key)
		return -ENOMEM;
	return rpc_put_bytes(&keys->k256_key, epoch->k256,
			     sizeof(epoch->k256));
}

/* @epoch: of @number, which is there. */
static void copy_epoch(struct state *state, uint64_t number,
		       struct key_epoch *epoch)
{
	size_t i = 0;

	do {
		state_get_epoch(state, i++, epoch);
	} while (epoch->number != number && i < state_count(state));
}

static int give_roots(struct visit *visit, Kms__GetKmsKeyResponse *out)
{
	uint64_t number = EPOCH_OLDEST;
	const struct issue *issue = epochs_get(visit->kmsd->epochs, &number);
	void *memory = NULL;
	int err;

	if (!issue)
		return no_keys(visit->error);
	err = libdstack_secret_alloc(sizeof(struct key_epoch), &memory);
	if (!err) {
		copy_epoch(visit->kmsd->state, number, memory);
		err = put_roots(issue, memory, out);
	}
	libdstack_secret_free(memory, sizeof(struct key_epoch));
	epochs_put(visit->kmsd->epochs);
	return err ? err : visit_grant(visit, number);
}

KMSD_CALL(kmsd_get_kms_key)
{
	const Kms__GetKmsKeyRequest *in = (const void *)request;
	struct visit visit = {
		.kmsd = kmsd, .from = from, .method = "GetKmsKey",
		.error = error,
	};
	int err = visit_begin(&visit) ?: visit_verify(&visit, in->vm_config) ?:
		visit_judge(&visit, auth_kms) ?:
		give_roots(&visit, (void *)response);

	visit_end(&visit);
	return err;
}
