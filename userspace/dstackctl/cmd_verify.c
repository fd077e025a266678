// SPDX-License-Identifier: MIT
/*
 * dstackctl verify: is this evidence genuine, and what does it prove
 *
 * Copyright The dstack for Linux authors
 */
#include "verify.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

static const struct kind {
	const char *name;
	int (*verify)(struct request *request, struct input *in,
		      struct outcome *out);
} kinds[] = {
	{ "quote", verify_quote },
	{ "attestation", verify_attestation },
	{ "cert", verify_cert },
	{ "connect", verify_connect },
};

static void usage(FILE *out)
{
	fputs("Usage: dstackctl verify quote FILE [OPTION]...\n"
	      "       dstackctl verify attestation FILE [OPTION]...\n"
	      "       dstackctl verify cert FILE [OPTION]...\n"
	      "       dstackctl verify connect https://HOST[:PORT]|unix:PATH "
	      "[OPTION]...\n\n"
	      "Verifies evidence up to the root of trust, and what explains it: "
	      "a quote of TDX or\n"
	      "SGX; what a dstack guest sends of its TEE, a container or a reply "
	      "of its agent;\n"
	      "a certificate that carries evidence for its key; who answers "
	      "there, a TLS server\n"
	      "or, asked with a fresh nonce, a guest's agent.\n"
	      "Exits with 0 if it is trusted, 1 if it is refused, 2 if it was "
	      "asked wrongly.\n\n"
	      "  --root FILE         the only trusted root, PEM or DER "
	      "(default: the vendor's,\n"
	      "                      known by its key)\n"
	      "  --collateral FILE   of TDX and SGX: TCB info, QE identity and "
	      "CRLs (default:\n"
	      "                      collateral.json beside the root)\n"
	      "  --pccs URL          where to get collateral, or \"intel\" for "
	      "Intel's own service\n"
	      "  --pccs-ca FILE      for its TLS (default: the system's)\n"
	      "  --cache DIR         where to keep it; alone: use what is kept\n"
	      "  --certs FILE        of SEV-SNP: certificates, PEM, besides those "
	      "in FILE\n"
	      "  --ca FILE           who may issue certificates, PEM (default: "
	      "anybody, the\n"
	      "                      evidence counts)\n"
	      "  --at RFC3339        judge at this time (default: now)\n"
	      "  --policy FILE       what is good enough, JSON (default: UpToDate "
	      "and\n"
	      "                      SWHardeningNeeded, no debugging, no service "
	      "TD)\n"
	      "  --report-data HEX   what it must carry, padded with zeros\n"
	      "  --allow-status S    accept this TCB status, too; may be repeated\n"
	      "  --allow-debug       accept a TD that its host can debug\n"
	      "  --all-components    compare all TDX components, more than Intel "
	      "does\n"
	      "  --explain           every step, with what it looked at\n"
	      "  --json              print JSON\n\n"
	      "Of a quote:\n"
	      "  --log FILE          the event log that must explain RTMR3\n"
	      "  --log-count N       how many events it covers (default: found)\n"
	      "  --base HEX          register before the first event (default: "
	      "zeros)\n"
	      "  --batch FILE        the agent's reply, of whose batch the quote is: "
	      "--report-data is\n"
	      "                      then what its part must carry\n"
	      "  --container ID      whose part it must be (default: anybody's)\n"
	      "  --program DIGEST    what must vouch for the batch (default: any "
	      "program of the\n"
	      "                      host)\n"
	      "  --tcb-info FILE     what a dstack guest says of itself, with its "
	      "log\n"
	      "  --insecure-sim      accept the sim backend, which proves "
	      "nothing\n\n"
	      "MRTD and RTMR0 to 2 say which firmware and kernel wrote the log: "
	      "compare them\nwith those of your image, see 'dstackctl mr'.\n",
	      out);
}

static bool set_report_data(struct libdstack_quote_policy *policy,
			    const char *text)
{
	size_t len = strlen(text);

	policy->pin_report_data = true;
	memset(policy->report_data, 0, sizeof(policy->report_data));
	if (len % 2 == 0 && len / 2 <= sizeof(policy->report_data) &&
	    hex_decode(text, policy->report_data, len / 2))
		return true;
	error_msg("--report-data must be hex of at most %d bytes",
		  DSTACK_REPORT_DATA_SIZE);
	return false;
}

