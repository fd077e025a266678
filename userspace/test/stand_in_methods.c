// SPDX-License-Identifier: MIT
/*
 * The stand-in's methods
 *
 * Copyright The dstack for Linux authors
 */
#include "stand_in_kms.h"

#include <kms.pb-c.h>
#include <openssl/pem.h>
#include <string.h>

#include "../rpc/codec.h"

#define DAY	86400

static void refuse(struct stand_in_call *call, int status, const char *text)
{
	call->status = status;
	stand_in_need(!rpc_json_write_error(text, &call->answer,
					    &call->answer_len));
}

static void say(struct stand_in_call *call, const ProtobufCMessage *message)
{
	call->status = 200;
	stand_in_need(!rpc_json_write(message, &call->answer,
				      &call->answer_len));
}

static ProtobufCBinaryData bytes_of(void *data, size_t len)
{
	return (ProtobufCBinaryData){ len, data };
}

/* For free_unpacked; NULL: refused. */
static void *request(struct stand_in_call *call,
		     const ProtobufCMessageDescriptor *desc,
		     struct rpc_memory *memory)
{
	const struct rpc_method method = { .in = desc };
	const struct rpc_request text = {
		.body = call->body, .len = call->len
	};
	struct rpc_error error = { 0 };
	ProtobufCMessage *msg = NULL;

	*memory = (struct rpc_memory){ .left = 64u << 20 };
	if (!rpc_json_read(&text, &method, memory, &msg, &error))
		return msg;
	refuse(call, 400, error.text);
	return NULL;
}

static void release(void *msg, struct rpc_memory *memory)
{
	ProtobufCAllocator allocator = rpc_memory_for_messages(memory);

	protobuf_c_message_free_unpacked(msg, &allocator);
}

/*
 * GetTempCaCert
 */

/* A CA's certificate, with an issuer. */
static char *no_root(const struct stand_in_roots *roots)
{
	const struct libdstack_ratls_request request = {
		.key = roots->temp_key, .subject = "no root", .ca = true,
		.not_after = time(NULL) + DAY, .issuer = roots->ca,
		.issuer_key = roots->ca_key,
	};
	X509 *cert = libdstack_ratls_make(&request);
	BIO *out = BIO_new(BIO_s_mem());
	char *data, *pem;
	long len;

	stand_in_need(cert && out && PEM_write_bio_X509(out, cert) == 1);
	len = BIO_get_mem_data(out, &data);
	pem = strndup(data, len);
	BIO_free(out);
	X509_free(cert);
	return pem;
}

static void get_temp_ca(struct stand_in_call *call)
{
	Kms__GetTempCaCertResponse out = KMS__GET_TEMP_CA_CERT_RESPONSE__INIT;
	const struct issue *issue = call->roots->issue;
	char *other = call->fault == STAND_IN_ROOT ? no_root(call->roots) :
		NULL;

	out.temp_ca_cert = (char *)issue_cert(issue, ISSUE_TEMP_CA);
	out.temp_ca_key = issue_key(issue, call->fault == STAND_IN_TEMP_CA ?
				    ISSUE_ROOT_CA : ISSUE_TEMP_CA);
	out.ca_cert = other ? other : (char *)issue_cert(issue, ISSUE_ROOT_CA);
	stand_in_need(out.temp_ca_key);
	say(call, &out.base);
	free(out.temp_ca_key);
	free(other);
}

/*
 * GetMeta
 */

static void get_meta(struct stand_in_call *call)
{
	Kms__GetMetaResponse out = KMS__GET_META_RESPONSE__INIT;
	const struct stand_in_record *from = call->config->records;
	const struct issue *issue = call->roots->issue;
	size_t i, nr = call->config->nr_records;
	Kms__Succession *records = calloc(nr + 1, sizeof(*records));
	Kms__Succession **list = calloc(nr + 1, sizeof(*list));

	stand_in_need(records && list);
	for (i = 0; i < nr; i++, from++) {
		kms__succession__init(&records[i]);
		records[i].epoch = from->epoch;
		records[i].k256_pubkey = bytes_of((void *)from->next.k256, 33);
		records[i].ca_pubkey = bytes_of((void *)from->next.ca,
						from->ca_len);
		records[i].record = bytes_of((void *)from->record, from->len);
		list[i] = &records[i];
	}
	out.ca_cert = (char *)issue_cert(issue, ISSUE_ROOT_CA);
	out.k256_pubkey = bytes_of((void *)issue_public(issue)->k256, 33);
	out.n_successions = nr;
	out.successions = list;
	say(call, &out.base);
	free(records);
	free(list);
}

