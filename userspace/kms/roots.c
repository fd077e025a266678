// SPDX-License-Identifier: MIT
/*
 * The roots of a KMS, for another one that takes them over
 *
 * Copyright The dstack for Linux authors
 *
 * Nobody knows beforehand which root it has, so its evidence is all that says
 * who it is.  The first connection is judged by that; the second one, on which
 * we show evidence and the roots come, must be with the same key.  Else
 * somebody could pass the first on to a KMS, and answer the second himself: we
 * would be a KMS with roots that are his.
 */
#include "room.h"

#include <errno.h>
#include <kms.pb-c.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "../keys/p256.h"
#include "../keys/pem.h"

struct taking {
	struct kms_asker asker;
	kms_allow_fn allow;
	void *arg;
	struct kms_roots *roots;
	struct kms_attested attested;	/* the KMS that is asked */
};

/*
 * Of upstream's kind: one set, epoch 0
 */

static int take_pem_key(struct kms_call *call, const char *name,
			const char *pem, X509 *cert,
			uint8_t out[DSTACK_KEY_SIZE])
{
	EVP_PKEY *key = pem_read_scalar(pem, out) ? NULL : p256_key(out);
	bool good = key && EVP_PKEY_eq(key, X509_get0_pubkey(cert)) == 1;

	EVP_PKEY_free(key);
	ERR_clear_error();
	return good ? 0 :
		kms_fail(call, -EBADMSG,
			 "%s is not the key on P-256 of its certificate", name);
}

static int take_bytes(struct kms_call *call, const char *name,
		      const ProtobufCBinaryData *in, uint8_t *out, size_t len)
{
	if (in->len != len)
		return kms_fail(call, -EBADMSG, "%s has %zu bytes, not %zu",
				name, in->len, len);
	if (len)
		memcpy(out, in->data, len);
	return 0;
}

static int take_k256(struct kms_call *call, const ProtobufCBinaryData *in,
		     struct key_epoch *epoch)
{
	int err = take_bytes(call, "k256_key", in, epoch->k256,
			     sizeof(epoch->k256));

	if (!err && secp_public(epoch->k256, epoch->k256_public))
		err = kms_fail(call, -EBADMSG, "k256_key is no key");
	return err;
}

static int take_text(struct kms_call *call, const char *name, const char *in,
		     char out[KEY_EPOCH_CERT_MAX])
{
	size_t len = strlen(in);

	if (len >= KEY_EPOCH_CERT_MAX)
		return kms_fail(call, -EBADMSG, "%s has %zu bytes, not less than %d",
				name, len, KEY_EPOCH_CERT_MAX);
	memcpy(out, in, len + 1);
	return 0;
}

/* As it was shown, without another way to write it. */
static int take_root_cert(struct kms_call *call,
			  char out[KEY_EPOCH_CERT_MAX])
{
	BIO *pem = BIO_new(BIO_s_mem());
	int len, err = -ENOMEM;

	if (pem && PEM_write_bio_X509(pem, call->root) == 1) {
		len = BIO_read(pem, out, KEY_EPOCH_CERT_MAX);
		err = len > 0 && len < KEY_EPOCH_CERT_MAX ? 0 : -EBADMSG;
		if (!err)
			out[len] = '\0';
	}
	BIO_free(pem);
	return err ? kms_fail(call, err, "its root can't be stored") : 0;
}

static int take_set(struct kms_call *call, const Kms__GetKmsKeyResponse *in,
		    const struct kms_temp_ca *ca, struct key_epoch *epoch)
{
	if (in->n_keys != 1)
		return kms_fail(call, -EBADMSG, "it gives %zu sets of roots, not one",
				in->n_keys);
	epoch->created = time(NULL);
	return take_pem_key(call, "ca_key", in->keys[0]->ca_key, call->root,
			    epoch->ca) ?:
		take_pem_key(call, "temp_ca_key", in->temp_ca_key, ca->cert,
			     epoch->temp_ca) ?:
		take_k256(call, &in->keys[0]->k256_key, epoch) ?:
		take_root_cert(call, epoch->ca_cert) ?:
		take_text(call, "temp_ca_cert", ca->cert_pem,
			  epoch->temp_ca_cert);
}

/*
 * Of ours: all epochs
 */

static int take_scalar(struct kms_call *call, const char *name,
		       const ProtobufCBinaryData *in, bool live, uint8_t *out)
{
	return live || in->len ?
		take_bytes(call, name, in, out, DSTACK_KEY_SIZE) : 0;
}

/* Of which length a record is, is looked at with the rest of it. */
static int take_record(struct kms_call *call, const ProtobufCBinaryData *in,
		       struct key_epoch *epoch)
{
	if (in->len > sizeof(epoch->succession))
		return kms_fail(call, -EBADMSG,
				"succession has %zu bytes, more than %zu",
				in->len, sizeof(epoch->succession));
	epoch->succession_len = in->len;
	if (in->len)
		memcpy(epoch->succession, in->data, in->len);
	return 0;
}

static int take_epoch(struct kms_call *call, const Kms__KmsEpoch *in,
		      struct key_epoch *epoch)
{
	bool live = !in->retired;

	memset(epoch, 0, sizeof(*epoch));
	epoch->number = in->number;
	epoch->created = in->created;
	epoch->retired = in->retired;
	return take_scalar(call, "ca_key", &in->ca_key, live, epoch->ca) ?:
		take_scalar(call, "temp_ca_key", &in->temp_ca_key, live,
			    epoch->temp_ca) ?:
		take_scalar(call, "k256_key", &in->k256_key, live,
			    epoch->k256) ?:
		take_bytes(call, "k256_pubkey", &in->k256_pubkey,
			   epoch->k256_public, sizeof(epoch->k256_public)) ?:
		take_record(call, &in->succession, epoch) ?:
		take_text(call, "ca_cert", in->ca_cert, epoch->ca_cert) ?:
		take_text(call, "temp_ca_cert", in->temp_ca_cert,
			  epoch->temp_ca_cert);
}