static bool allow_status(struct request *request, const char *name)
{
	enum libdstack_tcb_status status = libdstack_tcb_status_from_name(name);

	if (status < LIBDSTACK_TCB_REVOKED) {
		request->policy.tcb_allowed |= 1U << status;
		request->relaxed = true;
		return true;
	}
	error_msg("'%s' is no TCB status that can be allowed; OutOfDate and SWHardeningNeeded are some",
		  name);
	return false;
}

/* "2026-11-27T01:00:00Z", or with an offset. */
static bool set_time(const char *text, time_t *now)
{
	struct tm tm = { 0 };
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S%z", &tm);
	long offset = tm.tm_gmtoff;

	if (end && !*end) {
		*now = timegm(&tm) - offset;
		return true;
	}
	error_msg("--at must be a time like 2026-11-27T01:00:00Z, not '%s'",
		  text);
	return false;
}

static bool set_program(const char *text, struct dstack_digest *program)
{
	if (libdstack_digest_from_text(text, program))
		return true;
	error_msg("--program must be sha256: or fsverity-sha256: and 64 lower-case hex digits, not '%s'",
		  text);
	return false;
}

static bool set_base(const char *text, struct log_position *at)
{
	if (hex_decode(text, at->base, sizeof(at->base)))
		return true;
	error_msg("--base must be %d hex digits", 2 * DSTACK_REGISTER_SIZE);
	return false;
}

static bool set_count(const char *text, struct log_position *at)
{
	at->fixed = true;
	if (libdstack_parse_u64(text, SIZE_MAX, &at->count))
		return true;
	error_msg("--log-count must be a number, not '%s'", text);
	return false;
}

/* Options that change the policy come after the file, wherever they stand. */
static bool set_policy_option(int c, const char *arg, struct request *request)
{
	switch (c) {
	case 'd':
		return set_report_data(&request->policy, arg);
	case 's':
		return allow_status(request, arg);
	case 'D':
		request->policy.td_attributes_allowed |= LIBDSTACK_TD_DEBUG;
		request->policy.enclave_debug = true;
		request->relaxed = true;
		return true;
	default:
		return true;
	}
}

static bool set_flag(int c, struct request *request)
{
	switch (c) {
	case 'a':
		request->all_components = true;
		return true;
	case 'S':
		request->insecure_sim = true;
		return true;
	case 'e':
		request->explain = true;
		return true;
	case 'j':
		request->json = true;
		return true;
	default:
		return strchr("dsD", c);
	}
}

static bool set_option(int c, const char *arg, struct request *request)
{
	switch (c) {
	case 'l':
		request->log = arg;
		return true;
	case 'i':
		request->tcb_info = arg;
		return true;
	case 'r':
		request->root = arg;
		return true;
	case 'c':
		request->collateral = arg;
		return true;
	case 'C':
		request->certs = arg;
		return true;
	case 'P':
		request->pccs = arg;
		return true;
	case 'A':
		request->pccs_ca = arg;
		return true;
	case 'I':
		request->ca = arg;
		return true;
	case 'K':
		request->cache = arg;
		return true;
	case 'p':
		request->policy_file = arg;
		return true;
	case 'B':
		request->batch = arg;
		return true;
	case 'o':
		request->container = arg;
		return true;
	case 'g':
		return set_program(arg, &request->program);
	case 't':
		return set_time(arg, &request->now);
	case 'n':
		return set_count(arg, &request->at);
	case 'b':
		return set_base(arg, &request->at);
	default:
		return set_flag(c, request);
	}
}

