// SPDX-License-Identifier: MIT
/*
 * What a KMS gives to anybody: a CA for the certificate that evidence is in
 *
 * Copyright The dstack for Linux authors
 *
 * The CA's key is known to all, so it proves nothing, and was not meant to:
 * what is sent under it proves itself.  The root that comes along is who
 * everything after this is asked of.
 */
#include "room.h"

#include <errno.h>
#include <kms.pb-c.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "../keys/pem.h"

#define OTHER_ROOT	"it is another KMS: its root is not the one that is pinned, by key_provider_id in app-compose.json or by the keys that it gave, nor one that succeeds it"

static bool is_root(X509 *cert)
{
	return X509_check_ca(cert) == 1 &&
		!X509_NAME_cmp(X509_get_subject_name(cert),
			       X509_get_issuer_name(cert)) &&
		X509_verify(cert, X509_get0_pubkey(cert)) == 1;
}

X509 *kms_root_read(struct kms_call *call, const char *pem)
{
	X509 *root = pem_read_cert(pem);

	if (root && is_root(root))
		return root;
	X509_free(root);
	ERR_clear_error();
	kms_fail(call, -EBADMSG,
		 "the root that it names is not one certificate of a CA that signed itself");
	return NULL;
}

int kms_root_id(struct kms_call *call, X509 *root, uint8_t **id, size_t *len)
{
	uint8_t unused[DSTACK_REPORT_DATA_SIZE];
	int n;

	*id = NULL;
	n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(root), id);
	/* As it is written, it is what others compare byte by byte. */
	if (n > 0 && !libdstack_ratls_report_data(X509_get0_pubkey(root),
						  unused)) {
		*len = n;
		return 0;
	}
	OPENSSL_free(*id);
	*id = NULL;
	return kms_fail(call, -EBADMSG,
			"the key of its root is not on P-256, or not written as an uncompressed point of a named curve");
}

void kms_temp_ca_clear(struct kms_temp_ca *ca)
{
	if (ca->key_pem)
		explicit_bzero(ca->key_pem, strlen(ca->key_pem));
	free(ca->key_pem);
	free(ca->cert_pem);
	EVP_PKEY_free(ca->key);
	X509_free(ca->cert);
	X509_free(ca->root);
	*ca = (struct kms_temp_ca){ 0 };
}

int kms_temp_ca_read(struct kms_call *call, const ProtobufCMessage *msg,
		     struct kms_temp_ca *ca)
{
	const Kms__GetTempCaCertResponse *in = (const void *)msg;

	ca->root = kms_root_read(call, in->ca_cert);
	if (!ca->root)
		return -EBADMSG;
	if (!pem_is_pair(in->temp_ca_cert, in->temp_ca_key))
		return kms_fail(call, -EBADMSG,
				"its temporary CA is not one certificate and its key on P-256");
	ca->cert = pem_read_cert(in->temp_ca_cert);
	ca->key = pem_read_key(in->temp_ca_key);
	ca->cert_pem = strdup(in->temp_ca_cert);
	ca->key_pem = strdup(in->temp_ca_key);
	if (!ca->cert || !ca->key || !ca->cert_pem || !ca->key_pem)
		return kms_fail(call, -ENOMEM, "out of memory");
	return 0;
}

/* Before anything of ours is sent there. */
static int check_pin(struct kms_call *call, X509 *root)
{
	const struct kms *kms = call->kms;
	uint8_t *id;
	size_t len;
	int err = kms_root_id(call, root, &id, &len);

	if (err)
		return err;
	call->followed = kms->provider_id_len &&
		(kms->provider_id_len != len ||
		 memcmp(kms->provider_id, id, len) != 0);
	/* All keys on P-256 have that length. */
	if (call->followed && kms->provider_id_len != len)
		err = kms_fail(call, -EKEYREJECTED, OTHER_ROOT ": that one is no key of a KMS");
	else if (call->followed)
		err = kms_follow_root(call, KMS_ROOT_CA, kms->provider_id, id,
				      OTHER_ROOT);
	OPENSSL_free(id);
	return err;
}

int kms_temp_ca_get(struct kms_call *call, struct kms_temp_ca *ca)
{
	Kms__Empty empty = KMS__EMPTY__INIT;
	struct kms_reply reply;
	int err;

	err = kms_ask(call, "GetTempCaCert", &empty,
		      &kms__get_temp_ca_cert_response__descriptor,
		      KMS_KEYS_MAX, &reply);
	if (err)
		return err;
	err = kms_temp_ca_read(call, reply.msg, ca);
	kms_reply_free(&reply);
	return err ? err : check_pin(call, ca->root);
}
