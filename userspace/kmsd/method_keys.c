// SPDX-License-Identifier: MIT
/*
 * Keys of applications
 *
 * Copyright The dstack for Linux authors
 */
#include <errno.h>
#include <kms.pb-c.h>
#include <stdlib.h>
#include <string.h>

#include "kmsd.h"

#define API_VERSION_MAX	1

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

static int put_epochs(struct visit *visit, uint64_t epoch,
		      Kms__GetAppKeyResponse *out)
{
	out->epoch_case = KMS__GET_APP_KEY_RESPONSE__EPOCH_KEY_EPOCH;
	out->key_epoch = epoch;
	return epochs_list(visit->kmsd->epochs, visit_floor(visit),
			   &out->n_key_epochs, &out->key_epochs);
}

static int give(struct visit *visit, uint64_t epoch,
		Kms__GetAppKeyResponse *out)
{
	struct issue_app_keys keys;
	const struct issue *issue;
	int err;

	issue = epochs_get(visit->kmsd->epochs, visit_floor(visit), &epoch,
			   visit->error);
	if (!issue)
		return -ENOKEY;
	err = issue_app_keys(issue, visit->boot.app_id,
			     &visit->boot.instance_id, &keys) ?:
		put_keys(&keys, out) ?: put_rest(visit, issue, out);
	issue_app_keys_wipe(&keys);
	epochs_put(visit->kmsd->epochs);
	return err ?: put_epochs(visit, epoch, out) ?:
		visit_grant(visit, epoch);
}

KMSD_CALL(kmsd_get_app_key)
{
	const Kms__GetAppKeyRequest *in = (const void *)request;
	struct visit visit = {
		.kmsd = kmsd, .from = from, .method = "GetAppKey",
		.error = error,
	};
	bool named = in->epoch_case ==
		KMS__GET_APP_KEY_REQUEST__EPOCH_KEY_EPOCH;
	int err = visit_begin(&visit);

	if (!err && in->api_version > API_VERSION_MAX)
		err = rpc_fail(error, -EPROTONOSUPPORT,
			       "Unsupported API version: %llu",
			       (unsigned long long)in->api_version);
	err = err ?: visit_verify(&visit, in->vm_config) ?:
		visit_judge(&visit, auth_app) ?:
		give(&visit, named ? in->key_epoch : EPOCH_OLDEST,
		     (void *)response);
	visit_end(&visit);
	return err;
}
