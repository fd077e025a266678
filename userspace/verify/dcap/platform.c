// SPDX-License-Identifier: MIT
/*
 * From the trusted root to the report: what the quote brings along
 *
 * Copyright The dstack for Linux authors
 *
 * Root, platform's CA, platform certificate, quoting enclave, attestation key,
 * report: nothing is believed before its link to the one before it is closed.
 */
#include "dcap.h"

#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#define REPORT_DATA	320	/* in the quoting enclave's report */

/*
 * The CA that the quote names.  Mostly it is the very one that signed the
 * revocation list and was checked with it; another must have the same name and
 * key, or its platforms would not be on that list.
 */
static int check_ca(struct dcap *d, const struct dcap_der *der,
		    struct dcap_window *window)
{
	struct dcap_trust *t = d->trust;
	STACK_OF(X509) *chain;
	bool same;
	X509 *ca;
	int err;

	if (dcap_cert_is(t->pck_ca, der))
		return 0;
	ca = dcap_cert_parse(der);
	if (!ca)
		return dcap_fail(d, REASON(MALFORMED),
				 "the CA's certificate is malformed");
	same = !X509_NAME_cmp(X509_get_subject_name(ca),
			      X509_get_subject_name(t->pck_ca)) &&
		EVP_PKEY_eq(X509_get0_pubkey(ca),
			    X509_get0_pubkey(t->pck_ca)) == 1;
	chain = sk_X509_new_null();
	if (!chain || !sk_X509_push(chain, ca) ||
	    !sk_X509_push(chain, t->root))
		err = dcap_fail(d, REASON(MEMORY), "out of memory");
	else if (!same)
		err = dcap_fail(d, REASON(MISMATCH),
				"the collateral's revocation list is of another CA");
	else
		err = dcap_chain_check(d, chain, "the platform's CA", window);
	sk_X509_free(chain);
	X509_free(ca);
	return err;
}

/* What X509_verify_cert() would look at in a certificate that ends a chain. */
static bool is_plain_leaf(X509 *cert)
{
	const uint32_t odd = EXFLAG_CRITICAL | EXFLAG_INVALID | EXFLAG_CA;

	/* Flags are known only after this call. */
	return X509_check_ca(cert) == 0 &&
		!(X509_get_extension_flags(cert) & odd) &&
		X509_get_version(cert) == X509_VERSION_3 &&
		X509_get_signature_nid(cert) == NID_ecdsa_with_SHA256;
}

static int check_leaf(struct dcap *d, X509 *cert, struct dcap_window *window)
{
	X509 *ca = d->trust->pck_ca;
	X509_REVOKED *entry;
	bool good;

	if (!is_plain_leaf(cert) ||
	    !certs_name_is(cert, "Intel SGX PCK Certificate"))
		return dcap_fail(d, REASON(CHAIN),
				 "not the certificate of a platform");
	if (X509_check_issued(ca, cert) != X509_V_OK)
		return dcap_fail(d, REASON(CHAIN),
				 "the platform's certificate is of another CA");
	/* Also refuses one that names two algorithms. */
	good = X509_verify(cert, X509_get0_pubkey(ca)) == 1;
	ERR_clear_error();
	if (!good)
		return dcap_fail(d, REASON(SIGNATURE),
				 "the CA did not sign the platform's certificate");
	if (X509_CRL_get0_by_cert(d->collateral->pck_crl, &entry, cert))
		return dcap_fail(d, REASON(REVOKED),
				 "the platform's certificate was revoked");
	return dcap_window_cert(d, cert, "the platform's certificate", window);
}

static int check_chain(struct dcap *d, const struct dcap_der *der,
		       struct dcap_window *window)
{
	const char *why;
	int err;