/*
 * GetAppKey
 */

static bool read_client(struct stand_in_call *call,
			struct libdstack_identity *client)
{
	struct libdstack_failure failure = { .text = "" };
	struct libdstack_ratls ratls = { .attestation = NULL };
	const char *why = "No attestation provided";
	bool good = false;

	if (call->client &&
	    libdstack_ratls_parse(call->client, &ratls, &failure))
		why = failure.text;
	else if (call->client)
		good = stand_in_client_read(ratls.attestation, ratls.spki,
					    ratls.spki_len, client, &why);
	if (!good)
		refuse(call, 400, why);
	libdstack_ratls_clear(&ratls);
	return good;
}

static void spoil_keys(enum stand_in_fault fault, Kms__GetAppKeyResponse *out)
{
	static uint8_t bytes[80];

	switch (fault) {
	case STAND_IN_SHORT_DISK:
		out->disk_crypt_key.len--;
		break;
	case STAND_IN_LONG_ENV:
		out->env_crypt_key = (ProtobufCBinaryData){ 33, bytes };
		break;
	case STAND_IN_NO_K256:
		out->k256_key.len = 0;
		break;
	case STAND_IN_ZERO_K256:
		out->k256_key.data = bytes;
		break;
	case STAND_IN_SHORT_SIGNATURE:
		out->k256_signature.len--;
		break;
	case STAND_IN_SHORT_IMAGE:
		out->os_image_hash = (ProtobufCBinaryData){ 20, bytes };
		break;
	case STAND_IN_GATEWAY:
		out->gateway_app_id = (char *)"two\nlines";
		break;
	default:
		break;
	}
}

/* Of upstream's kind, which knows none, until there are two. */
static void put_epochs(const struct stand_in_call *call, uint64_t epoch,
		       Kms__GetAppKeyResponse *out)
{
	static uint64_t living[2];

	if (!call->state->key_epoch)
		return;
	out->epoch_case = KMS__GET_APP_KEY_RESPONSE__EPOCH_KEY_EPOCH;
	out->key_epoch = epoch ^ (call->fault == STAND_IN_WRONG_NUMBER);
	living[1] = call->fault != STAND_IN_BACKWARDS;
	out->n_key_epochs = call->fault == STAND_IN_NONE_OF_THEM ? 1 : 2;
	out->key_epochs = living;
}

/* Upstream's is that of the image which vm_config names: of any here. */
static void give_keys(struct stand_in_call *call, uint64_t epoch,
		      const struct libdstack_identity *client)
{
	Kms__GetAppKeyResponse out = KMS__GET_APP_KEY_RESPONSE__INIT;
	const struct stand_in_roots *of = epoch ? call->others : call->roots;
	const struct stand_in_roots *root = call->fault ==
		STAND_IN_ROOT_CHANGES ? call->others : of;
	struct issue_app_keys keys;
	uint8_t image[32];

	memset(image, 0xab, sizeof(image));
	if (call->config->image)
		stand_in_need(libdstack_from_hex(call->config->image,
						 2 * sizeof(image), image,
						 sizeof(image)));
	stand_in_need(!issue_app_keys(of->issue, client->app_id.data,
				      &client->instance_id, &keys));
	out.ca_cert = (char *)issue_cert(root->issue, ISSUE_ROOT_CA);
	out.disk_crypt_key = bytes_of(keys.disk, sizeof(keys.disk));
	out.env_crypt_key = bytes_of(keys.env, sizeof(keys.env));
	out.k256_key = bytes_of(keys.k256, sizeof(keys.k256));
	out.k256_signature = bytes_of(keys.k256_signature,
				      sizeof(keys.k256_signature));
	out.gateway_app_id = (char *)(call->config->gateway_app_id ?
				      call->config->gateway_app_id : "");
	out.tproxy_app_id = out.gateway_app_id;
	out.os_image_hash = bytes_of(image, sizeof(image));
	put_epochs(call, epoch, &out);
	spoil_keys(call->fault, &out);
	say(call, &out.base);
	issue_app_keys_wipe(&keys);
}