static const struct option options[] = {
	{ "log", required_argument, NULL, 'l' },
	{ "tcb-info", required_argument, NULL, 'i' },
	{ "root", required_argument, NULL, 'r' },
	{ "collateral", required_argument, NULL, 'c' },
	{ "batch", required_argument, NULL, 'B' },
	{ "container", required_argument, NULL, 'o' },
	{ "program", required_argument, NULL, 'g' },
	{ "certs", required_argument, NULL, 'C' },
	{ "pccs", required_argument, NULL, 'P' },
	{ "pccs-ca", required_argument, NULL, 'A' },
	{ "cache", required_argument, NULL, 'K' },
	{ "ca", required_argument, NULL, 'I' },
	{ "policy", required_argument, NULL, 'p' },
	{ "at", required_argument, NULL, 't' },
	{ "report-data", required_argument, NULL, 'd' },
	{ "log-count", required_argument, NULL, 'n' },
	{ "base", required_argument, NULL, 'b' },
	{ "allow-status", required_argument, NULL, 's' },
	{ "allow-debug", no_argument, NULL, 'D' },
	{ "all-components", no_argument, NULL, 'a' },
	{ "insecure-sim", no_argument, NULL, 'S' },
	{ "explain", no_argument, NULL, 'e' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 }
};

/* 0; EXIT_FAILURE or EXIT_USAGE after a message. */
static int read_policy(struct request *request)
{
	struct libdstack_failure failure;
	void *text;
	size_t len;
	int err;

	libdstack_quote_policy_default(&request->policy);
	if (!request->policy_file)
		return 0;
	if (read_file(request->policy_file, LIBDSTACK_QUOTE_POLICY_MAX, &text,
		      &len))
		return EXIT_FAILURE;
	err = libdstack_quote_policy_parse(text, len, &request->policy,
					   &failure);
	free(text);
	if (!err)
		return 0;
	error_msg("'%s' is not a policy: %s", request->policy_file,
		  failure.text);
	return EXIT_USAGE;
}

/* Twice: what changes the policy is for after it was read. */
static int parse_options(int argc, char **argv, struct request *request)
{
	int c, status;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'h') {
			usage(stdout);
			return -1;
		}
		if (!set_option(c, optarg, request))
			return usage_hint("verify");
	}
	status = read_policy(request);
	if (status)
		return status;
	optind = 0;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (!set_policy_option(c, optarg, request))
			return usage_hint("verify");
	return 0;
}

static const struct kind *find_kind(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(name, kinds[i].name))
			return &kinds[i];
	return NULL;
}

static int check_use(const struct kind *kind, const struct request *request)
{
	if (!kind)
		error_msg("'verify quote FILE', or attestation, cert or connect, is needed");
	else if (kind->verify != verify_quote &&
		 (request->log || request->tcb_info || request->insecure_sim ||
		  request->batch))
		error_msg("--log, --tcb-info, --batch and --insecure-sim are for 'verify quote'");
	else if (!request->batch && (request->container ||
				     request->program.alg != DSTACK_ALG_NONE))
		error_msg("--container and --program are of a batch: give --batch, too");
	else if (request->collateral && (request->pccs || request->cache))
		error_msg("either --collateral or --pccs and --cache");
	else if (request->log && request->tcb_info)
		error_msg("either --log or --tcb-info explains a quote");
	else if (!request->log && request->at.fixed)
		error_msg("--log-count is of a log: give --log, too");
	else
		return 0;
	return usage_hint("verify");
}

static int verify(const struct kind *kind, struct request *request)
{
	struct outcome *out = calloc(1, sizeof(*out));
	struct input in = { .data = NULL };
	int status = EXIT_FAILURE;

	if (!out) {
		error_msg("out of memory");
		return status;
	}
	if (!kind->verify(request, &in, out))
		status = outcome_print(request, out);
	libdstack_runs_free(out->runs);
	input_free(&in);
	free(out);
	return status;
}

int cmd_verify(int argc, char **argv)
{
	struct request request = { .now = time(NULL) };
	const struct kind *kind = NULL;
	int status;

	status = parse_options(argc, argv, &request);
	if (status)
		return status < 0 ? EXIT_SUCCESS : status;
	if (optind == argc - 2) {
		kind = find_kind(argv[optind]);
		request.file = argv[optind + 1];
	}
	status = check_use(kind, &request);
	return status ? status : verify(kind, &request);
}
