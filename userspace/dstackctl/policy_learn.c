// SPDX-License-Identifier: MIT
/*
 * dstackctl policy learn: write the policy that allows what was seen to run
 *
 * Copyright The dstack for Linux authors
 *
 * A log is text that anybody can write: nothing is learnt from one that does
 * not replay to a register, the kernel's own or one that a quote vouched for.
 * What a name, an id or a path in it says is then what the kernel wrote.
 */
#include "policy.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "learn.h"

#define TRIES		50	/* until dstackd has stored what is recorded */
#define TRY_US		100000

struct options {
	const char *log, *base, *output;
	uint8_t app_id[DSTACK_APP_ID_SIZE];
	uint8_t want[DSTACK_REGISTER_SIZE];
	uint64_t epoch;			/* 0: one more than that of --base */
	bool have_app_id, have_want, replace, help;
};

static void usage(FILE *out)
{
	fputs("Usage: dstackctl policy learn [OPTION]... [LOG]\n\n"
	      "Writes a policy that allows each program, library and script that "
	      "ran in the\n"
	      "containers of LOG (default: " DSTACK_LOG_FILE "), in the\n"
	      "section that each container was registered with. LOG must replay "
	      "to the\n"
	      "kernel's register, or to that of --register.\n\n"
	      "  --register HEX  the register, from a quote that was verified; "
	      "events of LOG\n"
	      "                  that it does not cover are left out\n"
	      "  --base FILE     start from this policy: what it says and allows "
	      "stays\n"
	      "  --replace       of sections that were seen, allow only what was "
	      "seen\n"
	      "  --app-id HEX    the application, 40 hex digits (default: that of "
	      "--base, or zeros)\n"
	      "  --epoch N       number of the policy (default: one more than "
	      "that of --base, or 1)\n"
	      "  --output FILE   write FILE instead of standard output\n", out);
}

static int kernel_register(uint8_t value[DSTACK_REGISTER_SIZE])
{
	struct libdstack_control *control;
	struct libdstack_status status;
	int err = libdstack_control_open(&control);

	if (err)
		return err;
	err = libdstack_status(control, &status);
	libdstack_control_close(control);
	if (!err)
		memcpy(value, status.register_value, DSTACK_REGISTER_SIZE);
	return err;
}

/* -EBADMSG, after a message: LOG is none, or was changed. */
static int read_log(const char *file, const uint8_t want[DSTACK_REGISTER_SIZE],
		    struct libdstack_log **log, size_t *count)
{
	uint8_t value[DSTACK_REGISTER_SIZE] = { 0 };
	size_t bad;
	int err = libdstack_log_read(file, log);

	if (err)
		return err;
	err = libdstack_log_find(*log, value, want, count, &bad);
	if (err == -EBADMSG)
		error_msg("event %zu was changed: its digest is not that of its name and payload",
			  bad);
	if (!err)
		return 0;
	libdstack_log_free(*log);
	*log = NULL;
	return err;
}

/* dstackd may be a moment behind the kernel. */
static int read_log_of_kernel(struct options *opt, struct libdstack_log **log,
			      size_t *count)
{
	int i, err = -ENOENT;

	for (i = 0; err == -ENOENT && i < TRIES; i++) {
		if (i)
			usleep(TRY_US);
		err = kernel_register(opt->want) ?:
			read_log(opt->log, opt->want, log, count);
	}
	return err;
}

static int write_policy(const struct options *opt,
			const struct libdstack_policy *policy)
{
	char *text;
	size_t len;
	json_t *root;

	if (libdstack_policy_canonical(policy, &text, &len)) {
		error_msg("can't write the policy: not enough memory");
		return EXIT_FAILURE;
	}
	root = json_loadb(text, len, 0, NULL);
	free(text);
	return write_json(opt->output, root);
}