static void get_app_key(struct stand_in_call *call)
{
	struct libdstack_identity client;
	struct rpc_memory memory;
	Kms__GetAppKeyRequest *in;

	in = request(call, &kms__get_app_key_request__descriptor, &memory);
	if (!in)
		return;
	if (in->api_version > 1)
		refuse(call, 400, "Unsupported API version");
	else if (in->key_epoch > call->state->key_epoch)
		refuse(call, 400, "this KMS has no such key epoch");
	else if (read_client(call, &client))
		give_keys(call, in->key_epoch, &client);
	release(in, &memory);
}

/*
 * SignCert
 */

static bool is_signed(const struct libdstack_csr *csr,
		      const Kms__SignCertRequest *in)
{
	const uint8_t *p = csr->pubkey.data;
	EVP_PKEY *key = d2i_PUBKEY(NULL, &p, (long)csr->pubkey.len);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good;

	good = key && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL,
					   key) == 1 &&
		EVP_DigestVerify(ctx, in->signature.data, in->signature.len,
				 in->csr.data, in->csr.len) == 1;
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	return good;
}

static void give_chain(struct stand_in_call *call, uint64_t epoch,
		       struct libdstack_csr *csr,
		       const struct libdstack_attestation *att,
		       const struct libdstack_identity *client)
{
	const struct stand_in_roots *roots = epoch || call->fault ==
		STAND_IN_OTHER_CHAIN ? call->others : call->roots;
	Kms__SignCertResponse out = KMS__SIGN_CERT_RESPONSE__INIT;
	const struct issue_request request = { csr, att, client };
	struct issue_chain chain;
	uint8_t *other = NULL;
	const char *why;

	if (call->fault == STAND_IN_OTHER_KEY) {
		csr->pubkey.len = i2d_PUBKEY(roots->temp_key, &other);
		csr->pubkey.data = other;
	}
	out.n_certificate_chain = call->fault == STAND_IN_NO_CHAIN ? 0 :
		ISSUE_CHAIN;
	out.certificate_chain = chain.pem;
	if (issue_sign(roots->issue, &request, time(NULL), &chain, &why))
		refuse(call, 400, why);
	else
		say(call, &out.base);
	issue_chain_free(&chain);
	OPENSSL_free(other);
}

static void sign_request(struct stand_in_call *call,
			 const Kms__SignCertRequest *in)
{
	struct libdstack_attestation *att = NULL;
	struct libdstack_failure failure;
	struct libdstack_identity client;
	struct libdstack_csr csr;
	const char *why;

	if (in->api_version != 2 ||
	    libdstack_csr_parse(in->csr.data, in->csr.len, 2, &csr,
				&failure)) {
		refuse(call, 400, "Failed to decode csr");
		return;
	}
	if (!is_signed(&csr, in)) {
		refuse(call, 400, "Failed to verify csr: signature");
		return;
	}
	if (libdstack_attestation_parse(csr.attestation.data,
					csr.attestation.len, &att, &failure))
		refuse(call, 400, failure.text);
	else if (stand_in_client_read(att, csr.pubkey.data, csr.pubkey.len,
				      &client, &why))
		give_chain(call, in->key_epoch, &csr, att, &client);
	else
		refuse(call, 400, why);
	libdstack_attestation_free(att);
}

static void sign_cert(struct stand_in_call *call)
{
	struct rpc_memory memory;
	Kms__SignCertRequest *in;

	in = request(call, &kms__sign_cert_request__descriptor, &memory);
	if (!in)
		return;
	sign_request(call, in);
	release(in, &memory);
}

/*
 * GetAppEnvEncryptPubKey
 */

