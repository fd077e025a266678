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

#define NAMES_MAX	16

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

static char *key_pem(EVP_PKEY *key)
{
	char *pem = p256_pem(key);

	stand_in_need(pem);
	return pem;
}

/*
 * GetTempCaCert
 */

/* A CA's certificate, with an issuer. */
static char *no_root(const struct stand_in_roots *roots)
{
	static const uint8_t app_id[DSTACK_APP_ID_SIZE];
	EVP_PKEY *key;
	X509 *cert = stand_in_app_ca(roots, app_id, &key);
	char *pem = stand_in_pem(cert);

	EVP_PKEY_free(key);
	X509_free(cert);
	return pem;
}

static void get_temp_ca(struct stand_in_call *call)
{
	Kms__GetTempCaCertResponse out = KMS__GET_TEMP_CA_CERT_RESPONSE__INIT;
	const struct stand_in_roots *roots = call->roots;

	out.temp_ca_cert = stand_in_pem(roots->temp_ca);
	out.temp_ca_key = key_pem(call->fault == STAND_IN_TEMP_CA ?
				  roots->ca_key : roots->temp_key);
	out.ca_cert = call->fault == STAND_IN_ROOT ? no_root(roots) :
		stand_in_pem(roots->ca);
	say(call, &out.base);
	free(out.temp_ca_cert);
	free(out.temp_ca_key);
	free(out.ca_cert);
}

/*
 * GetAppKey
 */

static bool read_client(struct stand_in_call *call,
			struct stand_in_client *client)
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

static ProtobufCBinaryData bytes_of(void *data, size_t len)
{
	return (ProtobufCBinaryData){ len, data };
}

/* Upstream's is that of the image which vm_config names: of any here. */
static void give_keys(struct stand_in_call *call,
		      const struct stand_in_client *client)
{
	Kms__GetAppKeyResponse out = KMS__GET_APP_KEY_RESPONSE__INIT;
	const struct stand_in_roots *root = call->fault ==
		STAND_IN_ROOT_CHANGES ? call->others : call->roots;
	struct stand_in_app_keys keys;
	uint8_t image[32];

	memset(image, 0xab, sizeof(image));
	if (call->config->image)
		stand_in_need(libdstack_from_hex(call->config->image,
						 2 * sizeof(image), image,
						 sizeof(image)));
	stand_in_app_keys(call->roots, client, &keys);
	out.ca_cert = stand_in_pem(root->ca);
	out.disk_crypt_key = bytes_of(keys.disk, sizeof(keys.disk));
	out.env_crypt_key = bytes_of(keys.env, sizeof(keys.env));
	out.k256_key = bytes_of(keys.k256, sizeof(keys.k256));
	out.k256_signature = bytes_of(keys.k256_signature,
				      sizeof(keys.k256_signature));
	out.gateway_app_id = (char *)(call->config->gateway_app_id ?
				      call->config->gateway_app_id : "");
	out.tproxy_app_id = out.gateway_app_id;
	out.os_image_hash = bytes_of(image, sizeof(image));
	spoil_keys(call->fault, &out);
	say(call, &out.base);
	free(out.ca_cert);
}

