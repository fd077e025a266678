// SPDX-License-Identifier: MIT
/*
 * Verify a quote: the steps, in order
 *
 * Copyright The dstack for Linux authors
 *
 * First all signatures, from the trusted root down to the report; then what
 * the platform is worth, and whether all that holds at the time in question.
 * A step that only lowers the worth does not end it, so that the verdict has a
 * status whenever the signatures hold; the first failure is the one reported.
 */
#include "dcap.h"

#include <errno.h>
#include <string.h>
#include <time.h>

int dcap_fail(struct dcap *d, enum libdstack_reason reason, const char *fmt,
	      ...)
{
	va_list args;
	int err;

	va_start(args, fmt);
	err = verify_failv(d->failure, reason, fmt, args);
	va_end(args);
	return err;
}

void dcap_input(struct dcap *d, const char *fmt, ...)
{
	struct libdstack_failure line;
	va_list args;

	if (!d->options->step)
		return;
	va_start(args, fmt);
	verify_failv(&line, REASON(NONE), fmt, args);
	va_end(args);
	memcpy(d->input, line.text, sizeof(d->input));
}

/* Tells who watches. */
static void show(const struct dcap *d, const char *name,
		 const struct libdstack_failure *failure)
{
	struct libdstack_step step = { .name = name };

	if (!d->options->step)
		return;
	step.reason = failure->reason;
	memcpy(step.text, failure->text, sizeof(step.text));
	memcpy(step.input, d->input, sizeof(step.input));
	d->options->step(d->options->step_data, &step);
}

static int run_step(struct dcap *d, const struct dcap_step *step)
{
	struct libdstack_failure failure = { .reason = REASON(NONE) };
	struct libdstack_failure *first = &d->verdict->failure;
	int err;

	d->failure = &failure;
	d->input[0] = '\0';
	err = step->check(d);
	d->failure = NULL;
	show(d, step->name, &failure);
	if (err && first->reason == REASON(NONE)) {
		*first = failure;
		verify_step(first, step->name);
	}
	return err;
}

int dcap_run(struct dcap *d, const struct dcap_step *steps, size_t nr)
{
	int err, first = 0;
	size_t i;

	for (i = 0; i < nr; i++) {
		err = run_step(d, &steps[i]);
		if (err && !first)
			first = err;
		if (err && steps[i].last)
			break;
	}
	return first;
}

static int check_format(struct dcap *d)
{
	struct libdstack_verdict *v = d->verdict;
	struct dcap_quote *q = &d->quote;
	const char *why;
	int err;

	dcap_input(d, "%zu bytes", d->quote_len);
	err = dcap_quote_parse(d->quote_data, d->quote_len, q, &why);
	if (err)
		return dcap_fail(d, err == -EOPNOTSUPP ? REASON(UNSUPPORTED) :
				 REASON(MALFORMED), "%s", why);
	v->quote_version = q->version;
	if (q->body_type == DCAP_BODY_SGX) {
		v->kind = LIBDSTACK_QUOTE_ENCLAVE;
		dcap_enclave(q->body, &v->enclave);
	} else {
		v->kind = LIBDSTACK_QUOTE_TD;
		dcap_quote_td(q, &v->td);
	}
	dcap_input(d, "version %u, %s, %zu bytes of %zu", q->version,
		   q->body_type == DCAP_BODY_SGX ? "an enclave" :
		   q->body_type == DCAP_BODY_TD10 ? "a TD 1.0" : "a TD 1.5",
		   (size_t)((const uint8_t *)q->chain + q->chain_len -
			    q->signed_part), d->quote_len);
	return 0;
}

static void time_text(int64_t when, char out[DCAP_DATE_SIZE])
{
	time_t t = when;
	struct tm tm;

	if (!gmtime_r(&t, &tm) ||
	    !strftime(out, DCAP_DATE_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm))
		snprintf(out, DCAP_DATE_SIZE, "?");
}