static void give_env(struct stand_in_call *call, uint8_t *app_id)
{
	Kms__GetAppEnvEncryptPubKeyResponse out =
		KMS__GET_APP_ENV_ENCRYPT_PUB_KEY_RESPONSE__INIT;
	struct issue_env_key key, other;

	app_id[0] ^= call->fault == STAND_IN_OTHER_APP;
	out.timestamp = time(NULL);
	if (call->fault == STAND_IN_OLD)
		out.timestamp -= 400;
	if (call->fault == STAND_IN_AHEAD)
		out.timestamp += 400;
	stand_in_need(!issue_env_key(call->roots->issue, app_id, out.timestamp,
				     &key) &&
		      !issue_env_key(call->others->issue, app_id, out.timestamp,
				     &other));
	if (call->fault == STAND_IN_TWO_ROOTS)
		memcpy(key.signature, other.signature, sizeof(key.signature));
	out.public_key = bytes_of(key.public, sizeof(key.public));
	out.signature = bytes_of(key.signature, sizeof(key.signature));
	out.signature_v1 = bytes_of(key.signature_v1,
				    call->fault == STAND_IN_NO_NEW ? 0 :
				    sizeof(key.signature_v1));
	say(call, &out.base);
}

static void get_env_key(struct stand_in_call *call)
{
	struct rpc_memory memory;
	Kms__AppId *in;

	in = request(call, &kms__app_id__descriptor, &memory);
	if (!in)
		return;
	if (in->app_id.len == DSTACK_APP_ID_SIZE)
		give_env(call, in->app_id.data);
	else
		refuse(call, 400, "Invalid app id");
	release(in, &memory);
}

/*
 * GetKmsKey
 */

static void fill_epoch(const struct stand_in_roots *roots, uint64_t number,
		       struct key_epoch *epoch, Kms__KmsEpoch *out)
{
	stand_in_epoch(roots, number, epoch);
	kms__kms_epoch__init(out);
	out->number = epoch->number;
	out->created = epoch->created;
	out->ca_key = bytes_of(epoch->ca, sizeof(epoch->ca));
	out->temp_ca_key = bytes_of(epoch->temp_ca, sizeof(epoch->temp_ca));
	out->k256_key = bytes_of(epoch->k256, sizeof(epoch->k256));
	out->k256_pubkey = bytes_of(epoch->k256_public,
				    sizeof(epoch->k256_public));
	out->ca_cert = epoch->ca_cert;
	out->temp_ca_cert = epoch->temp_ca_cert;
	out->succession = bytes_of(epoch->succession, epoch->succession_len);
}

static void spoil_epoch(enum stand_in_fault fault, Kms__KmsEpoch *out)
{
	switch (fault) {
	case STAND_IN_SHORT_EPOCH:
		out->temp_ca_key.len--;
		break;
	case STAND_IN_EPOCH_TWICE:
		out->number = 0;
		break;
	case STAND_IN_RETIRED_ROOTS:
		out->retired = 5;
		break;
	default:
		break;
	}
}

static void spoil_set(struct stand_in_call *call, Kms__GetKmsKeyResponse *out,
		      Kms__KmsKeys *keys)
{
	if (call->fault == STAND_IN_NO_SET)
		out->n_keys = 0;
	if (call->fault == STAND_IN_TWO_SETS)
		out->n_keys = 2;
	if (call->fault == STAND_IN_SHORT_SET)
		keys->k256_key.len--;
	/* The second of its epochs it does not tell. */
	if (call->fault == STAND_IN_OTHER_EPOCH) {
		out->epochs++;
		out->n_epochs = 1;
	}
}

static void give_roots(struct stand_in_call *call)
{
	Kms__GetKmsKeyResponse out = KMS__GET_KMS_KEY_RESPONSE__INIT;
	const struct stand_in_roots *set = call->fault == STAND_IN_OTHER_SET ?
		call->others : call->roots;
	const struct stand_in_roots *temp = call->fault ==
		STAND_IN_OTHER_TEMP ? call->others : call->roots;
	static struct key_epoch epochs[3];
	Kms__KmsEpoch messages[3], *pointers[3];
	Kms__KmsKeys keys = KMS__KMS_KEYS__INIT, *both[] = { &keys, &keys };
	size_t i, nr = call->config->epochs;

	for (i = 0; i < nr && i < 3; i++) {
		fill_epoch(call->roots, i, &epochs[i], &messages[i]);
		if (i)
			spoil_epoch(call->fault, &messages[i]);
		pointers[i] = &messages[i];
	}
	keys.ca_key = issue_key(set->issue, ISSUE_ROOT_CA);
	keys.k256_key = bytes_of((uint8_t *)set->k256, sizeof(set->k256));
	out.temp_ca_key = issue_key(temp->issue, ISSUE_TEMP_CA);
	stand_in_need(keys.ca_key && out.temp_ca_key);
	out.n_keys = 1;
	out.keys = both;
	out.n_epochs = nr;
	out.epochs = pointers;
	spoil_set(call, &out, &keys);
	say(call, &out.base);
	free(keys.ca_key);
	free(out.temp_ca_key);
}

