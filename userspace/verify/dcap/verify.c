// SPDX-License-Identifier: MIT
/*
 * Verify a quote: the steps, in order
 *
 * Copyright The dstack for Linux authors
 *
 * Nothing of the quote is believed before the chain from the trusted root to
 * it is closed: root, platform certificate, quoting enclave, attestation key,
 * report.  Then the platform is compared with what Intel says about it.
 */
#include "dcap.h"

#include <errno.h>
#include <openssl/sha.h>
#include <string.h>

#define CHAIN_LENGTH	3	/* PCK, its CA, root */
#define REPORT_DATA	320	/* in the quoting enclave's report */

int dcap_fail(struct dcap *d, enum libdstack_reason reason, const char *fmt,
	      ...)
{
	va_list args;
	int err;

	va_start(args, fmt);
	err = verify_failv(&d->verdict->failure, reason, fmt, args);
	va_end(args);
	return err;
}

void dcap_expires(struct dcap *d, int64_t when)
{
	if (when < d->verdict->earliest_expiry)
		d->verdict->earliest_expiry = when;
}

static int check_format(struct dcap *d)
{
	const char *why;

	if (dcap_quote_parse(d->quote_data, d->quote_len, &d->quote, &why))
		return dcap_fail(d, REASON(MALFORMED), "%s", why);
	d->verdict->quote_version = d->quote.version;
	dcap_quote_td(&d->quote, &d->verdict->td);
	d->chain = dcap_chain_parse(d->quote.chain, d->quote.chain_len,
				    CHAIN_LENGTH);
	if (!d->chain)
		return dcap_fail(d, REASON(MALFORMED),
				 "the certificates are not exactly three in PEM");
	return 0;
}

static int check_root(struct dcap *d)
{
	if (d->root_data) {
		d->root = dcap_root_parse(d->root_data, d->root_len);
		if (!d->root)
			return dcap_fail(d, REASON(MALFORMED),
					 "neither DER nor PEM of a certificate");
	} else {
		d->root = sk_X509_value(d->chain, CHAIN_LENGTH - 1);
		X509_up_ref(d->root);
		if (!dcap_root_is_intel(d->root))
			return dcap_fail(d, REASON(ROOT),
					 "the quote's root is not Intel's, and no other was given");
	}
	return dcap_store_open(d);
}

static int check_platform_chain(struct dcap *d)
{
	X509 *ca = sk_X509_value(d->chain, 1);
	const char *why;
	int err;

	err = dcap_chain_check(d, d->chain);
	if (err)
		return err;
	if (!dcap_common_name_is(sk_X509_value(d->chain, 0),
				 "Intel SGX PCK Certificate") ||
	    (!dcap_common_name_is(ca, "Intel SGX PCK Platform CA") &&
	     !dcap_common_name_is(ca, "Intel SGX PCK Processor CA")))
		return dcap_fail(d, REASON(CHAIN),
				 "not the certificate of a platform");
	if (dcap_pck_parse(sk_X509_value(d->chain, 0), &d->pck, &why))
		return dcap_fail(d, REASON(MALFORMED), "%s", why);
	memcpy(d->verdict->fmspc, d->pck.fmspc, sizeof(d->pck.fmspc));
	return 0;
}

static int check_qe_report(struct dcap *d)
{
	const struct dcap_quote *q = &d->quote;

	if (!dcap_ecdsa_verify(d->pck.key, q->qe_signature, q->qe_report,
			       DCAP_QE_REPORT_SIZE))
		return dcap_fail(d, REASON(SIGNATURE),
				 "the platform did not sign the quoting enclave's report");
	return 0;
}

/* The quoting enclave's report names the key it made: its hash, and zeros. */
static int check_attestation_key(struct dcap *d)
{
	const struct dcap_quote *q = &d->quote;
	uint8_t want[64] = { 0 }, buf[DCAP_KEY_SIZE + UINT16_MAX];

	memcpy(buf, q->key, DCAP_KEY_SIZE);
	memcpy(buf + DCAP_KEY_SIZE, q->qe_auth, q->qe_auth_len);
	SHA256(buf, DCAP_KEY_SIZE + q->qe_auth_len, want);
	if (memcmp(want, q->qe_report + REPORT_DATA, sizeof(want)))
		return dcap_fail(d, REASON(MISMATCH),
				 "the attestation key is not the quoting enclave's");
	return 0;
}

static int check_quote_signature(struct dcap *d)
{
	const struct dcap_quote *q = &d->quote;
	EVP_PKEY *key = dcap_ecdsa_key(q->key);
	bool good;

	good = key && dcap_ecdsa_verify(key, q->signature, q->signed_part,
					q->signed_len);
	EVP_PKEY_free(key);
	return good ? 0 : dcap_fail(d, REASON(SIGNATURE),
				    "the attestation key did not sign the report");
}