static void get_app_key(struct stand_in_call *call)
{
	struct stand_in_client client;
	struct rpc_memory memory;
	Kms__GetAppKeyRequest *in;

	in = request(call, &kms__get_app_key_request__descriptor, &memory);
	if (!in)
		return;
	if (in->api_version > 1)
		refuse(call, 400, "Unsupported API version");
	else if (read_client(call, &client))
		give_keys(call, &client);
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

static char *text_of(const struct libdstack_span *span)
{
	return strndup((const char *)span->data, span->len);
}

/* NULL: it asks for what no certificate has. */
static X509 *sign_leaf(const struct libdstack_csr *csr,
		       const struct stand_in_client *client, EVP_PKEY *key,
		       X509 *ca, EVP_PKEY *ca_key)
{
	char *names[NAMES_MAX + 1] = { NULL }, *subject, *org = NULL;
	struct libdstack_ratls_request r = {
		.key = key, .server = csr->server, .client = csr->client,
		.not_before = 157766400, .usage = "app:custom",
		.not_after = time(NULL) + 3650 * 86400LL,
		.app_id = { client->app_id, DSTACK_APP_ID_SIZE },
		.issuer = ca, .issuer_key = ca_key,
	};
	X509 *cert;
	size_t i;

	for (i = 0; i < csr->nr_alt_names && i < NAMES_MAX; i++)
		names[i] = text_of(&csr->alt_names[i]);
	if (csr->have_org_name)
		org = text_of(&csr->org_name);
	subject = text_of(&csr->subject);
	r.subject = *subject ? subject : NULL;
	r.org_name = org;
	r.alt_names = (const char *const *)names;
	if (csr->have_not_before)
		r.not_before = csr->not_before;
	if (csr->have_not_after)
		r.not_after = csr->not_after;
	if (csr->ext_quote)
		r.evidence = csr->attestation;
	cert = libdstack_ratls_make(&r);
	for (i = 0; names[i]; i++)
		free(names[i]);
	free(subject);
	free(org);
	return cert;
}

static void give_chain(struct stand_in_call *call,
		       const struct libdstack_csr *csr,
		       const struct stand_in_client *client)
{
	const struct stand_in_roots *roots = call->fault ==
		STAND_IN_OTHER_CHAIN ? call->others : call->roots;
	Kms__SignCertResponse out = KMS__SIGN_CERT_RESPONSE__INIT;
	const uint8_t *p = csr->pubkey.data;
	EVP_PKEY *ca_key, *key = d2i_PUBKEY(NULL, &p, (long)csr->pubkey.len);
	X509 *ca = stand_in_app_ca(roots, client->app_id, &ca_key);
	X509 *leaf = sign_leaf(csr, client, call->fault == STAND_IN_OTHER_KEY ?
			       roots->temp_key : key, ca, ca_key);
	char *chain[] = {
		leaf ? stand_in_pem(leaf) : NULL, stand_in_pem(ca),
		stand_in_pem(roots->ca),
	};
	int i;

	out.n_certificate_chain = call->fault == STAND_IN_NO_CHAIN ? 0 : 3;
	out.certificate_chain = chain;
	if (leaf)
		say(call, &out.base);
	else
		refuse(call, 400, "Failed to sign certificate");
	for (i = 0; i < 3; i++)
		free(chain[i]);
	X509_free(leaf);
	X509_free(ca);
	EVP_PKEY_free(ca_key);
	EVP_PKEY_free(key);
}

static void sign_request(struct stand_in_call *call,
			 const Kms__SignCertRequest *in)
{
	struct libdstack_attestation *att = NULL;
	struct libdstack_failure failure;
	struct stand_in_client client;
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
		give_chain(call, &csr, &client);
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
	uint8_t public[DSTACK_KEY_SIZE], old[AGENT_LINK_SIZE];
	uint8_t new[AGENT_LINK_SIZE];

	app_id[0] ^= call->fault == STAND_IN_OTHER_APP;
	out.timestamp = time(NULL);
	if (call->fault == STAND_IN_OLD)
		out.timestamp -= 400;
	if (call->fault == STAND_IN_AHEAD)
		out.timestamp += 400;
	stand_in_env_key(call->fault == STAND_IN_TWO_ROOTS ? call->others :
			 call->roots, app_id, 0, public, old);
	stand_in_env_key(call->roots, app_id, out.timestamp, public, new);
	out.public_key = bytes_of(public, sizeof(public));
	out.signature = bytes_of(old, sizeof(old));
	out.signature_v1 = bytes_of(new, call->fault == STAND_IN_NO_NEW ? 0 :
				    sizeof(new));
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
 * All of them
 */

/* True if that was the answer. */
static bool misbehave(struct stand_in_call *call, const char *method)
{
	call->status = 200;
	switch (call->fault) {
	case STAND_IN_DENIES:
		if (!strcmp(method, "GetTempCaCert"))
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
		{ "GetTempCaCert", get_temp_ca }, { "GetAppKey", get_app_key },
		{ "SignCert", sign_cert },
		{ "GetAppEnvEncryptPubKey", get_env_key },
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
