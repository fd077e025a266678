// SPDX-License-Identifier: MIT
/*
 * The application's keys: whoever gives them must be the KMS, and we the
 * application
 *
 * Copyright The dstack for Linux authors
 */
#include "room.h"

#include <errno.h>
#include <kms.pb-c.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "../keys/keys.h"

#define API_VERSION	1
#define GATEWAY_MAX	63

struct asking {
	struct kms_asker asker;
	uint64_t epoch;			/* KMS_EPOCH_OLDEST: not named */
	struct kms_app_keys *keys;	/* what came of it */
};

static int take_key(struct kms_call *call, const char *name,
		    const ProtobufCBinaryData *in, uint8_t out[KMS_KEY_SIZE])
{
	if (in->len != KMS_KEY_SIZE)
		return kms_fail(call, -EBADMSG, "%s has %zu bytes, not %d",
				name, in->len, KMS_KEY_SIZE);
	memcpy(out, in->data, KMS_KEY_SIZE);
	return 0;
}

static int take_k256(struct kms_call *call,
		     const Kms__GetAppKeyResponse *in,
		     struct kms_app_keys *keys)
{
	struct agent_public public;
	int err;

	err = take_key(call, "k256_key", &in->k256_key, keys->k256_key);
	if (err)
		return err;
	if (agent_key_public(AGENT_SECP256K1, keys->k256_key, &public))
		return kms_fail(call, -EBADMSG, "k256_key is no key");
	if (in->k256_signature.len != KMS_SIGNATURE_SIZE)
		return kms_fail(call, -EBADMSG,
				"k256_signature has %zu bytes, not %d",
				in->k256_signature.len, KMS_SIGNATURE_SIZE);
	keys->k256_signature_len = KMS_SIGNATURE_SIZE;
	memcpy(keys->k256_signature, in->k256_signature.data,
	       KMS_SIGNATURE_SIZE);
	return 0;
}

static int take_image(struct kms_call *call, const ProtobufCBinaryData *in,
		      struct kms_app_keys *keys)
{
	if (in->len && in->len != KMS_OS_IMAGE_HASH_SIZE)
		return kms_fail(call, -EBADMSG,
				"os_image_hash has %zu bytes, not %d",
				in->len, KMS_OS_IMAGE_HASH_SIZE);
	keys->os_image_hash_len = in->len;
	if (in->len)
		memcpy(keys->os_image_hash, in->data, in->len);
	return 0;
}

static int take_gateway(struct kms_call *call, const char *in,
			struct kms_app_keys *keys)
{
	size_t i, len = strlen(in);

	for (i = 0; i < len; i++)
		if (in[i] <= ' ' || in[i] > '~')
			break;
	if (i < len || len > GATEWAY_MAX)
		return kms_fail(call, -EBADMSG,
				"gateway_app_id is no short text");
	keys->gateway_app_id = strdup(in);
	return keys->gateway_app_id ? 0 : -ENOMEM;
}

static bool is_followed(const struct kms *kms, const struct kms_app_keys *keys)
{
	return kms->provider_id_len && keys->provider_id &&
		(kms->provider_id_len != keys->provider_id_len ||
		 memcmp(kms->provider_id, keys->provider_id,
			keys->provider_id_len) != 0);
}

static int take_provider(struct kms_call *call, X509 *root,
			 struct kms_app_keys *keys)
{
	uint8_t *id;
	int err;

	err = kms_root_id(call, root, &id, &keys->provider_id_len);
	if (err)
		return err;
	keys->provider_id = malloc(keys->provider_id_len);
	if (keys->provider_id)
		memcpy(keys->provider_id, id, keys->provider_id_len);
	else
		err = -ENOMEM;
	keys->followed = is_followed(call->kms, keys);
	OPENSSL_free(id);
	return err;
}

static bool is_shown(const struct kms_call *call, X509 *root)
{
	return EVP_PKEY_eq(X509_get0_pubkey(root),
			   X509_get0_pubkey(call->root)) == 1;
}

/* By the KMS's records, as for a client that had pinned the one it shows. */
static int follow_shown(struct kms_call *call, const struct kms_app_keys *keys)
{
	uint8_t *shown;
	char what[96];
	size_t len;
	int err = kms_root_id(call, call->root, &shown, &len);

	if (err)
		return err;
	snprintf(what, sizeof(what), "the root of key epoch %llu is not one that succeeds the root that it shows",
		 (unsigned long long)keys->key_epoch);
	err = kms_follow_root(call, KMS_ROOT_CA, shown, keys->provider_id,
			      what);
	OPENSSL_free(shown);
	return err;
}

/*
 * The root that it showed to be asked is the one that it gives, unless keys of
 * an epoch were asked for: it shows the root of the oldest that lives.
 */
static int take_root(struct kms_call *call, const char *in, uint64_t epoch,
		     struct kms_app_keys *keys)
{
	X509 *root = kms_root_read(call, in);
	int err;

	if (!root)
		return -EBADMSG;
	if (epoch == KMS_EPOCH_OLDEST && !is_shown(call, root))
		err = kms_fail(call, -EKEYREJECTED,
			       "it gives another root than the one that it showed");
	else
		err = take_provider(call, root, keys);
	if (!err && !is_shown(call, root))
		err = follow_shown(call, keys);
	X509_free(root);
	if (err)
		return err;
	keys->ca_cert = strdup(in);
	return keys->ca_cert ? 0 : -ENOMEM;
}

