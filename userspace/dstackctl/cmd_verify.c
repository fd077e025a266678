// SPDX-License-Identifier: MIT
/*
 * dstackctl verify: is this quote genuine, and what ran in that TD
 *
 * Copyright The dstack for Linux authors
 */
#include "verify.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#define ROOT_FILE_MAX	65536

struct options {
	const char *quote, *log, *root, *collateral;
	struct libdstack_quote_policy policy;
	bool insecure_sim, json;
	time_t now;
	struct log_position at;
};

/* All that is read before anything is judged. */
struct input {
	void *quote, *root;
	size_t quote_len, root_len;
	struct libdstack_log *log;
	struct libdstack_collateral *collateral;
};

static void usage(FILE *out)
{
	fputs("Usage: dstackctl verify quote FILE --log FILE [OPTION]...\n\n"
	      "Verifies a quote up to the root of trust, and that the event log "
	      "explains it.\n\n"
	      "  --root FILE         the only trusted root, PEM or DER "
	      "(default: Intel's,\n"
	      "                      known by its key)\n"
	      "  --collateral FILE   TCB info, QE identity and CRLs (default: "
	      "collateral.json\n"
	      "                      beside the root)\n"
	      "  --report-data HEX   what the quote must carry, padded with "
	      "zeros\n"
	      "  --log-count N       how many events the quote covers (default: "
	      "found)\n"
	      "  --base HEX          register before the first event (default: "
	      "zeros)\n"
	      "  --time UNIX         judge at this time (default: now)\n"
	      "  --allow-status S    accept this TCB status besides UpToDate "
	      "and\n"
	      "                      SWHardeningNeeded; may be repeated\n"
	      "  --allow-debug       accept a TD that its host can debug\n"
	      "  --insecure-sim      accept the sim backend, which proves "
	      "nothing\n"
	      "  --json              print JSON\n\n"
	      "MRTD and RTMR0 to 2 say which firmware and kernel wrote the log: "
	      "compare them\nwith those of your image.\n", out);
}

static bool set_report_data(struct options *opt, const char *text)
{
	struct libdstack_quote_policy *policy = &opt->policy;
	size_t len = strlen(text);

	policy->pin_report_data = true;
	if (len % 2 == 0 && len / 2 <= sizeof(policy->report_data) &&
	    hex_decode(text, policy->report_data, len / 2))
		return true;
	error_msg("--report-data must be hex of at most %d bytes",
		  DSTACK_REPORT_DATA_SIZE);
	return false;
}

static bool allow_status(struct options *opt, const char *name)
{
	enum libdstack_tcb_status status = libdstack_tcb_status_from_name(name);

	if (status < LIBDSTACK_TCB_REVOKED) {
		opt->policy.tcb_allowed |= 1U << status;
		return true;
	}
	error_msg("'%s' is no TCB status that can be allowed; OutOfDate and SWHardeningNeeded are some",
		  name);
	return false;
}

static bool set_number(const char *name, const char *text, uint64_t max,
		       uint64_t *value)
{
	if (parse_u64(text, max, value))
		return true;
	error_msg("%s must be a number, not '%s'", name, text);
	return false;
}

static bool set_value(int c, const char *arg, struct options *opt)
{
	uint64_t value;

	switch (c) {
	case 'd':
		return set_report_data(opt, arg);
	case 'n':
		opt->at.fixed = true;
		return set_number("--log-count", arg, SIZE_MAX,
				  &opt->at.count);
	case 'b':
		if (hex_decode(arg, opt->at.base, sizeof(opt->at.base)))
			return true;
		error_msg("--base must be %d hex digits",
			  2 * DSTACK_REGISTER_SIZE);
		return false;
	case 't':
		if (!set_number("--time", arg, INT64_MAX / 2, &value))
			return false;
		opt->now = value;
		return true;
	case 's':
		return allow_status(opt, arg);
	default:
		return false;
	}
}

static bool set_option(int c, const char *arg, struct options *opt)
{
	switch (c) {
	case 'l':
		opt->log = arg;
		return true;
	case 'r':
		opt->root = arg;
		return true;
	case 'c':
		opt->collateral = arg;
		return true;
	case 'D':
		opt->policy.td_attributes_allowed |= LIBDSTACK_TD_DEBUG;
		return true;
	case 'S':
		opt->insecure_sim = true;
		return true;
	case 'j':
		opt->json = true;
		return true;
	default:
		return set_value(c, arg, opt);
	}
}

