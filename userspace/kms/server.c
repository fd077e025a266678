// SPDX-License-Identifier: MIT
/*
 * Is it the KMS: its certificate, judged within the handshake
 *
 * Copyright The dstack for Linux authors
 *
 * Every application has certificates under the same root.  What makes one the
 * KMS's is its usage, which only the root's owner gives.
 */
#include "room.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>

/* A certificate has evidence in it, with a log of as many events as were. */
#define CERT_LIST_MAX	1048576

/*
 * Evidence must hold as well, and the caller's policy say yes.  Without a root
 * nobody's word for it is there, only the evidence.
 */
static int check_evidence(struct kms_call *call, X509 *cert,
			  X509_STORE_CTX *ctx, struct libdstack_peer *peer)
{
	struct libdstack_trust trust = *call->kms->trust;
	time_t now = trust.clock ? trust.clock(NULL) : time(NULL);
	struct libdstack_failure failure;
	int err;

	trust.issuers = call->root ? X509_STORE_CTX_get0_store(ctx) : NULL;
	trust.usage = call->root ? KMS_USAGE : NULL;
	trust.flags = call->root ? 0 : LIBDSTACK_RATLS_F_ANY_ISSUER;
	err = libdstack_ratls_verify(cert, X509_STORE_CTX_get0_untrusted(ctx),
				     X509_PURPOSE_SSL_SERVER, &trust, now,
				     peer, &failure);
	if (!err)
		return 0;
	return kms_fail(call, err == -ENOMEM ? err : -EKEYREJECTED,
			"its evidence does not hold: %s: %s", failure.step,
			failure.text);
}

static int check_usage(struct kms_call *call, X509 *cert)
{
	struct libdstack_failure failure;
	struct libdstack_ratls ratls;
	int err = libdstack_ratls_parse(cert, &ratls, &failure);

	if (err)
		return kms_fail(call, -EKEYREJECTED, "its certificate: %s",
				failure.text);
	if (strcmp(ratls.usage, KMS_USAGE) != 0)
		err = kms_fail(call, -EKEYREJECTED,
			       "its certificate is for '%s', not for '%s': it is no KMS, though under the root of one",
			       ratls.usage, KMS_USAGE);
	libdstack_ratls_clear(&ratls);
	return err;
}

static const char *clock_hint(int err)
{
	return err == X509_V_ERR_CERT_NOT_YET_VALID ||
		err == X509_V_ERR_CERT_HAS_EXPIRED ?
		": is this machine's clock right?" : "";
}

static int check_key(struct kms_call *call, X509 *cert)
{
	if (!call->attested || EVP_PKEY_eq(X509_get0_pubkey(cert),
					   call->attested->key) == 1)
		return 0;
	return kms_fail(call, -EKEYREJECTED,
			"it has another key than when its evidence was looked at: it is not the one that was asked");
}

/* The first time: its key is what the next connection is held to. */
static int note_attested(struct kms_call *call, X509_STORE_CTX *ctx)
{
	struct kms_attested *attested = call->attested;
	X509 *cert = X509_STORE_CTX_get0_cert(ctx);
	int err;

	if (attested->key)
		return check_key(call, cert);
	err = check_evidence(call, cert, ctx, &attested->peer);
	if (err)
		return err;
	attested->key = X509_get_pubkey(cert);
	return attested->key ? 0 : kms_fail(call, -ENOMEM, "out of memory");
}

static int check_root(struct kms_call *call, X509_STORE_CTX *ctx)
{
	X509 *cert = X509_STORE_CTX_get0_cert(ctx);
	struct libdstack_peer peer;
	int err = check_key(call, cert);

	if (err)
		return err;
	/* The store has the one root, the purpose is a server's. */
	if (X509_verify_cert(ctx) != 1) {
		err = X509_STORE_CTX_get_error(ctx);
		return kms_fail(call, -EKEYREJECTED,
				"its certificate does not lead to its root: %s%s",
				X509_verify_cert_error_string(err),
				clock_hint(err));
	}
	err = check_usage(call, cert);
	if (err || !call->kms->trust)
		return err;
	err = check_evidence(call, cert, ctx, &peer);
	libdstack_peer_clear(&peer);
	return err;
}

static int on_verify(X509_STORE_CTX *ctx, void *arg)
{
	struct kms_call *call = arg;
	int err = call->root ? check_root(call, ctx) :
		note_attested(call, ctx);

	ERR_clear_error();
	X509_STORE_CTX_set_error(ctx, err ?
				 X509_V_ERR_APPLICATION_VERIFICATION :
				 X509_V_OK);
	return !err;
}

/* The root, if it is known, and none of the machine's. */
static bool use_root(SSL_CTX *ctx, struct kms_call *call)
{
	X509_STORE *store = X509_STORE_new();

	if (!store ||
	    (call->root && !X509_STORE_add_cert(store, call->root))) {
		X509_STORE_free(store);
		return false;
	}
	SSL_CTX_set_cert_store(ctx, store);
	SSL_CTX_set_cert_verify_callback(ctx, on_verify, call);
	return true;
}

static CURLcode on_context(CURL *curl, void *context, void *arg)
{
	struct kms_call *call = arg;
	SSL_CTX *ctx = context;

	(void)curl;
	SSL_CTX_set_max_cert_list(ctx, CERT_LIST_MAX);
	/* Keys pass through its buffers. */
	SSL_CTX_set_options(ctx, SSL_OP_CLEANSE_PLAINTEXT);
	if ((call->root || call->attested) && !use_root(ctx, call))
		return CURLE_OUT_OF_MEMORY;
	if (call->cert && (SSL_CTX_use_certificate(ctx, call->cert) != 1 ||
			   SSL_CTX_use_PrivateKey(ctx, call->key) != 1))
		return CURLE_SSL_CERTPROBLEM;
	return CURLE_OK;
}

int kms_server_use(CURL *curl, struct kms_call *call)
{
	bool known = call->root, judged = known || call->attested;

	if (curl_easy_setopt(curl, CURLOPT_SSLVERSION,
			     (long)CURL_SSLVERSION_TLSv1_3) ||
	    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, (long)judged) ||
	    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, known ? 2L : 0L) ||
	    curl_easy_setopt(curl, CURLOPT_CAINFO, NULL) ||
	    curl_easy_setopt(curl, CURLOPT_CAPATH, NULL) ||
	    curl_easy_setopt(curl, CURLOPT_SSL_SESSIONID_CACHE, 0L) ||
	    curl_easy_setopt(curl, CURLOPT_SSL_CTX_DATA, call) ||
	    curl_easy_setopt(curl, CURLOPT_SSL_CTX_FUNCTION, on_context))
		return kms_fail(call, -ENOMEM, "TLS can't be set up");
	return 0;
}