	if (!dcap_cert_is(d->trust->root, &der[2]))
		return dcap_fail(d, REASON(ROOT),
				 "the chain does not end in the trusted root");
	d->cert = dcap_cert_parse(&der[0]);
	if (!d->cert)
		return dcap_fail(d, REASON(MALFORMED),
				 "the platform's certificate is malformed");
	err = check_ca(d, &der[1], window);
	if (!err)
		err = check_leaf(d, d->cert, window);
	if (!err && dcap_pck_parse(d->cert, &d->pck, &why))
		err = dcap_fail(d, REASON(MALFORMED), "%s", why);
	return err;
}

static int read_chain(struct dcap *d)
{
	const struct dcap_quote *q = &d->quote;
	struct dcap_der der[DCAP_CHAIN_LENGTH];
	struct dcap_window window;
	uint8_t *owner;
	int err;

	dcap_window_open(&window);
	if (dcap_pem_split(q->chain, q->chain_len, DCAP_CHAIN_LENGTH, der,
			   &owner))
		err = check_chain(d, der, &window);
	else
		err = dcap_fail(d, REASON(MALFORMED),
				"the certificates are not exactly three in PEM");
	free(owner);
	if (err)
		return err;
	dcap_window_meet(&d->window, &window);
	if (d->trust->known)
		dcap_known_add(d->trust->known, d, &window);
	return 0;
}

int dcap_check_certificate(struct dcap *d)
{
	char fmspc[2 * DCAP_FMSPC_SIZE + 1], ppid[2 * DCAP_PPID_SIZE + 1];
	const struct dcap_pck *pck = &d->pck;
	int err = 0;

	if (!d->trust->known || !dcap_known_find(d->trust->known, d))
		err = read_chain(d);
	if (err)
		return err;
	memcpy(d->verdict->fmspc, pck->fmspc, sizeof(pck->fmspc));
	memcpy(d->verdict->ppid, pck->ppid, sizeof(pck->ppid));
	if (d->options->step)
		dcap_input(d, "platform type %s, PPID %s",
			   libdstack_to_hex(pck->fmspc, sizeof(pck->fmspc),
					    fmspc),
			   libdstack_to_hex(pck->ppid, sizeof(pck->ppid),
					    ppid));
	return 0;
}

int dcap_check_qe_report(struct dcap *d)
{
	const struct dcap_quote *q = &d->quote;

	dcap_input(d, "signature by the platform's key");
	if (!dcap_ecdsa_verify(d->pck.key, q->qe_signature, q->qe_report,
			       DCAP_QE_REPORT_SIZE))
		return dcap_fail(d, REASON(SIGNATURE),
				 "the platform did not sign the quoting enclave's report");
	return 0;
}

/* The quoting enclave's report names the key it made: its hash, and zeros. */
int dcap_check_attestation_key(struct dcap *d)
{
	const struct dcap_quote *q = &d->quote;
	uint8_t want[64] = { 0 };
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good;

	dcap_input(d, "key and %zu bytes of the enclave's data",
		   q->qe_auth_len);
	good = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) &&
		EVP_DigestUpdate(ctx, q->key, DCAP_KEY_SIZE) &&
		EVP_DigestUpdate(ctx, q->qe_auth, q->qe_auth_len) &&
		EVP_DigestFinal_ex(ctx, want, NULL);
	EVP_MD_CTX_free(ctx);
	if (!good)
		return dcap_fail(d, REASON(MEMORY), "out of memory");
	if (memcmp(want, q->qe_report + REPORT_DATA, sizeof(want)))
		return dcap_fail(d, REASON(MISMATCH),
				 "the attestation key is not the quoting enclave's");
	return 0;
}

int dcap_check_quote_signature(struct dcap *d)
{
	const struct dcap_quote *q = &d->quote;
	EVP_PKEY *key = dcap_ecdsa_key(q->key);
	bool good;

	dcap_input(d, "signature over %zu bytes by the attestation key",
		   q->signed_len);
	good = key && dcap_ecdsa_verify(key, q->signature, q->signed_part,
					q->signed_len);
	EVP_PKEY_free(key);
	return good ? 0 : dcap_fail(d, REASON(SIGNATURE),
				    "the attestation key did not sign the report");
}
