// SPDX-License-Identifier: MIT
/*
 * dstackctl verify attestation: the containers of dstack guests
 *
 * Copyright The dstack for Linux authors
 */
#include "verify.h"

#include <errno.h>
#include <libdstack_nitro.h>
#include <libdstack_snp.h>
#include <string.h>

static const char *const tees[__LIBDSTACK_TEE_MAX] = {
	[LIBDSTACK_TEE_TDX] = "tdx",
	[LIBDSTACK_TEE_GCP_TDX] = "gcp-tdx",
	[LIBDSTACK_TEE_NITRO_ENCLAVE] = "nitro",
	[LIBDSTACK_TEE_SEV_SNP] = "sev-snp",
	[LIBDSTACK_TEE_AWS_NITRO_TPM] = "nitro-tpm",
};

static bool report_identity(struct outcome *out, int err,
			    const struct libdstack_failure *failure)
{
	if (err)
		return report_failure(&out->report, "identity", failure);
	out->have_identity = true;
	return report_add(&out->report, true, "identity",
			  "%s, by its own log",
			  libdstack_tee_name(out->identity.tee));
}

static bool report_log(struct outcome *out, const bool replayed[4])
{
	return report_add(&out->report, true, "log",
			  "explains RTMR3%s%s%s",
			  replayed[0] ? ", RTMR0" : "",
			  replayed[1] ? ", RTMR1" : "",
			  replayed[2] ? ", RTMR2" : "");
}

bool check_identity(const struct input *in, struct outcome *out)
{
	struct libdstack_failure failure;
	bool replayed[4];
	int err;

	if (libdstack_attestation_explains(in->attestation, &out->quote.td,
					   replayed, &failure))
		return report_failure(&out->report, "log", &failure);
	report_log(out, replayed);
	err = libdstack_identity_of_td(in->attestation, &out->quote.td,
				       out->quote.ppid, 0, &out->identity,
				       &failure);
	return report_identity(out, err, &failure);
}

static int verify_td(const struct request *request, struct input *in,
		     struct outcome *out)
{
	const struct libdstack_span *quote = &in->attestation->evidence;
	int err = input_get_collateral(request, in, quote->data, quote->len,
				       out);

	if (err)
		return err;
	if (in->collateral &&
	    check_quote(request, in, quote->data, quote->len, out))
		check_identity(in, out);
	return 0;
}

/* The request's report data; what the container says that it holds. */
static const uint8_t *wanted_data(const struct request *request)
{
	return request->policy.pin_report_data ? request->policy.report_data :
						 NULL;
}

static bool is_of_container(const struct libdstack_attestation *att,
			    struct outcome *out)
{
	if (!att->have_report_data ||
	    (out->have_report_data &&
	     !memcmp(att->report_data, out->report_data,
		     sizeof(out->report_data))))
		return true;
	return report_add(&out->report, false, "report data",
			  "the evidence is not the container's: it carries other report data");
}

static bool check_snp(const struct request *request, const struct input *in,
		      struct outcome *out)
{
	const struct libdstack_attestation *att = in->attestation;
	struct libdstack_snp_blob certs[LIBDSTACK_ATTESTATION_CERTS_MAX + 1];
	struct libdstack_snp_chain chain = {
		.root = in->root, .root_len = in->root_len,
	};
	struct libdstack_snp_policy policy = {
		.report_data = wanted_data(request),
	};
	struct libdstack_snp_verdict v;
	struct libdstack_failure failure;
	size_t nr;

	for (nr = 0; nr < att->nr_certs; nr++) {
		certs[nr].data = att->certs[nr].data;
		certs[nr].len = att->certs[nr].len;
	}
	if (in->certs) {
		certs[nr].data = in->certs;
		certs[nr++].len = in->certs_len;
	}
	chain.certs = certs;
	chain.nr_certs = nr;
	if (libdstack_snp_verify(att->evidence.data, att->evidence.len, &chain,
				 request->now, &v))
		return report_failure(&out->report, "signatures", &v.failure);
	out->have_report_data = true;
	memcpy(out->report_data, v.report.report_data,
	       sizeof(out->report_data));
	report_add(&out->report, true, "signatures", "SEV-SNP report of a %s",
		   libdstack_snp_product_name(v.product));
	if (libdstack_snp_check(&v.report, &policy, &failure))
		return report_failure(&out->report, "policy", &failure);
	if (!is_of_container(att, out))
		return false;
	return report_identity(out,
			       libdstack_identity_of_snp(att,
							 v.report.measurement,
							 v.report.host_data,
							 v.report.chip_id,
							 &out->identity,
							 &failure),
			       &failure);
}

static bool check_nitro(const struct request *request, const struct input *in,
			struct outcome *out)
{
	const struct libdstack_attestation *att = in->attestation;
	struct libdstack_nitro_policy policy = {
		.tpm = att->tee == LIBDSTACK_TEE_AWS_NITRO_TPM,
		.user_data = { wanted_data(request), wanted_data(request) ?
			       DSTACK_REPORT_DATA_SIZE : 0 },
	};
	const struct libdstack_nitro_document *doc;
	struct libdstack_nitro_verdict v;
	struct libdstack_failure failure;

	if (libdstack_nitro_verify(att->evidence.data, att->evidence.len,
				   in->root, in->root_len, request->now, &v))
		return report_failure(&out->report, "signatures", &v.failure);
	doc = &v.document;
	report_add(&out->report, true, "signatures", "Nitro document of %s",
		   doc->module_id);
	if (doc->user_data.len == sizeof(out->report_data)) {
		out->have_report_data = true;
		memcpy(out->report_data, doc->user_data.data,
		       sizeof(out->report_data));
	}
	if (libdstack_nitro_check(doc, &policy, request->now, &failure))
		return report_failure(&out->report, "policy", &failure);
	if (!is_of_container(att, out))
		return false;
	return report_identity(out,
			       libdstack_identity_of_enclave(att, doc->pcr,
							     doc->module_id,
							     &out->identity,
							     &failure),
			       &failure);
}

/* Evidence of which a part would go unverified is refused as a whole. */
static void refuse(struct outcome *out)
{
	struct libdstack_failure failure = {
		.reason = LIBDSTACK_REASON_UNSUPPORTED,
		.text = "nothing here verifies evidence of that kind",
	};

	report_failure(&out->report, "kind", &failure);
}

int verify_attestation(struct request *request, struct input *in,
		       struct outcome *out)
{
	int err = input_read(request, LIBDSTACK_ATTESTATION_MAX, in);

	return err ? err : verify_container(request, in, out);
}

int verify_container(struct request *request, struct input *in,
		     struct outcome *out)
{
	struct libdstack_failure failure;

	if (libdstack_attestation_parse(in->data, in->len, &in->attestation,
					&failure)) {
		report_failure(&out->report, "format", &failure);
		return 0;
	}
	out->tee = tees[in->attestation->tee];
	switch (in->attestation->tee) {
	case LIBDSTACK_TEE_TDX:
		return verify_td(request, in, out);
	case LIBDSTACK_TEE_SEV_SNP:
		check_snp(request, in, out);
		break;
	case LIBDSTACK_TEE_NITRO_ENCLAVE:
		check_nitro(request, in, out);
		break;
	default:
		refuse(out);
	}
	return 0;
}