static int check_validity(struct dcap *d)
{
	const struct dcap_window *w = &d->window;
	char from[DCAP_DATE_SIZE], to[DCAP_DATE_SIZE], now[DCAP_DATE_SIZE];
	const int64_t at = d->options->now;

	d->verdict->earliest_expiry = w->to;
	if (at >= w->from && at <= w->to && !d->options->step)
		return 0;
	time_text(w->from, from);
	time_text(w->to, to);
	time_text(at, now);
	dcap_input(d, "%s, all is valid from %s to %s", now, from, to);
	if (at > w->to)
		return dcap_fail(d, REASON(EXPIRED),
				 "%s expired at %s: get newer collateral",
				 w->to_what, to);
	if (at < w->from)
		return dcap_fail(d, REASON(EARLY),
				 "%s is valid only from %s: get collateral of the time to judge at",
				 w->from_what, from);
	return 0;
}

static const struct dcap_step format_step = {
	"quote format", check_format, true
};

static const struct dcap_step steps[] = {
	{ "platform certificate", dcap_check_certificate, true },
	{ "quoting enclave's report", dcap_check_qe_report, true },
	{ "attestation key", dcap_check_attestation_key, true },
	{ "quote signature", dcap_check_quote_signature, true },
	{ "platform type", dcap_check_platform_type, true },
	{ "validity", check_validity, false },
	{ "quoting enclave", dcap_check_qe, false },
	{ "TDX module", dcap_check_module, false },
	{ "TCB level", dcap_check_level, false },
};

/* Collateral that was checked before is not checked again. */
static int run_trust_steps(struct dcap *d, struct dcap_trust *local)
{
	const struct libdstack_quote_options *opt = d->options;
	const struct libdstack_failure good = { .reason = REASON(NONE) };
	struct dcap_trust *checked = d->collateral->trust;
	size_t i;

	if (!checked || !dcap_trust_is_of(checked, opt->root, opt->root_len)) {
		d->trust = local;
		return dcap_run(d, dcap_trust_steps, dcap_nr_trust_steps);
	}
	d->trust = checked;
	dcap_input(d, "checked before");
	for (i = 0; i < dcap_nr_trust_steps; i++)
		show(d, dcap_trust_steps[i].name, &good);
	return 0;
}

static int run_steps(struct dcap *d, struct dcap_trust *local)
{
	int err;

	err = dcap_run(d, &format_step, 1);
	if (!err)
		err = run_trust_steps(d, local);
	if (err)
		return err;
	d->window = d->trust->window;
	return dcap_run(d, steps, sizeof(steps) / sizeof(steps[0]));
}

int libdstack_quote_verify_with(const void *quote, size_t len,
				const struct libdstack_collateral *collateral,
				const struct libdstack_quote_options *options,
				struct libdstack_verdict *verdict)
{
	struct dcap_trust local = { .root = NULL };
	struct dcap d = {
		.collateral = collateral, .options = options,
		.quote_data = quote, .quote_len = len,
		.verdict = verdict,
	};
	int err;

	memset(verdict, 0, sizeof(*verdict));
	verdict->status = LIBDSTACK_TCB_NONE;
	verdict->qe_status = LIBDSTACK_TCB_NONE;
	verdict->module_status = LIBDSTACK_TCB_NONE;
	verdict->earliest_expiry = INT64_MAX;
	verdict->judged_at = options->now;
	err = run_steps(&d, &local);
	X509_free(d.cert);
	dcap_trust_close(&local);
	return err;
}

int libdstack_quote_verify(const void *quote, size_t len,
			   const struct libdstack_collateral *collateral,
			   const void *root, size_t root_len, time_t now,
			   struct libdstack_verdict *verdict)
{
	const struct libdstack_quote_options options = {
		.root = root, .root_len = root_len, .now = now,
	};

	return libdstack_quote_verify_with(quote, len, collateral, &options,
					   verdict);
}
