// SPDX-License-Identifier: MIT
/*
 * Have the KMS sign a certificate
 *
 * Copyright The dstack for Linux authors
 *
 * The request proves itself: its evidence is in it, and its own key signed it.
 * So no client's certificate is shown.  What comes back must be for that key,
 * and lead to the root of the KMS that gave the application its keys, or to the
 * one that succeeds it and which the KMS has now.
 */
#include "room.h"

#include <errno.h>
#include <kms.pb-c.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "../keys/pem.h"

#define API_VERSION	2
#define CHAIN_MAX	8

struct signing {
	X509 *root, *older;		/* that it may show; NULL: none */
	uint64_t epoch;
	EVP_PKEY *key;			/* that the request is for */
	const struct kms_csr *csr;
	char *chain;			/* what came of it */
};

static int add_certs(struct kms_call *call, const Kms__SignCertResponse *in,
		     STACK_OF(X509) *certs)
{
	X509 *cert;
	size_t i;

	if (!in->n_certificate_chain || in->n_certificate_chain > CHAIN_MAX)
		return kms_fail(call, -EBADMSG,
				"it signed a chain of %zu certificates",
				in->n_certificate_chain);
	for (i = 0; i < in->n_certificate_chain; i++) {
		cert = pem_read_cert(in->certificate_chain[i]);
		if (!cert)
			return kms_fail(call, -EBADMSG,
					"what it signed is not all certificates");
		if (!sk_X509_push(certs, cert)) {
			X509_free(cert);
			return -ENOMEM;
		}
	}
	return 0;
}

/* One root at a time: all have the same name. */
static int verify(X509 *root, STACK_OF(X509) *certs, int *error)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	int err = -ENOMEM;

	if (store && ctx && X509_STORE_add_cert(store, root) &&
	    X509_STORE_CTX_init(ctx, store, sk_X509_value(certs, 0), certs)) {
		err = X509_verify_cert(ctx) == 1 ? 0 : -EKEYREJECTED;
		*error = X509_STORE_CTX_get_error(ctx);
	}
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	return err;
}

static int check_chain(struct kms_call *call, struct signing *signing,
		       STACK_OF(X509) *certs)
{
	X509 *leaf = sk_X509_value(certs, 0);
	int err, error = X509_V_OK, unused;

	if (EVP_PKEY_eq(X509_get0_pubkey(leaf), signing->key) != 1)
		return kms_fail(call, -EBADMSG,
				"what it signed is for another key");
	err = verify(signing->root, certs, &error);
	if (err == -EKEYREJECTED && signing->epoch == KMS_EPOCH_OLDEST)
		err = verify(call->root, certs, &unused);
	if (err != -EKEYREJECTED)
		return err;
	return kms_fail(call, err,
			"what it signed does not lead to the root that gave the keys: %s",
			X509_verify_cert_error_string(error));
}

/* As they came, one behind the other. */
static int join(const Kms__SignCertResponse *in, char **chain)
{
	size_t i, len = 0, size = 1;
	const char *text;

	for (i = 0; i < in->n_certificate_chain; i++)
		size += strlen(in->certificate_chain[i]) + 1;
	*chain = malloc(size);
	if (!*chain)
		return -ENOMEM;
	for (i = 0; i < in->n_certificate_chain; i++) {
		text = in->certificate_chain[i];
		len = stpcpy(*chain + len, text) - *chain;
		if (text[strlen(text) - 1] != '\n')
			(*chain)[len++] = '\n';
		(*chain)[len] = '\0';
	}
	return 0;
}

static int take(struct kms_call *call, const Kms__SignCertResponse *in,
		struct signing *signing)
{
	STACK_OF(X509) *certs = sk_X509_new_null();
	int err = certs ? add_certs(call, in, certs) : -ENOMEM;

	if (!err)
		err = check_chain(call, signing, certs);
	if (!err)
		err = join(in, &signing->chain);
	sk_X509_pop_free(certs, X509_free);
	return err;
}

static int ask_chain(struct kms_call *call, struct signing *signing)
{
	Kms__SignCertRequest request = KMS__SIGN_CERT_REQUEST__INIT;
	const struct kms_csr *csr = signing->csr;
	struct kms_reply reply;
	int err;

	request.api_version = API_VERSION;
	request.csr = (ProtobufCBinaryData){ csr->len, (uint8_t *)csr->data };
	request.signature = (ProtobufCBinaryData){
		csr->signature_len, (uint8_t *)csr->signature
	};
	if (call->kms->vm_config)
		request.vm_config = (char *)call->kms->vm_config;
	if (signing->epoch != KMS_EPOCH_OLDEST) {
		request.epoch_case = KMS__SIGN_CERT_REQUEST__EPOCH_KEY_EPOCH;
		request.key_epoch = signing->epoch;
	}
	err = kms_ask(call, "SignCert", &request,
		      &kms__sign_cert_response__descriptor, KMS_CERTS_MAX,
		      &reply);
	if (err)
		return err;
	err = take(call, (const Kms__SignCertResponse *)reply.msg, signing);
	kms_reply_free(&reply);
	return err;
}

static int ask(struct kms_call *call, void *arg)
{
	struct kms_temp_ca ca = { 0 };
	int err = kms_temp_ca_get(call, &ca);

	call->root = ca.root;
	if (!err)
		err = ask_chain(call, arg);
	kms_temp_ca_clear(&ca);
	return err;
}

/* Pinned is what the caller says, or else who gave the keys, or the older. */
static int run(const struct kms *kms, struct signing *signing)
{
	X509 *shown = signing->older ? signing->older : signing->root;
	struct kms pinned = *kms;
	uint8_t *id = NULL;
	int err, len;

	if (kms->provider_id_len)
		return kms_run(kms, ask, signing);
	len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(shown), &id);
	if (len <= 0)
		return -ENOMEM;
	pinned.provider_id = id;
	pinned.provider_id_len = len;
	err = kms_run(&pinned, ask, signing);
	OPENSSL_free(id);
	return err;
}

/* What is asked for must be a request: KMSs say less clearly what it lacks. */
static int read_request(const struct kms_csr *csr, struct signing *signing)
{
	struct libdstack_failure failure;
	struct libdstack_csr parsed;
	const uint8_t *p;
	int err;

	err = libdstack_csr_parse(csr->data, csr->len, API_VERSION, &parsed,
				  &failure);
	if (err)
		return err;
	p = parsed.pubkey.data;
	signing->key = d2i_PUBKEY(NULL, &p, (long)parsed.pubkey.len);
	return signing->key ? 0 : -EBADMSG;
}

int kms_sign_cert(const struct kms *kms, const struct kms_signer *signer,
		  const struct kms_csr *csr, char **chain)
{
	const char *older = signer->older_ca_cert;
	struct signing signing = { .csr = csr, .epoch = signer->epoch };
	const char *why = NULL;
	int err = -EINVAL;

	*chain = NULL;
	signing.root = pem_read_cert(signer->ca_cert);
	signing.older = older ? pem_read_cert(older) : NULL;
	if (!signing.root || (older && !signing.older))
		why = "no KMS was asked: ca_cert is not one certificate";
	else if (read_request(csr, &signing))
		why = "no KMS was asked: this is no request for a certificate";
	if (!why)
		err = run(kms, &signing);
	else if (kms->tell)
		kms->tell(why);
	*chain = signing.chain;
	EVP_PKEY_free(signing.key);
	X509_free(signing.root);
	X509_free(signing.older);
	ERR_clear_error();
	return err;
}