/* Returns -1 to go on, or the exit status. */
static int parse_options(int argc, char **argv, struct options *opt)
{
	static const struct option options[] = {
		{ "log", required_argument, NULL, 'l' },
		{ "root", required_argument, NULL, 'r' },
		{ "collateral", required_argument, NULL, 'c' },
		{ "report-data", required_argument, NULL, 'd' },
		{ "log-count", required_argument, NULL, 'n' },
		{ "base", required_argument, NULL, 'b' },
		{ "time", required_argument, NULL, 't' },
		{ "allow-status", required_argument, NULL, 's' },
		{ "allow-debug", no_argument, NULL, 'D' },
		{ "insecure-sim", no_argument, NULL, 'S' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'h') {
			usage(stdout);
			return EXIT_SUCCESS;
		}
		if (!set_option(c, optarg, opt))
			return usage_hint("verify");
	}
	if (optind != argc - 2 || strcmp(argv[optind], "quote")) {
		error_msg("'verify quote FILE' is needed");
		return usage_hint("verify");
	}
	opt->quote = argv[optind + 1];
	if (!opt->log) {
		error_msg("--log is needed: without it RTMR3 is just a number");
		return usage_hint("verify");
	}
	return -1;
}

/* collateral.json beside the root, for free(). */
static char *default_collateral(const char *root)
{
	const char *slash = strrchr(root, '/');
	char *path;

	if (asprintf(&path, "%.*scollateral.json",
		     slash ? (int)(slash + 1 - root) : 0, root) < 0)
		return NULL;
	return path;
}

static int read_collateral(const struct options *opt, struct input *in)
{
	char *path;
	int err;

	if (opt->collateral)
		return libdstack_collateral_read(opt->collateral,
						 &in->collateral);
	if (!opt->root) {
		error_msg("--collateral is needed with Intel's root: TCB info, QE identity and CRLs of the platform");
		return -EINVAL;
	}
	path = default_collateral(opt->root);
	if (!path) {
		error_msg("out of memory");
		return -ENOMEM;
	}
	err = libdstack_collateral_read(path, &in->collateral);
	free(path);
	return err;
}

/* The report has a line for each check of the policy. */
static void report_step(void *data, const struct libdstack_step *step)
{
	report_add(data, !step->reason, step->name, "%s",
		   step->reason ? step->text : step->input);
}

static bool check_sim_report_data(struct report *report,
				  const struct options *opt,
				  const uint8_t *have)
{
	static const char name[] = "report data";
	const uint8_t *want = opt->policy.report_data;

	if (!opt->policy.pin_report_data)
		return report_add(report, true, name,
				  "not compared: no --report-data was given");
	if (memcmp(want, have, DSTACK_REPORT_DATA_SIZE))
		return report_add(report, false, name,
				  "the quote carries other data: it was made for somebody else, or is replayed");
	return report_add(report, true, name, "as given");
}

static void report_genuine(struct report *report, const struct options *opt,
			   const struct libdstack_verdict *v)
{
	char fmspc[2 * sizeof(v->fmspc) + 1], until[32] = "?";
	time_t expiry = v->earliest_expiry;
	struct tm tm;

	if (gmtime_r(&expiry, &tm))
		strftime(until, sizeof(until), "%Y-%m-%dT%H:%M:%SZ", &tm);
	report_add(report, true, "signatures",
		   "TDX quote version %u, platform type %s, up to %s, collateral valid until %s",
		   v->quote_version,
		   libdstack_to_hex(v->fmspc, sizeof(v->fmspc), fmspc),
		   opt->root ? opt->root : "Intel's root", until);
}

static bool check_quote(struct report *report, const struct options *opt,
			const struct input *in, struct libdstack_verdict *v)
{
	struct libdstack_failure failure;

	if (libdstack_quote_verify(in->quote, in->quote_len, in->collateral,
				   in->root, in->root_len, opt->now, v))
		return report_add(report, false, "signatures", "%s: %s",
				  v->failure.step, v->failure.text);
	report_genuine(report, opt, v);
	if (v->kind != LIBDSTACK_QUOTE_TD)
		return report_add(report, false, "log",
				  "the quote is of an enclave, which has no event log");
	return !libdstack_quote_policy_check(&opt->policy, v, report_step,
					     report, &failure);
}