static void get_kms_key(struct stand_in_call *call)
{
	struct libdstack_identity client;
	struct rpc_memory memory;
	Kms__GetKmsKeyRequest *in;

	in = request(call, &kms__get_kms_key_request__descriptor, &memory);
	if (!in)
		return;
	if (read_client(call, &client))
		give_roots(call);
	release(in, &memory);
}

/*
 * GetAppState
 */

static void get_app_state(struct stand_in_call *call)
{
	Kms__GetAppStateResponse out = KMS__GET_APP_STATE_RESPONSE__INIT;
	const struct stand_in_state *state = call->state;
	Kms__KeyEpochs kms = KMS__KEY_EPOCHS__INIT;
	Kms__KeyEpochs app = KMS__KEY_EPOCHS__INIT;
	struct libdstack_identity client;
	struct rpc_memory memory;
	Kms__GetAppStateRequest *in;

	in = request(call, &kms__get_app_state_request__descriptor, &memory);
	if (!in)
		return;
	out.allowed = !state->denied;
	out.reason = (char *)(state->denied ? "Exec policy\nrevoked" : "");
	out.how = (char *)"proof";
	kms.current = state->key_epoch;
	kms.previous_ends = state->previous_ends;
	kms.first_live = call->fault == STAND_IN_LIVES_LATER ?
		kms.current + 2 : state->first_live;
	app.first_live = state->app_first_live;
	app.current = app.first_live;
	out.kms_keys = &kms;
	out.app_keys = &app;
	out.block_number = state->block;
	out.block_time = 12 * out.block_number;
	out.policy_epoch = state->policy_epoch;
	if (out.policy_epoch)
		out.policy_root = bytes_of((uint8_t *)state->policy_root,
					   call->fault ==
					   STAND_IN_SHORT_POLICY ? 31 : 32);
	if (read_client(call, &client))
		say(call, &out.base);
	release(in, &memory);
}

/*
 * All of them
 */

/* True if that was the answer. */
static bool misbehave(struct stand_in_call *call, const char *method)
{
	call->status = 200;
	switch (call->fault) {
	case STAND_IN_DENIES:
		if (!strcmp(method, "GetTempCaCert") ||
		    !strcmp(method, "GetMeta"))
			return false;
		refuse(call, 400, "Boot denied: Compose hash not allowed");
		return true;
	case STAND_IN_ERROR:
		refuse(call, 500, "Internal\tserver error");
		return true;
	case STAND_IN_GARBAGE:
		call->answer = strdup("<html>");
		break;
	case STAND_IN_NUMBER:
		call->answer = strdup("{\"ca_cert\":7,\"public_key\":7,\"certificate_chain\":7}");
		break;
	case STAND_IN_TWICE:
		call->answer = strdup("{\"ca_cert\":\"a\",\"ca_cert\":\"b\"}");
		break;
	default:
		return false;
	}
	call->answer_len = strlen(call->answer);
	return true;
}

void stand_in_answer(struct stand_in_call *call, const char *method)
{
	static const struct {
		const char *name;
		void (*call)(struct stand_in_call *call);
	} methods[] = {
		{ "GetTempCaCert", get_temp_ca }, { "GetMeta", get_meta },
		{ "GetAppKey", get_app_key },
		{ "SignCert", sign_cert },
		{ "GetAppEnvEncryptPubKey", get_env_key },
		{ "GetKmsKey", get_kms_key },
		{ "GetAppState", get_app_state },
	};
	char text[128];
	size_t i;

	if (misbehave(call, method))
		return;
	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (strcmp(methods[i].name, method) != 0)
			continue;
		methods[i].call(call);
		return;
	}
	snprintf(text, sizeof(text), "Service not found: %.64s", method);
	refuse(call, 404, text);
}
