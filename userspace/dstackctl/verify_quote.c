// SPDX-License-Identifier: MIT
/*
 * dstackctl verify quote: of a TD, of an enclave, or of the sim backend
 *
 * Copyright The dstack for Linux authors
 */
#include "verify.h"

#include <errno.h>
#include <string.h>

static void report_genuine(const struct request *request, struct outcome *out)
{
	const struct libdstack_verdict *v = &out->quote;
	char fmspc[2 * sizeof(v->fmspc) + 1], until[32] = "?";
	time_t expiry = v->earliest_expiry;
	struct tm tm;

	if (gmtime_r(&expiry, &tm))
		strftime(until, sizeof(until), "%Y-%m-%dT%H:%M:%SZ", &tm);
	report_add(&out->report, true, "signatures",
		   "%s quote version %u, platform type %s, up to %s, collateral valid until %s",
		   v->kind == LIBDSTACK_QUOTE_TD ? "TDX" : "SGX",
		   v->quote_version,
		   libdstack_to_hex(v->fmspc, sizeof(v->fmspc), fmspc),
		   request->root ? request->root : "Intel's root", until);
}

static bool is_debug(const struct libdstack_verdict *v)
{
	return v->kind == LIBDSTACK_QUOTE_TD ? v->td.attributes[0] & 1 :
					       v->enclave.attributes[0] & 2;
}

static const char *policy_name(const struct request *request)
{
	if (request->relaxed)
		return "the options";
	return request->policy_file ? request->policy_file : "the default";
}

static bool check_policy(const struct request *request, struct outcome *out)
{
	struct libdstack_failure failure;

	if (libdstack_quote_policy_check(&request->policy, &out->quote,
					 report_step, &out->report, &failure))
		return report_failure(&out->report, "policy", &failure);
	return report_add(&out->report, true, "policy",
			  "platform %s%s, as %s allows",
			  libdstack_tcb_status_name(out->quote.status),
			  is_debug(&out->quote) ?
			  ", DEBUG: its host sees into it" : "",
			  policy_name(request));
}

bool check_quote(const struct request *request, const struct input *in,
		 const void *quote, size_t len, struct outcome *out)
{
	struct libdstack_quote_options options = {
		.root = in->root, .root_len = in->root_len,
		.now = request->now,
		.all_components = request->all_components,
		.step = report_step, .step_data = &out->report,
	};
	struct libdstack_verdict *v = &out->quote;
	int err;

	err = libdstack_quote_verify_with(quote, len, in->collateral, &options,
					  v);
	out->have_quote = v->kind != LIBDSTACK_QUOTE_NONE;
	out->tee = v->kind == LIBDSTACK_QUOTE_ENCLAVE ? "sgx" : "tdx";
	if (out->have_quote) {
		out->have_report_data = true;
		memcpy(out->report_data, v->kind == LIBDSTACK_QUOTE_TD ?
		       v->td.report_data : v->enclave.report_data,
		       sizeof(out->report_data));
	}
	if (err)
		return report_failure(&out->report, "signatures", &v->failure);
	report_genuine(request, out);
	return check_policy(request, out);
}

static bool check_sim(struct request *request, const struct input *in,
		      const struct libdstack_sim_quote *sim,
		      struct outcome *out)
{
	struct report *report = &out->report;

	out->tee = "sim";
	out->insecure = true;
	out->have_report_data = true;
	memcpy(out->report_data, sim->report_data, sizeof(out->report_data));
	if (!report_add(report, request->insecure_sim, "signatures",
			request->insecure_sim ? "none: INSECURE, as allowed" :
			"made by the sim backend, proves nothing"))
		return false;
	if (request->policy.pin_report_data &&
	    memcmp(request->policy.report_data, sim->report_data,
		   sizeof(sim->report_data)))
		return report_add(report, false, "report data",
				  "the quote carries other data: it was made for somebody else, or is replayed");
	return check_batch(request, in, out) &&
		(!in->log || check_log(report, in->log, &request->at,
				       sim->register_value));
}

/* What a log or a guest's description says, if there is one. */
static bool check_explained(struct request *request, const struct input *in,
			    struct outcome *out)
{
	if ((in->log || in->attestation) &&
	    out->quote.kind != LIBDSTACK_QUOTE_TD)
		return report_add(&out->report, false, "log",
				  "the quote is of an enclave, which has no event log");
	if (in->log && !check_log(&out->report, in->log, &request->at,
				  out->quote.td.rtmr[3]))
		return false;
	return !in->attestation || check_identity(in, out);
}

static int read_tcb_info(const struct request *request, struct input *in,
			 struct outcome *out)
{
	struct libdstack_failure failure;
	void *text;
	size_t len;
	int err;

	if (!request->tcb_info)
		return 0;
	err = read_file(request->tcb_info, LIBDSTACK_ATTESTATION_MAX, &text,
			&len);
	if (err)
		return err;
	if (libdstack_tcb_info_parse(text, len, in->data, in->len,
				     &in->attestation, &failure))
		report_failure(&out->report, "TCB info", &failure);
	free(text);
	return 0;
}

int verify_quote(struct request *request, struct input *in,
		 struct outcome *out)
{
	struct libdstack_sim_quote sim;
	bool good;
	int err;

	err = input_read(request, DSTACK_QUOTE_MAX, in);
	if (!err)
		err = batch_read(request, in, out);
	if (err)
		return err;
	err = libdstack_sim_quote_parse(in->data, in->len, &sim);
	if (err == -EBADMSG) {
		error_msg("'%s' is not a whole quote of the sim backend",
			  request->file);
		return err;
	}
	if (!err) {
		good = !out->report.failed &&
			check_sim(request, in, &sim, out);
	} else {
		err = input_get_collateral(request, in, in->data, in->len, out);
		if (!err)
			err = read_tcb_info(request, in, out);
		if (err)
			return err;
		good = in->collateral &&
			check_quote(request, in, in->data, in->len, out) &&
			!out->report.failed &&
			check_batch(request, in, out) &&
			check_explained(request, in, out);
	}
	if (good && in->log &&
	    libdstack_runs_of_log(in->log, request->at.count, &out->runs)) {
		error_msg("out of memory");
		return -ENOMEM;
	}
	return 0;
}