/* One that names none is upstream's, which has one: it is 0. */
static int take_epoch(struct kms_call *call, const Kms__GetAppKeyResponse *in,
		      uint64_t epoch, struct kms_app_keys *keys)
{
	if (in->epoch_case == KMS__GET_APP_KEY_RESPONSE__EPOCH_KEY_EPOCH)
		keys->key_epoch = in->key_epoch;
	if (keys->key_epoch > KEY_EPOCH_NUMBER_MAX)
		return kms_fail(call, -EBADMSG,
				"key_epoch is no number of one");
	if (epoch != KMS_EPOCH_OLDEST && keys->key_epoch != epoch)
		return kms_fail(call, -EBADMSG,
				"it gives keys of key epoch %llu, not %llu",
				(unsigned long long)keys->key_epoch,
				(unsigned long long)epoch);
	return 0;
}

static int take_epochs(struct kms_call *call,
		       const Kms__GetAppKeyResponse *in,
		       struct kms_app_keys *keys)
{
	uint64_t *to = keys->key_epochs;
	bool found = !in->n_key_epochs;
	size_t i;

	if (in->n_key_epochs > KEY_EPOCHS_MAX)
		return kms_fail(call, -EBADMSG, "it has %zu key epochs",
				in->n_key_epochs);
	for (i = 0; i < in->n_key_epochs; i++) {
		to[i] = in->key_epochs[i];
		if (to[i] > KEY_EPOCH_NUMBER_MAX || (i && to[i] <= to[i - 1]))
			return kms_fail(call, -EBADMSG,
					"key_epochs are not in order");
		found |= to[i] == keys->key_epoch;
	}
	keys->nr_key_epochs = in->n_key_epochs;
	return found ? 0 :
		kms_fail(call, -EBADMSG, "key_epoch is none of key_epochs");
}

static int take_keys(struct kms_call *call, const Kms__GetAppKeyResponse *in,
		     uint64_t epoch, struct kms_app_keys *keys)
{
	return take_epoch(call, in, epoch, keys) ?:
		take_epochs(call, in, keys) ?:
		take_key(call, "disk_crypt_key", &in->disk_crypt_key,
			 keys->disk_crypt_key) ?:
		take_key(call, "env_crypt_key", &in->env_crypt_key,
			 keys->env_crypt_key) ?:
		take_k256(call, in, keys) ?:
		take_image(call, &in->os_image_hash, keys) ?:
		take_gateway(call, in->gateway_app_id, keys) ?:
		take_root(call, in->ca_cert, epoch, keys);
}

/*
 * To be used again, without the CA's key being asked for.  It is under the root
 * that was shown, and of no use beside another.
 */
static int take_temp_ca(struct kms_call *call, struct kms_temp_ca *ca,
			struct kms_app_keys *keys)
{
	X509 *root = kms_root_read(call, keys->ca_cert);
	bool shown = root && is_shown(call, root);

	X509_free(root);
	keys->url = strdup(call->url);
	if (!keys->url)
		return -ENOMEM;
	if (!shown) {
		keys->tmp_ca_key = strdup("");
		keys->tmp_ca_cert = strdup("");
		return keys->tmp_ca_key && keys->tmp_ca_cert ? 0 : -ENOMEM;
	}
	keys->tmp_ca_key = ca->key_pem;
	keys->tmp_ca_cert = ca->cert_pem;
	ca->key_pem = NULL;
	ca->cert_pem = NULL;
	return 0;
}

static int ask_keys(struct kms_call *call, struct asking *asking)
{
	Kms__GetAppKeyRequest request = KMS__GET_APP_KEY_REQUEST__INIT;
	const char *config = call->kms->vm_config;
	struct kms_reply reply;
	int err;

	request.api_version = API_VERSION;
	if (asking->epoch != KMS_EPOCH_OLDEST) {
		request.epoch_case = KMS__GET_APP_KEY_REQUEST__EPOCH_KEY_EPOCH;
		request.key_epoch = asking->epoch;
	}
	if (config)
		request.vm_config = (char *)config;
	err = kms_ask(call, "GetAppKey", &request,
		      &kms__get_app_key_response__descriptor, KMS_KEYS_MAX,
		      &reply);
	if (err)
		return err;
	err = take_keys(call, (const Kms__GetAppKeyResponse *)reply.msg,
			asking->epoch, asking->keys);
	kms_reply_free(&reply);
	return err;
}

static int ask(struct kms_call *call, void *arg)
{
	struct kms_temp_ca ca = { 0 };
	struct asking *asking = arg;
	int err = kms_temp_ca_get(call, &ca) ?:
		kms_asker_show(call, &asking->asker, &ca);

	if (!err)
		err = ask_keys(call, asking);
	if (!err)
		err = take_temp_ca(call, &ca, asking->keys);
	if (err)
		kms_app_keys_wipe(asking->keys);
	X509_free(call->cert);
	kms_temp_ca_clear(&ca);
	return err;
}

int kms_get_app_keys(const struct kms *kms, uint64_t epoch,
		     struct kms_app_keys *keys)
{
	struct asking asking = { .epoch = epoch, .keys = keys };
	int err;

	*keys = (struct kms_app_keys){ .ca_cert = NULL };
	err = kms_asker_init(kms, &asking.asker) ?:
		kms_run(kms, ask, &asking);
	kms_asker_clear(&asking.asker);
	ERR_clear_error();
	return err;
}

static void wipe_text(char *text)
{
	if (text)
		OPENSSL_cleanse(text, strlen(text));
	free(text);
}

void kms_app_keys_wipe(struct kms_app_keys *keys)
{
	free(keys->ca_cert);
	free(keys->gateway_app_id);
	free(keys->provider_id);
	free(keys->url);
	free(keys->tmp_ca_cert);
	wipe_text(keys->tmp_ca_key);
	OPENSSL_cleanse(keys, sizeof(*keys));
}
