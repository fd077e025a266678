// SPDX-License-Identifier: MIT
/*
 * Collateral under a root: chains, lists and signatures
 *
 * Copyright The dstack for Linux authors
 *
 * None of it depends on a quote or on the time, so it can be done once.
 */
#include "dcap.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

void dcap_trust_close(struct dcap_trust *trust)
{
	dcap_known_close(trust->known);
	dcap_tcb_info_free(&trust->tcb_info);
	dcap_qe_identity_free(&trust->qe);
	X509_STORE_free(trust->store);
	X509_free(trust->root);
	free(trust->root_data);
}

/* The last of the collateral's certificates, if it is Intel's root. */
static int intel_root(struct dcap *d)
{
	STACK_OF(X509) *chain = d->collateral->tcb_info_chain;
	X509 *root = sk_X509_value(chain, sk_X509_num(chain) - 1);

	if (!dcap_root_is_intel(root))
		return dcap_fail(d, REASON(ROOT),
				 "the collateral's root is not Intel's, and no other was given");
	X509_up_ref(root);
	d->trust->root = root;
	return 0;
}

/* So that it is known again without being read again. */
static int keep_root(struct dcap *d)
{
	const struct libdstack_quote_options *opt = d->options;
	struct dcap_trust *t = d->trust;

	t->root_data = malloc(opt->root_len);
	if (!t->root_data)
		return dcap_fail(d, REASON(MEMORY), "out of memory");
	memcpy(t->root_data, opt->root, opt->root_len);
	t->root_len = opt->root_len;
	return 0;
}

static int check_root(struct dcap *d)
{
	const struct libdstack_quote_options *opt = d->options;
	char name[128] = "?";
	int err;

	dcap_window_open(&d->trust->window);
	if (!opt->root) {
		err = intel_root(d);
		if (err)
			return err;
	} else {
		d->trust->root = certs_parse(opt->root, opt->root_len);
		if (!d->trust->root)
			return dcap_fail(d, REASON(MALFORMED),
					 "neither DER nor PEM of a certificate");
		err = keep_root(d);
		if (err)
			return err;
	}
	X509_NAME_oneline(X509_get_subject_name(d->trust->root), name,
			  sizeof(name));
	dcap_input(d, "%s, %s", name, opt->root ? "as given" : "Intel's key");
	return dcap_window_cert(d, d->trust->root, "the root",
				&d->trust->window);
}

/* A list without entries has none, not an empty one. */
static int count_revoked(X509_CRL *crl)
{
	STACK_OF(X509_REVOKED) *list = X509_CRL_get_REVOKED(crl);

	return list ? sk_X509_REVOKED_num(list) : 0;
}

static int check_root_crl(struct dcap *d)
{
	X509_CRL *crl = d->collateral->root_crl;
	struct dcap_trust *t = d->trust;
	int err;

	dcap_input(d, "%d revoked", count_revoked(crl));
	err = dcap_crl_check(d, crl, t->root, "the root's revocation list",
			     &t->window);
	if (err)
		return err;
	t->store = dcap_store_open(t->root, crl);
	return t->store ? 0 : dcap_fail(d, REASON(MEMORY), "out of memory");
}

static bool is_pck_ca(X509 *cert)
{
	return certs_name_is(cert, "Intel SGX PCK Platform CA") ||
		certs_name_is(cert, "Intel SGX PCK Processor CA");
}

static int check_pck_crl(struct dcap *d)
{
	const char *what = "the platforms' revocation list";
	X509_CRL *crl = d->collateral->pck_crl;
	struct dcap_trust *t = d->trust;
	int err;

	t->pck_ca = sk_X509_value(d->collateral->pck_crl_chain, 0);
	dcap_input(d, "%d revoked", count_revoked(crl));
	err = dcap_chain_check(d, d->collateral->pck_crl_chain, what,
			       &t->window);
	if (err)
		return err;
	if (!is_pck_ca(t->pck_ca))
		return dcap_fail(d, REASON(CHAIN),
				 "not the list of a CA of platforms");
	return dcap_crl_check(d, crl, t->pck_ca, what, &t->window);
}