static int make_policy(struct options *opt, const struct libdstack_log *log,
		       size_t count)
{
	struct libdstack_policy *base = NULL, *policy = NULL;
	char hex[2 * DSTACK_REGISTER_SIZE + 1];
	struct learnt learnt = { 0 };
	int err = 0;

	if (opt->base)
		err = libdstack_policy_read(opt->base, &base);
	if (base && !opt->have_app_id)
		memcpy(opt->app_id, libdstack_policy_app_id(base),
		       sizeof(opt->app_id));
	if (!opt->epoch)
		opt->epoch = base ? libdstack_policy_epoch(base) + 1 : 1;
	if (!err)
		err = libdstack_policy_new(opt->app_id, opt->epoch, &policy);
	if (!err)
		err = learn(log, count, base, opt->replace, policy, &learnt);
	if (!err)
		err = write_policy(opt, policy);
	if (!err)
		fprintf(stderr, "dstackctl: learnt %zu files of %zu containers from %zu events, which replay to %s %s\n",
			learnt.files, learnt.containers, count,
			opt->have_want ? "--register" : "the kernel's register",
			libdstack_to_hex(opt->want, DSTACK_REGISTER_SIZE,
					 hex));
	if (!err && learnt.unknown)
		fprintf(stderr, "dstackctl: %zu events name no digest, for what they rest on or who wrote it: they are not allowed\n",
			learnt.unknown);
	if (!err && learnt.memory)
		fprintf(stderr, "dstackctl: %zu events are of executable memory that is no file's: \"memory\" is \"allow\" in the sections where that was\n",
			learnt.memory);
	libdstack_policy_free(base);
	libdstack_policy_free(policy);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int run_learn(struct options *opt)
{
	struct libdstack_log *log = NULL;
	int status;
	size_t count;
	int err;

	err = opt->have_want ? read_log(opt->log, opt->want, &log, &count) :
		read_log_of_kernel(opt, &log, &count);
	if (err == -ENOENT)
		error_msg("'%s' does not replay to %s: it is another log, or was changed",
			  opt->log, opt->have_want ? "this register" :
			  "the kernel's register");
	if (err)
		return EXIT_FAILURE;
	status = make_policy(opt, log, count);
	libdstack_log_free(log);
	return status;
}

static bool set_option(struct options *opt, int c, const char *arg)
{
	switch (c) {
	case 'r':
		opt->have_want = true;
		if (hex_decode(arg, opt->want, sizeof(opt->want)))
			return true;
		error_msg("--register needs %d hex digits",
			  2 * DSTACK_REGISTER_SIZE);
		return false;
	case 'a':
		opt->have_app_id = true;
		if (hex_decode(arg, opt->app_id, sizeof(opt->app_id)))
			return true;
		error_msg("--app-id needs %d hex digits",
			  2 * DSTACK_APP_ID_SIZE);
		return false;
	case 'e':
		if (libdstack_parse_u64(arg, LIBDSTACK_POLICY_EPOCH_MAX,
					&opt->epoch) && opt->epoch)
			return true;
		error_msg("--epoch needs a number from 1 to %llu",
			  LIBDSTACK_POLICY_EPOCH_MAX);
		return false;
	case 'b':
		opt->base = arg;
		return true;
	case 'o':
		opt->output = arg;
		return true;
	case 'p':
		opt->replace = true;
		return true;
	case 'h':
		opt->help = true;
		return true;
	default:
		return false;
	}
}

static bool take_options(struct options *opt, int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "register", required_argument, NULL, 'r' },
		{ "base", required_argument, NULL, 'b' },
		{ "replace", no_argument, NULL, 'p' },
		{ "app-id", required_argument, NULL, 'a' },
		{ "epoch", required_argument, NULL, 'e' },
		{ "output", required_argument, NULL, 'o' },
		{ NULL, 0, NULL, 0 }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (!set_option(opt, c, optarg))
			return false;
	if (argc - optind > 1) {
		error_msg("policy learn takes one log");
		return false;
	}
	if (optind < argc)
		opt->log = argv[optind];
	return true;
}

int policy_learn(int argc, char **argv)
{
	struct options opt = { .log = DSTACK_LOG_FILE, .output = "-" };

	if (!take_options(&opt, argc, argv))
		return usage_hint("policy learn");
	if (opt.help) {
		usage(stdout);
		return EXIT_SUCCESS;
	}
	return run_learn(&opt);
}
