// SPDX-License-Identifier: MIT
/*
 * Who signed a request, and is its key in the guest that the evidence is of
 *
 * Copyright The dstack for Linux authors
 */
#include "ratls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>

static bool signature_holds(const struct libdstack_csr *csr, const void *data,
			    size_t len, const void *signature,
			    size_t signature_len)
{
	const uint8_t *p = csr->pubkey.data;
	EVP_PKEY *key = d2i_PUBKEY(NULL, &p, (long)csr->pubkey.len);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good;

	good = key && ctx &&
		EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
		EVP_DigestVerify(ctx, signature, signature_len, data, len) == 1;
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return good;
}

static int read_evidence(const struct libdstack_csr *csr,
			 struct libdstack_peer *peer,
			 struct libdstack_failure *failure)
{
	if (csr->version == 1)
		return ratls_read_legacy(&csr->quote, &csr->event_log,
					 &peer->attestation, failure);
	return libdstack_attestation_parse(csr->attestation.data,
					   csr->attestation.len,
					   &peer->attestation, failure);
}

static int check_signature(const struct libdstack_csr *csr, const void *data,
			   size_t len, const void *signature,
			   size_t signature_len,
			   struct libdstack_failure *failure)
{
	verify_step(failure, "certificate request");
	if (!ratls_spki_usual(csr->pubkey.data, csr->pubkey.len))
		return verify_fail(failure, REASON(UNSUPPORTED),
				   "the key is not on P-256, or not written as an uncompressed point of a named curve");
	if (!signature_holds(csr, data, len, signature, signature_len))
		return verify_fail(failure, REASON(SIGNATURE),
				   "the request is not signed by its own key");
	return 0;
}

static int verify(const struct libdstack_csr *csr,
		  const struct libdstack_trust *trust, time_t now,
		  struct libdstack_peer *peer,
		  struct libdstack_failure *failure)
{
	uint8_t want[DSTACK_REPORT_DATA_SIZE];
	int err;

	err = read_evidence(csr, peer, failure);
	if (err)
		return err;
	if (libdstack_report_data(LIBDSTACK_TAG_RATLS_CERT, NULL,
				  csr->pubkey.data, csr->pubkey.len, want))
		return verify_fail(failure, REASON(MEMORY), "can't hash");
	err = ratls_check_evidence(want, trust, now, peer, failure);
	return err ? err : ratls_check_policy(trust, peer, failure);
}

int libdstack_csr_verify(const void *data, size_t len, uint32_t version,
			 const void *signature, size_t signature_len,
			 const struct libdstack_trust *trust, time_t now,
			 struct libdstack_csr *csr,
			 struct libdstack_peer *peer,
			 struct libdstack_failure *failure)
{
	int err;

	memset(peer, 0, sizeof(*peer));
	err = libdstack_csr_parse(data, len, version, csr, failure);
	if (!err)
		err = check_signature(csr, data, len, signature, signature_len,
				      failure);
	if (!err)
		err = verify(csr, trust, now, peer, failure);
	if (!err)
		memset(failure, 0, sizeof(*failure));
	return err;
}