static void print_text(const struct report *report,
		       const struct libdstack_verdict *v,
		       const struct libdstack_runs *runs)
{
	report_print(report);
	if (v && v->quote_version && !v->failure.reason)
		verdict_print(v);
	if (runs)
		runs_print(runs);
	if (report->failed)
		puts("REFUSED");
	else
		puts(v ? "VERIFIED" :
		     "INSECURE: made by the sim backend, proves nothing");
}

static int print_json(const struct report *report,
		      const struct libdstack_verdict *v,
		      const struct libdstack_runs *runs)
{
	json_t *obj;
	int err;

	obj = json_pack("{s:b, s:b, s:o}", "verified", !report->failed && v,
			"insecure", !v, "checks", report_json(report));
	if (obj && v && v->quote_version && !v->failure.reason)
		json_object_set_new(obj, "quote", verdict_json(v));
	if (obj && runs)
		json_object_set_new(obj, "log", runs_json(runs));
	err = !obj || json_dumpf(obj, stdout, JSON_INDENT(2));
	json_decref(obj);
	if (err)
		error_msg("can't write JSON");
	else
		putchar('\n');
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* @v is NULL for a quote of the sim backend. */
static int finish(const struct options *opt, const struct report *report,
		  const struct input *in, const struct libdstack_verdict *v)
{
	struct libdstack_runs *runs = NULL;
	int status = EXIT_SUCCESS;

	if (!report->failed) {
		if (libdstack_runs_of_log(in->log, opt->at.count, &runs)) {
			error_msg("out of memory");
			return EXIT_FAILURE;
		}
	}
	if (opt->json)
		status = print_json(report, v, runs);
	else
		print_text(report, v, runs);
	libdstack_runs_free(runs);
	return report->failed ? EXIT_FAILURE : status;
}

static int verify_sim(struct options *opt, const struct input *in,
		      const struct libdstack_sim_quote *sim)
{
	struct report report = { .nr = 0 };

	if (report_add(&report, opt->insecure_sim, "signatures",
		       opt->insecure_sim ? "none: INSECURE, as allowed" :
		       "made by the sim backend, proves nothing") &&
	    check_sim_report_data(&report, opt, sim->report_data))
		check_log(&report, in->log, &opt->at, sim->register_value);
	return finish(opt, &report, in, NULL);
}

static int verify_tdx(struct options *opt, struct input *in)
{
	struct report report = { .nr = 0 };
	struct libdstack_verdict v;

	if (opt->root && read_file(opt->root, ROOT_FILE_MAX, &in->root,
				   &in->root_len))
		return EXIT_FAILURE;
	if (read_collateral(opt, in))
		return EXIT_FAILURE;
	if (check_quote(&report, opt, in, &v))
		check_log(&report, in->log, &opt->at, v.td.rtmr[3]);
	return finish(opt, &report, in, &v);
}

static int verify(struct options *opt, struct input *in)
{
	struct libdstack_sim_quote sim;
	int err;

	if (read_file(opt->quote, DSTACK_QUOTE_MAX, &in->quote,
		      &in->quote_len) ||
	    libdstack_log_read(opt->log, &in->log))
		return EXIT_FAILURE;
	err = libdstack_sim_quote_parse(in->quote, in->quote_len, &sim);
	if (err == -EBADMSG) {
		error_msg("'%s' is not a whole quote of the sim backend",
			  opt->quote);
		return EXIT_FAILURE;
	}
	return err ? verify_tdx(opt, in) : verify_sim(opt, in, &sim);
}

int cmd_verify(int argc, char **argv)
{
	struct options opt = { .now = time(NULL) };
	struct input in = { .quote = NULL };
	int status;

	libdstack_quote_policy_default(&opt.policy);
	status = parse_options(argc, argv, &opt);
	if (status >= 0)
		return status;
	status = verify(&opt, &in);
	libdstack_collateral_free(in.collateral);
	libdstack_log_free(in.log);
	free(in.quote);
	free(in.root);
	return status;
}