/* @text was signed, byte for byte, by Intel's signer of such texts. */
static int check_signed_text(struct dcap *d, const char *text,
			     const uint8_t signature[DCAP_SIGNATURE_SIZE],
			     STACK_OF(X509) *chain)
{
	X509 *signer = sk_X509_value(chain, 0);
	int err;

	err = dcap_chain_check(d, chain);
	if (err)
		return err;
	if (!dcap_common_name_is(signer, "Intel SGX TCB Signing"))
		return dcap_fail(d, REASON(CHAIN),
				 "not the certificate of a TCB signer");
	if (!dcap_ecdsa_verify(X509_get0_pubkey(signer), signature, text,
			       strlen(text)))
		return dcap_fail(d, REASON(SIGNATURE), "wrong signature");
	return 0;
}

static int check_dates(struct dcap *d, int64_t issued, int64_t expires)
{
	dcap_expires(d, expires);
	if (d->now < issued)
		return dcap_fail(d, REASON(EARLY),
				 "not yet valid at the time to judge at");
	if (d->now > expires)
		return dcap_fail(d, REASON(EXPIRED),
				 "no longer valid: get newer collateral");
	return 0;
}

static int check_tcb_info(struct dcap *d)
{
	const struct libdstack_collateral *c = d->collateral;
	const char *field;
	int err;

	err = check_signed_text(d, c->tcb_info, c->tcb_info_signature,
				c->tcb_info_chain);
	if (err)
		return err;
	err = dcap_tcb_info_parse(c->tcb_info, &d->tcb_info, &field);
	if (err)
		return dcap_fail(d, err == -ENOMEM ? REASON(MEMORY) :
							 REASON(MALFORMED),
				 "wrong or missing: %s", field);
	return check_dates(d, d->tcb_info.issued, d->tcb_info.expires);
}

static int check_qe_identity(struct dcap *d)
{
	const struct libdstack_collateral *c = d->collateral;
	const char *field;
	int err;

	err = check_signed_text(d, c->qe_identity, c->qe_identity_signature,
				c->qe_identity_chain);
	if (err)
		return err;
	err = dcap_qe_identity_parse(c->qe_identity, &d->qe, &field);
	if (err)
		return dcap_fail(d, err == -ENOMEM ? REASON(MEMORY) :
							 REASON(MALFORMED),
				 "wrong or missing: %s", field);
	err = check_dates(d, d->qe.issued, d->qe.expires);
	return err ? err : dcap_qe_identity_check(d);
}

/* The list itself was checked with the chain; here, who issued it. */
static int check_pck_crl_issuer(struct dcap *d)
{
	STACK_OF(X509) *chain = d->collateral->pck_crl_chain;
	X509_CRL *crl = d->collateral->pck_crl;
	int err;

	err = dcap_chain_check(d, chain);
	if (err)
		return err;
	if (X509_CRL_verify(crl, X509_get0_pubkey(sk_X509_value(chain, 0))) !=
	    1)
		return dcap_fail(d, REASON(SIGNATURE),
				 "not signed by the issuer that the collateral names");
	return 0;
}

static const struct step {
	const char *name;
	int (*check)(struct dcap *d);
} steps[] = {
	{ "quote format", check_format },
	{ "trusted root", check_root },
	{ "platform certificate", check_platform_chain },
	{ "platform revocation list", check_pck_crl_issuer },
	{ "quoting enclave's report", check_qe_report },
	{ "attestation key", check_attestation_key },
	{ "quote signature", check_quote_signature },
	{ "TCB info", check_tcb_info },
	{ "quoting enclave's identity", check_qe_identity },
	{ "TCB level", dcap_tcb_check },
};

static int run_steps(struct dcap *d)
{
	size_t i;
	int err;

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		err = steps[i].check(d);
		if (!err)
			continue;
		verify_step(&d->verdict->failure, steps[i].name);
		return err;
	}
	return 0;
}

int libdstack_quote_verify(const void *quote, size_t len,
			   const struct libdstack_collateral *collateral,
			   const void *root, size_t root_len, time_t now,
			   struct libdstack_verdict *verdict)
{
	struct dcap d = {
		.collateral = collateral,
		.quote_data = quote, .quote_len = len,
		.root_data = root, .root_len = root_len,
		.now = now, .verdict = verdict,
	};
	int err;

	memset(verdict, 0, sizeof(*verdict));
	verdict->status = LIBDSTACK_TCB_NONE;
	verdict->qe_status = LIBDSTACK_TCB_NONE;
	verdict->module_status = LIBDSTACK_TCB_NONE;
	verdict->earliest_expiry = INT64_MAX;
	err = run_steps(&d);
	dcap_tcb_info_free(&d.tcb_info);
	dcap_qe_identity_free(&d.qe);
	dcap_chain_free(d.chain);
	X509_STORE_free(d.store);
	X509_free(d.root);
	return err;
}