static bool same_roots(const struct key_epoch *a, const struct key_epoch *b)
{
	return !a->retired && !b->retired &&
		!CRYPTO_memcmp(a->ca, b->ca, sizeof(a->ca)) &&
		!CRYPTO_memcmp(a->k256, b->k256, sizeof(a->k256)) &&
		!CRYPTO_memcmp(a->temp_ca, b->temp_ca, sizeof(a->temp_ca));
}

/*
 * The set that upstream would take is one of them: a KMS that gives others to
 * us than to upstream's is not what it says.
 */
static int take_epochs(struct kms_call *call,
		       const Kms__GetKmsKeyResponse *in,
		       const struct key_epoch *set, struct kms_roots *roots)
{
	bool found = false;
	int err = 0;
	size_t i;

	if (in->n_epochs > KEY_EPOCHS_MAX)
		return kms_fail(call, -EBADMSG, "it gives %zu epochs, more than %d",
				in->n_epochs, KEY_EPOCHS_MAX);
	for (i = 0; i < in->n_epochs && !err; i++) {
		err = take_epoch(call, in->epochs[i], &roots->epochs[i]);
		found |= same_roots(set, &roots->epochs[i]);
	}
	roots->nr = in->n_epochs;
	if (!err && !found)
		err = kms_fail(call, -EBADMSG, "its roots are of none of its epochs");
	return err;
}

static int take_all(struct kms_call *call, const Kms__GetKmsKeyResponse *in,
		    const struct kms_temp_ca *ca, struct kms_roots *roots)
{
	struct key_epoch *set;
	const char *why;
	void *memory;
	int err = libdstack_secret_alloc(sizeof(*set), &memory);

	if (err)
		return kms_fail(call, err, "out of memory");
	set = memory;
	err = take_set(call, in, ca, set);
	if (!err && in->n_epochs) {
		err = take_epochs(call, in, set, roots);
	} else if (!err) {
		roots->epochs[0] = *set;
		roots->nr = 1;
	}
	libdstack_secret_free(memory, sizeof(*set));
	if (!err && key_epochs_check(roots->epochs, roots->nr, &why))
		err = kms_fail(call, -EBADMSG, "%s", why);
	return err;
}

static int ask_roots(struct kms_call *call, const struct kms_temp_ca *ca,
		     struct kms_roots *roots)
{
	Kms__GetKmsKeyRequest request = KMS__GET_KMS_KEY_REQUEST__INIT;
	const char *config = call->kms->vm_config;
	struct kms_reply reply;
	int err;

	if (config)
		request.vm_config = (char *)config;
	err = kms_ask(call, "GetKmsKey", &request,
		      &kms__get_kms_key_response__descriptor, KMS_ROOTS_MAX,
		      &reply);
	if (!err)
		err = take_all(call, (const void *)reply.msg, ca, roots);
	kms_reply_free(&reply);
	return err;
}

int kms_check_allowed(struct kms_call *call, kms_allow_fn allow, void *arg)
{
	struct libdstack_failure failure = { .text = "" };
	int err = allow(&call->attested->peer, arg, &failure);

	return err ? kms_fail(call, err == -ENOMEM ? err : -EKEYREJECTED,
			      "it may not be a KMS: %s", failure.text[0] ?
			      failure.text : strerror(-err)) : 0;
}

void kms_attested_clear(struct kms_attested *attested)
{
	EVP_PKEY_free(attested->key);
	attested->key = NULL;
	libdstack_peer_clear(&attested->peer);
}

static int ask(struct kms_call *call, void *arg)
{
	struct kms_temp_ca ca = { 0 };
	struct taking *taking = arg;
	int err;

	call->attested = &taking->attested;
	err = kms_temp_ca_get(call, &ca) ?:
		kms_check_allowed(call, taking->allow, taking->arg) ?:
		kms_asker_show(call, &taking->asker, &ca) ?:
		ask_roots(call, &ca, taking->roots);
	if (err) {
		explicit_bzero(taking->roots->epochs, KMS_ROOTS_SIZE);
		taking->roots->nr = 0;
	}
	X509_free(call->cert);
	kms_temp_ca_clear(&ca);
	kms_attested_clear(&taking->attested);
	return err;
}

int kms_get_roots(const struct kms *kms, kms_allow_fn allow, void *arg,
		  struct kms_roots *roots)
{
	struct taking taking = { .allow = allow, .arg = arg, .roots = roots };
	void *memory;
	int err;

	*roots = (struct kms_roots){ .epochs = NULL };
	if (!kms->trust || !allow)
		return -EINVAL;
	err = libdstack_secret_alloc(KMS_ROOTS_SIZE, &memory);
	if (err)
		return err;
	roots->epochs = memory;
	err = kms_asker_init(kms, &taking.asker) ?: kms_run(kms, ask, &taking);
	kms_asker_clear(&taking.asker);
	if (err)
		kms_roots_wipe(roots);
	ERR_clear_error();
	return err;
}

void kms_roots_wipe(struct kms_roots *roots)
{
	libdstack_secret_free(roots->epochs, KMS_ROOTS_SIZE);
	*roots = (struct kms_roots){ .epochs = NULL };
}
