// SPDX-License-Identifier: MIT
/*
 * Is a certificate's key in the guest that its evidence is of
 *
 * Copyright The dstack for Linux authors
 */
#include "ratls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <string.h>

#define TAG	LIBDSTACK_TAG_RATLS_CERT

void libdstack_peer_clear(struct libdstack_peer *peer)
{
	libdstack_attestation_free(peer->attestation);
	memset(peer, 0, sizeof(*peer));
}

int libdstack_ratls_report_data(EVP_PKEY *key,
				uint8_t out[DSTACK_REPORT_DATA_SIZE])
{
	uint8_t *spki = NULL;
	int len = i2d_PUBKEY(key, &spki);
	int err = -EOPNOTSUPP;

	if (len > 0 && ratls_spki_usual(spki, len))
		err = libdstack_report_data(TAG, NULL, spki, len, out);
	OPENSSL_free(spki);
	ERR_clear_error();
	return err;
}

static enum libdstack_reason reason_of(int error)
{
	switch (error) {
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return REASON(EARLY);
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return REASON(EXPIRED);
	case X509_V_ERR_CERT_REVOKED:
		return REASON(REVOKED);
	case X509_V_ERR_OUT_OF_MEM:
		return REASON(MEMORY);
	case X509_V_ERR_CERT_SIGNATURE_FAILURE:
		return REASON(SIGNATURE);
	default:
		return REASON(CHAIN);
	}
}

static int check_with(X509_STORE_CTX *ctx, X509_STORE *store, X509 *cert,
		      STACK_OF(X509) *chain, int purpose, time_t now,
		      bool any_issuer, struct libdstack_failure *failure)
{
	X509_VERIFY_PARAM *param;
	int error;

	if (!X509_STORE_CTX_init(ctx, store, cert, chain) ||
	    !X509_STORE_CTX_set_purpose(ctx, purpose))
		return verify_fail(failure, REASON(MEMORY), "no memory");
	param = X509_STORE_CTX_get0_param(ctx);
	X509_VERIFY_PARAM_set_time(param, now);
	if (any_issuer)
		X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
	if (X509_verify_cert(ctx) == 1)
		return 0;
	error = X509_STORE_CTX_get_error(ctx);
	return verify_fail(failure, reason_of(error), "%s",
			   X509_verify_cert_error_string(error));
}

/* What claims to be its own issuer must be. */
static bool is_sound(X509 *cert)
{
	return X509_NAME_cmp(X509_get_subject_name(cert),
			     X509_get_issuer_name(cert)) != 0 ||
		X509_verify(cert, X509_get0_pubkey(cert)) == 1;
}

static int check_chain(X509 *cert, STACK_OF(X509) *chain, int purpose,
		       const struct libdstack_trust *trust, time_t now,
		       struct libdstack_failure *failure)
{
	bool any_issuer = trust->flags & LIBDSTACK_RATLS_F_ANY_ISSUER;
	X509_STORE *store = trust->issuers;
	X509_STORE_CTX *ctx;
	int err;

	verify_step(failure, "certificate chain");
	if (!any_issuer && !store)
		return verify_fail(failure, REASON(ROOT),
				   "no issuer is trusted, and evidence alone was not asked for");
	if (any_issuer && !is_sound(cert)) {
		ERR_clear_error();
		return verify_fail(failure, REASON(SIGNATURE),
				   "the certificate is not signed by its own key, as it says");
	}
	if (any_issuer) {
		store = X509_STORE_new();
		if (store)
			X509_STORE_add_cert(store, cert);
	}
	ctx = X509_STORE_CTX_new();
	err = store && ctx ? check_with(ctx, store, cert,
					any_issuer ? NULL : chain, purpose,
					now, any_issuer, failure) :
		verify_fail(failure, REASON(MEMORY), "no memory");
	X509_STORE_CTX_free(ctx);
	if (any_issuer)
		X509_STORE_free(store);
	ERR_clear_error();
	return err;
}

int ratls_check_policy(const struct libdstack_trust *trust,
		       const struct libdstack_peer *peer,
		       struct libdstack_failure *failure)
{
	int err;

