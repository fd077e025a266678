// SPDX-License-Identifier: MIT
/*
 * Evidence of each kind: genuine, for this report data, of whom
 *
 * Copyright The dstack for Linux authors
 */
#include "ratls.h"

#include <errno.h>
#include <string.h>

#define SNP_CERTS_MAX	16	/* of the evidence and of the caller */

/* One verification of evidence. */
struct evidence {
	const uint8_t *want;		/* report data */
	const struct libdstack_trust *trust;
	time_t now;
	struct libdstack_peer *peer;
	struct libdstack_failure *failure;
};

/* What the evidence carries, and what its container says that it does. */
static int check_report_data(const struct evidence *e, const void *have,
			     size_t len)
{
	const struct libdstack_attestation *att = e->peer->attestation;

	verify_step(e->failure, "report data");
	if (len == DSTACK_REPORT_DATA_SIZE && !memcmp(have, e->want, len) &&
	    (!att->have_report_data ||
	     !memcmp(att->report_data, e->want, sizeof(att->report_data))))
		return 0;
	return verify_fail(e->failure, REASON(MISMATCH),
			   "the evidence was made for something else: another key, connection, side, name or time");
}

static int verify_td(const struct evidence *e,
		     const struct libdstack_collateral *collateral)
{
	struct libdstack_peer *peer = e->peer;
	int err;

	err = libdstack_attestation_verify(peer->attestation, collateral,
					   e->trust->root, e->trust->root_len,
					   e->now, &peer->verdict);
	*e->failure = peer->verdict.failure;
	return err;
}

/* With the collateral of this platform, if there is not one for all. */
static int find_and_verify_td(const struct evidence *e)
{
	const struct libdstack_span *quote = &e->peer->attestation->evidence;
	struct libdstack_collateral *found = NULL;
	int err;

	if (e->trust->collateral)
		return verify_td(e, e->trust->collateral);
	verify_step(e->failure, "collateral");
	if (!e->trust->find)
		return verify_fail(e->failure, REASON(UNAVAILABLE),
				   "no collateral was given, and no way to find it");
	err = e->trust->find(quote->data, quote->len, e->now, e->trust->data,
			     &found, e->failure);
	if (!err)
		err = verify_td(e, found);
	else if (!e->failure->reason)
		verify_fail(e->failure, REASON(UNAVAILABLE),
			    "no collateral for this platform");
	libdstack_collateral_free(found);
	return err;
}

static int check_td(const struct evidence *e)
{
	struct libdstack_peer *peer = e->peer;
	const struct libdstack_td *td = &peer->verdict.quote.td;
	int err;

	err = find_and_verify_td(e);
	if (!err)
		err = check_report_data(e, td->report_data,
					sizeof(td->report_data));
	if (err)
		return err;
	return libdstack_identity_of_td(peer->attestation, td,
					peer->verdict.quote.ppid, 0,
					&peer->identity, e->failure);
}

/* The evidence's own certificates, then the caller's. */
static bool gather_certs(const struct libdstack_attestation *att,
			 const struct libdstack_snp_chain *more,
			 struct libdstack_snp_blob certs[SNP_CERTS_MAX],
			 struct libdstack_snp_chain *chain)
{
	size_t i;

	if (more)
		*chain = *more;
	chain->certs = certs;
	chain->nr_certs = 0;
	if (att->nr_certs + (more ? more->nr_certs : 0) > SNP_CERTS_MAX)
		return false;
	for (i = 0; i < att->nr_certs; i++)
		certs[chain->nr_certs++] = (struct libdstack_snp_blob){
			att->certs[i].data, att->certs[i].len };
	for (i = 0; more && i < more->nr_certs; i++)
		certs[chain->nr_certs++] = more->certs[i];
	return true;
}

static int check_snp(const struct evidence *e)
{
	const struct libdstack_attestation *att = e->peer->attestation;
	struct libdstack_snp_verdict *v = &e->peer->snp;
	struct libdstack_snp_blob certs[SNP_CERTS_MAX];
	struct libdstack_snp_chain chain = { .certs = NULL };
	int err;

	if (!gather_certs(att, e->trust->snp, certs, &chain))
		return verify_fail(e->failure, REASON(MALFORMED),
				   "more than %d certificates", SNP_CERTS_MAX);
	err = libdstack_snp_verify(att->evidence.data, att->evidence.len,
				   &chain, e->now, v);
	*e->failure = v->failure;
	if (!err)
		err = check_report_data(e, v->report.report_data,
					sizeof(v->report.report_data));
	if (err)
		return err;
	return libdstack_identity_of_snp(att, v->report.measurement,
					 v->report.host_data,
					 v->report.chip_id, &e->peer->identity,
					 e->failure);
}

static int check_enclave(const struct evidence *e)
{
	const struct libdstack_attestation *att = e->peer->attestation;
	struct libdstack_nitro_verdict *v = &e->peer->nitro;
	const struct libdstack_nitro_document *doc = &v->document;
	int err;

	err = libdstack_nitro_verify(att->evidence.data, att->evidence.len,
				     e->trust->nitro_root,
				     e->trust->nitro_root_len, e->now, v);
	*e->failure = v->failure;
	if (!err)
		err = check_report_data(e, doc->user_data.data,
					doc->user_data.len);
	if (err)
		return err;
	verify_step(e->failure, "kind of evidence");
	if (doc->tpm)
		return verify_fail(e->failure, REASON(MISMATCH),
				   "a NitroTPM's document, said to be an enclave's");
	return libdstack_identity_of_enclave(att, doc->pcr, doc->module_id,
					     &e->peer->identity, e->failure);
}

/* Bits of those that were asked for, or of the one that is always known. */
static bool is_wanted(const struct libdstack_trust *trust,
		      enum libdstack_tee tee)
{
	uint32_t tees = trust->tees ? trust->tees : 1U << LIBDSTACK_TEE_TDX;

	return tees & 1U << tee;
}

int ratls_check_evidence(const uint8_t report_data[DSTACK_REPORT_DATA_SIZE],
			 const struct libdstack_trust *trust, time_t now,
			 struct libdstack_peer *peer,
			 struct libdstack_failure *failure)
{
	const struct evidence e = {
		.want = report_data, .trust = trust, .now = now, .peer = peer,
		.failure = failure,
	};
	enum libdstack_tee tee = peer->attestation->tee;

	verify_step(failure, "kind of evidence");
	if (!is_wanted(trust, tee))
		return verify_fail(failure, REASON(POLICY),
				   "evidence of %s is not accepted here",
				   libdstack_tee_name(tee));
	switch (tee) {
	case LIBDSTACK_TEE_TDX:
		return check_td(&e);
	case LIBDSTACK_TEE_SEV_SNP:
		return check_snp(&e);
	case LIBDSTACK_TEE_NITRO_ENCLAVE:
		return check_enclave(&e);
	default:
		return verify_fail(failure, REASON(UNSUPPORTED),
				   "nothing here verifies evidence of %s",
				   libdstack_tee_name(tee));
	}
}