/* @text was signed, byte for byte, by Intel's signer of such texts. */
static int check_signed_text(struct dcap *d, const char *text,
			     const uint8_t signature[DCAP_SIGNATURE_SIZE],
			     STACK_OF(X509) *chain, const char *what)
{
	X509 *signer = sk_X509_value(chain, 0);
	int err;

	err = dcap_chain_check(d, chain, what, &d->trust->window);
	if (err)
		return err;
	if (!certs_name_is(signer, "Intel SGX TCB Signing"))
		return dcap_fail(d, REASON(CHAIN),
				 "not the certificate of a TCB signer");
	if (!dcap_ecdsa_verify(X509_get0_pubkey(signer), signature, text,
			       strlen(text)))
		return dcap_fail(d, REASON(SIGNATURE), "wrong signature");
	return 0;
}

static int wrong_field(struct dcap *d, int err, const char *field)
{
	if (err == -ENOMEM)
		return dcap_fail(d, REASON(MEMORY), "out of memory");
	return dcap_fail(d, REASON(MALFORMED), "wrong or missing: %s", field);
}

static int check_tcb_info(struct dcap *d)
{
	const struct libdstack_collateral *c = d->collateral;
	struct dcap_tcb_info *info = &d->trust->tcb_info;
	const char *field;
	char fmspc[2 * DCAP_FMSPC_SIZE + 1];
	int err;

	err = check_signed_text(d, c->tcb_info, c->tcb_info_signature,
				c->tcb_info_chain, "the TCB info");
	if (err)
		return err;
	err = dcap_tcb_info_parse(c->tcb_info, info, &field);
	if (err)
		return wrong_field(d, err, field);
	dcap_input(d, "%s, platform type %s, evaluation %u, %zu levels",
		   info->tdx ? "TDX" : "SGX",
		   libdstack_to_hex(info->fmspc, sizeof(info->fmspc), fmspc),
		   info->eval_number, info->levels.nr);
	dcap_window_narrow(&d->trust->window, "the TCB info", info->issued,
			   info->expires);
	return 0;
}

static int check_qe_identity(struct dcap *d)
{
	const struct libdstack_collateral *c = d->collateral;
	struct dcap_qe_identity *qe = &d->trust->qe;
	const char *field;
	int err;

	err = check_signed_text(d, c->qe_identity, c->qe_identity_signature,
				c->qe_identity_chain, "the QE identity");
	if (err)
		return err;
	err = dcap_qe_identity_parse(c->qe_identity, qe, &field);
	if (err)
		return wrong_field(d, err, field);
	dcap_input(d, "%s, evaluation %u, %zu levels",
		   qe->tdx ? "TD_QE" : "QE", qe->eval_number, qe->levels.nr);
	dcap_window_narrow(&d->trust->window, "the QE identity", qe->issued,
			   qe->expires);
	if (qe->tdx != d->trust->tcb_info.tdx)
		return dcap_fail(d, REASON(MISMATCH),
				 "the TCB info and the QE identity are not of the same kind");
	return 0;
}

const struct dcap_step dcap_trust_steps[] = {
	{ "trusted root", check_root, true },
	{ "root revocation list", check_root_crl, true },
	{ "platform revocation list", check_pck_crl, true },
	{ "TCB info", check_tcb_info, true },
	{ "QE identity", check_qe_identity, true },
};

const size_t dcap_nr_trust_steps =
	sizeof(dcap_trust_steps) / sizeof(dcap_trust_steps[0]);

bool dcap_trust_is_of(const struct dcap_trust *trust, const void *root,
		      size_t root_len)
{
	if (!root)
		return dcap_root_is_intel(trust->root);
	return trust->root_data && root_len == trust->root_len &&
		!memcmp(root, trust->root_data, root_len);
}

int libdstack_collateral_check(struct libdstack_collateral *collateral,
			       const void *root, size_t root_len,
			       struct libdstack_failure *failure)
{
	const struct libdstack_quote_options options = {
		.root = root, .root_len = root_len,
	};
	struct libdstack_verdict verdict = { .status = LIBDSTACK_TCB_NONE };
	struct dcap d = {
		.collateral = collateral, .options = &options,
		.verdict = &verdict,
	};
	int err;

	d.trust = calloc(1, sizeof(*d.trust));
	if (d.trust) {
		d.trust->known = dcap_known_open();
		err = dcap_run(&d, dcap_trust_steps, dcap_nr_trust_steps);
	} else {
		err = verify_fail(&verdict.failure, REASON(MEMORY),
				  "out of memory");
	}
	*failure = verdict.failure;
	if (!err) {
		/* What was checked before makes room. */
		if (collateral->trust) {
			dcap_trust_close(collateral->trust);
			free(collateral->trust);
		}
		collateral->trust = d.trust;
	} else if (d.trust) {
		dcap_trust_close(d.trust);
		free(d.trust);
	}
	return err;
}