	verify_step(failure, "policy");
	if (!trust->accept)
		return verify_fail(failure, REASON(POLICY),
				   "no policy was given, so nobody is accepted");
	err = trust->accept(peer, trust->data, failure);
	/* Whatever the application used to find out said its own steps. */
	if (!*failure->step)
		verify_step(failure, "policy");
	if (err && !failure->reason)
		verify_fail(failure, REASON(POLICY),
			    "not accepted by the application");
	return err;
}

/* What the issuer says is empty, or what the evidence says. */
static bool agrees(const struct libdstack_id *said,
		   const struct libdstack_id *have)
{
	return !said->len || (said->len == have->len &&
			      !memcmp(said->data, have->data, said->len));
}

static int check_claims(const struct libdstack_ratls *ratls,
			const struct libdstack_identity *identity,
			struct libdstack_failure *failure)
{
	verify_step(failure, "identity");
	if (agrees(&ratls->app_id, &identity->app_id) &&
	    agrees(&ratls->info.app_id, &identity->app_id) &&
	    agrees(&ratls->info.compose_hash, &identity->compose_hash) &&
	    agrees(&ratls->info.instance_id, &identity->instance_id))
		return 0;
	return verify_fail(failure, REASON(MISMATCH),
			   "the certificate names another application or instance than its evidence");
}

static int check_certificate(const struct libdstack_ratls *ratls,
			     const struct libdstack_trust *trust,
			     struct libdstack_failure *failure)
{
	verify_step(failure, "certificate");
	if (!ratls->attestation)
		return verify_fail(failure, REASON(UNSUPPORTED),
				   "the certificate carries no evidence");
	if (!ratls_spki_usual(ratls->spki, ratls->spki_len))
		return verify_fail(failure, REASON(UNSUPPORTED),
				   "the key is not on P-256, or not written as an uncompressed point of a named curve");
	if (trust->usage && strcmp(trust->usage, ratls->usage) != 0)
		return verify_fail(failure, REASON(POLICY),
				   "the certificate is for '%s', not '%s'",
				   ratls->usage, trust->usage);
	if (trust->usage && (trust->flags & LIBDSTACK_RATLS_F_ANY_ISSUER))
		return verify_fail(failure, REASON(POLICY),
				   "a usage counts only if its issuer is trusted");
	return 0;
}

static int verify_parsed(const struct libdstack_ratls *ratls,
			 const struct libdstack_trust *trust, time_t now,
			 struct libdstack_peer *peer,
			 struct libdstack_failure *failure)
{
	uint8_t want[DSTACK_REPORT_DATA_SIZE];
	int err;

	if (libdstack_report_data(TAG, NULL, ratls->spki, ratls->spki_len,
				  want))
		return verify_fail(failure, REASON(MEMORY), "can't hash");
	err = ratls_check_evidence(want, trust, now, peer, failure);
	if (!err)
		err = check_claims(ratls, &peer->identity, failure);
	return err ? err : ratls_check_policy(trust, peer, failure);
}

static int verify(X509 *cert, STACK_OF(X509) *chain, int purpose,
		  struct libdstack_ratls *ratls,
		  const struct libdstack_trust *trust, time_t now,
		  struct libdstack_peer *peer,
		  struct libdstack_failure *failure)
{
	int err;

	err = check_certificate(ratls, trust, failure);
	if (!err)
		err = check_chain(cert, chain, purpose, trust, now, failure);
	if (err)
		return err;
	if (!(trust->flags & LIBDSTACK_RATLS_F_ANY_ISSUER))
		memcpy(peer->usage, ratls->usage, sizeof(peer->usage));
	peer->attestation = ratls->attestation;
	ratls->attestation = NULL;
	return verify_parsed(ratls, trust, now, peer, failure);
}

int libdstack_ratls_verify(X509 *cert, STACK_OF(X509) *chain, int purpose,
			   const struct libdstack_trust *trust, time_t now,
			   struct libdstack_peer *peer,
			   struct libdstack_failure *failure)
{
	struct libdstack_ratls ratls;
	int err;

	memset(peer, 0, sizeof(*peer));
	err = libdstack_ratls_parse(cert, &ratls, failure);
	if (err)
		return err;
	err = verify(cert, chain, purpose, &ratls, trust, now, peer, failure);
	libdstack_ratls_clear(&ratls);
	if (!err)
		memset(failure, 0, sizeof(*failure));
	return err;
}
