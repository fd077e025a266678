// SPDX-License-Identifier: MIT
/*
 * What environments are encrypted to, and who says so
 *
 * Copyright The dstack for Linux authors
 *
 * Anybody may ask, and the connection proves nothing: the root key's signature
 * does.  The older of two signatures is good for ever; the newer has a time.
 */
#include "room.h"

#include <errno.h>
#include <kms.pb-c.h>
#include <string.h>

#include "../keys/primitives.h"

#define CONTEXT		"dstack-env-encrypt-pubkey:"
#define TIME_SIZE	8

struct env_ask {
	const uint8_t *app_id, *signer;
	struct kms_env_key *key;
};

/* @when: of TIME_SIZE bytes, or of none. */
static int recover(struct kms_call *call, const struct env_ask *ask,
		   const char *name, const ProtobufCBinaryData *signature,
		   const struct part *when, uint8_t signer[])
{
	const struct part parts[] = {
		{ CONTEXT, strlen(CONTEXT) },
		{ ask->app_id, DSTACK_APP_ID_SIZE }, *when,
		{ ask->key->public_key, KMS_KEY_SIZE },
	};
	uint8_t digest[HASH_SIZE];
	int err;

	if (signature->len != KMS_SIGNATURE_SIZE)
		return kms_fail(call, -EBADMSG, "%s has %zu bytes, not %d",
				name, signature->len, KMS_SIGNATURE_SIZE);
	err = hash_parts(HASH_KECCAK256, parts, 4, digest) ?:
		secp_recover(signature->data, digest, signer);
	return err ? kms_fail(call, -EBADMSG, "%s is no signature", name) : 0;
}

/* Whose they are: one root's, and the one that was asked for, or a later. */
static int check_signer(struct kms_call *call, const struct env_ask *ask,
			const uint8_t signer[KMS_K256_PUBLIC_SIZE])
{
	if (!ask->signer ||
	    !memcmp(ask->signer, signer, KMS_K256_PUBLIC_SIZE))
		return 0;
	return kms_follow_root(call, KMS_ROOT_K256, ask->signer, signer,
			       "another root signed its answer: it is another KMS, or the answer is another application's");
}

static int check_time(struct kms_call *call, uint64_t timestamp)
{
	uint64_t now = time(NULL);

	if (timestamp > now && timestamp - now > KMS_ENV_AHEAD_MAX)
		return kms_fail(call, -EKEYREJECTED,
				"its answer is of a time to come: are the clocks right?");
	if (timestamp < now && now - timestamp > KMS_ENV_AGE_MAX)
		return kms_fail(call, -EKEYREJECTED,
				"its answer is more than %d s old",
				KMS_ENV_AGE_MAX);
	return 0;
}

static int take_new(struct kms_call *call,
		    const Kms__GetAppEnvEncryptPubKeyResponse *in,
		    const struct env_ask *ask)
{
	uint8_t signer[KMS_K256_PUBLIC_SIZE], be[TIME_SIZE];
	struct part when;
	int i, err;

	if (!in->signature_v1.len)
		return 0;
	for (i = 0; i < TIME_SIZE; i++)
		be[i] = in->timestamp >> (8 * (TIME_SIZE - 1 - i));
	when = (struct part){ be, sizeof(be) };
	err = recover(call, ask, "signature_v1", &in->signature_v1, &when,
		      signer);
	if (err)
		return err;
	if (memcmp(signer, ask->key->signer, sizeof(signer)) != 0)
		return kms_fail(call, -EBADMSG,
				"its two signatures are of two roots");
	ask->key->timestamp = in->timestamp;
	return check_time(call, in->timestamp);
}

static int take(struct kms_call *call,
		const Kms__GetAppEnvEncryptPubKeyResponse *in,
		const struct env_ask *ask)
{
	static const struct part no_time = { "", 0 };
	struct kms_env_key *key = ask->key;

	if (in->public_key.len != KMS_KEY_SIZE)
		return kms_fail(call, -EBADMSG,
				"public_key has %zu bytes, not %d",
				in->public_key.len, KMS_KEY_SIZE);
	memcpy(key->public_key, in->public_key.data, KMS_KEY_SIZE);
	return recover(call, ask, "signature", &in->signature, &no_time,
		       key->signer) ?:
		check_signer(call, ask, key->signer) ?:
		take_new(call, in, ask);
}

static int ask_env(struct kms_call *call, void *arg)
{
	Kms__AppId request = KMS__APP_ID__INIT;
	const struct env_ask *ask = arg;
	struct kms_reply reply;
	int err;

	request.app_id = (ProtobufCBinaryData){
		DSTACK_APP_ID_SIZE, (uint8_t *)ask->app_id
	};
	err = kms_ask(call, "GetAppEnvEncryptPubKey", &request,
		      &kms__get_app_env_encrypt_pub_key_response__descriptor,
		      KMS_KEYS_MAX, &reply);
	if (!err)
		err = take(call, (const void *)reply.msg, ask);
	if (err)
		*ask->key = (struct kms_env_key){ .timestamp = 0 };
	kms_reply_free(&reply);
	return err;
}

int kms_env_public_key(const struct kms *kms,
		       const uint8_t app_id[DSTACK_APP_ID_SIZE],
		       const uint8_t signer[KMS_K256_PUBLIC_SIZE],
		       struct kms_env_key *key)
{
	struct env_ask ask = { app_id, signer, key };

	*key = (struct kms_env_key){ .timestamp = 0 };
	return kms_run(kms, ask_env, &ask);
}
