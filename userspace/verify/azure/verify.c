// SPDX-License-Identifier: MIT
/*
 * Verify a confidential VM of Azure's: from hardware to the TPM
 *
 * Copyright The dstack for Linux authors
 */
#include <libdstack_azure.h>
#include <stdio.h>
#include <string.h>

#include "../failure.h"

#define REPORT_DATA_SIZE	64

/* One verification. */
struct azure {
	const struct libdstack_azure_evidence *evidence;
	time_t now;
	struct libdstack_azure_verdict *verdict;
};

/* What another verifier said, with its name before the step. */
static int pass_on(struct azure *a, const char *who,
		   const struct libdstack_failure *why, int err)
{
	struct libdstack_failure *failure = &a->verdict->failure;
	char step[2 * LIBDSTACK_STEP_MAX];

	if (!err)
		return 0;
	snprintf(step, sizeof(step), "%s: %s", who, why->step);
	*failure = *why;
	verify_step(failure, step);
	return err;
}

/* The hash of the JSON, and zeros. */
static int check_binding(struct azure *a,
			 const uint8_t report_data[REPORT_DATA_SIZE])
{
	uint8_t want[REPORT_DATA_SIZE] = { 0 };

	memcpy(want, a->verdict->hcl.runtime_hash,
	       sizeof(a->verdict->hcl.runtime_hash));
	if (!memcmp(want, report_data, sizeof(want)))
		return 0;
	verify_step(&a->verdict->failure, "binding of the TPM's key");
	return verify_fail(&a->verdict->failure, REASON(MISMATCH),
			   "hardware's report is not of this key and these settings");
}

static int check_td(struct azure *a)
{
	const struct libdstack_azure_evidence *e = a->evidence;
	struct libdstack_verdict *td = &a->verdict->td;
	int err;

	if (!e->td_quote || !e->collateral) {
		verify_step(&a->verdict->failure, "TD quote");
		return verify_fail(&a->verdict->failure, REASON(MISMATCH),
				   "the report is of a TD, but no quote or no collateral was given");
	}
	err = libdstack_quote_verify(e->td_quote, e->td_quote_len,
				     e->collateral, e->root, e->root_len,
				     a->now, td);
	err = pass_on(a, "TD quote", &td->failure, err);
	return err ? err : check_binding(a, td->td.report_data);
}

static int check_snp(struct azure *a)
{
	const struct libdstack_azure_hcl *hcl = &a->verdict->hcl;
	struct libdstack_snp_verdict *snp = &a->verdict->snp;
	int err;

	err = libdstack_snp_verify(hcl->report, hcl->report_len,
				   &a->evidence->snp, a->now, snp);
	err = pass_on(a, "SNP report", &snp->failure, err);
	return err ? err : check_binding(a, snp->report.report_data);
}

static int check_tpm(struct azure *a)
{
	struct libdstack_tpm_verdict *tpm = &a->verdict->tpm;
	struct libdstack_tpm_key *key;
	int err;

	err = libdstack_azure_hcl_key(&a->verdict->hcl, &key,
				      &a->verdict->failure);
	if (err)
		return err;
	err = libdstack_tpm_quote_verify(&a->evidence->tpm, key, tpm);
	libdstack_tpm_key_free(key);
	return pass_on(a, "TPM quote", &tpm->failure, err);
}

int libdstack_azure_verify(const struct libdstack_azure_evidence *evidence,
			   time_t now, struct libdstack_azure_verdict *verdict)
{
	struct azure a = {
		.evidence = evidence, .now = now, .verdict = verdict,
	};
	int err;

	memset(verdict, 0, sizeof(*verdict));
	err = libdstack_azure_hcl_parse(evidence->hcl, evidence->hcl_len,
					&verdict->hcl, &verdict->failure);
	if (err)
		return err;
	err = verdict->hcl.type == LIBDSTACK_AZURE_TDX ? check_td(&a) :
							 check_snp(&a);
	return err ? err : check_tpm(&a);
}
