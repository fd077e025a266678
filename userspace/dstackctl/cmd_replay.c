// SPDX-License-Identifier: MIT
/*
 * dstackctl replay: compute the register from an event log
 *
 * Copyright The dstack for Linux authors
 */
#include "dstackctl.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

struct options {
	const char *file;
	uint64_t count;
	bool have_count, have_expect, json;
	uint8_t base[DSTACK_REGISTER_SIZE];
	uint8_t expect[DSTACK_REGISTER_SIZE];
};

static void usage(FILE *out)
{
	fputs("Usage: dstackctl replay FILE [OPTION]...\n\n"
	      "Computes what the events of FILE (\"-\": standard input) make of "
	      "the register.\n\n"
	      "  --count N     only the first N events\n"
	      "  --base HEX    the register before them (default: zeros)\n"
	      "  --expect HEX  exit with status 1 if the result differs\n"
	      "  --json        print JSON\n", out);
}

static bool set_register(uint8_t *out, const char *name, const char *text)
{
	if (hex_decode(text, out, DSTACK_REGISTER_SIZE))
		return true;
	error_msg("%s must be %d hex digits", name, 2 * DSTACK_REGISTER_SIZE);
	return false;
}

static bool set_option(int c, const char *arg, struct options *opt)
{
	switch (c) {
	case 'c':
		opt->have_count = true;
		if (libdstack_parse_u64(arg, SIZE_MAX, &opt->count))
			return true;
		error_msg("--count must be a number, not '%s'", arg);
		return false;
	case 'b':
		return set_register(opt->base, "--base", arg);
	case 'e':
		opt->have_expect = true;
		return set_register(opt->expect, "--expect", arg);
	case 'j':
		opt->json = true;
		return true;
	default:
		return false;
	}
}

static int print_result(const struct options *opt, size_t count, bool differs,
			const uint8_t value[DSTACK_REGISTER_SIZE])
{
	char hex[2 * DSTACK_REGISTER_SIZE + 1];
	json_t *root;
	int err;

	libdstack_to_hex(value, DSTACK_REGISTER_SIZE, hex);
	if (!opt->json) {
		puts(hex);
		return EXIT_SUCCESS;
	}
	root = json_pack("{s:s, s:I}", "register", hex, "events",
			 (json_int_t)count);
	if (root && opt->have_expect)
		json_object_set_new(root, "as_expected",
				    json_boolean(!differs));
	err = !root || json_dumpf(root, stdout, JSON_INDENT(2));
	json_decref(root);
	if (err) {
		error_msg("can't write JSON");
		return EXIT_FAILURE;
	}
	putchar('\n');
	return EXIT_SUCCESS;
}

static int replay(const struct options *opt, const struct libdstack_log *log)
{
	size_t count = opt->have_count ? opt->count : log->count;
	uint8_t value[DSTACK_REGISTER_SIZE];
	bool differs;
	size_t bad;
	int err;

	memcpy(value, opt->base, sizeof(value));
	if (count > log->count) {
		error_msg("'%s' has %zu events, less than %zu", opt->file,
			  log->count, count);
		return EXIT_FAILURE;
	}
	err = libdstack_log_replay(log, count, value, &bad);
	if (err == -EBADMSG)
		error_msg("event %zu ('%s') was changed: its digest is not that of its name and payload",
			  bad, log->events[bad].name);
	else if (err)
		error_msg_errno(err, "can't replay '%s'", opt->file);
	if (err)
		return EXIT_FAILURE;
	differs = opt->have_expect &&
		memcmp(value, opt->expect, sizeof(value));
	if (print_result(opt, count, differs, value))
		return EXIT_FAILURE;
	if (differs)
		error_msg("the register is not the one that was expected");
	return differs ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Returns -1 to go on, or the exit status. */
static int parse_options(int argc, char **argv, struct options *opt)
{
	static const struct option options[] = {
		{ "count", required_argument, NULL, 'c' },
		{ "base", required_argument, NULL, 'b' },
		{ "expect", required_argument, NULL, 'e' },
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
			return usage_hint("replay");
	}
	if (optind != argc - 1) {
		error_msg("one log file is needed");
		return usage_hint("replay");
	}
	opt->file = argv[optind];
	return -1;
}

int cmd_replay(int argc, char **argv)
{
	struct options opt = { .file = NULL };
	struct libdstack_log *log;
	int status;

	status = parse_options(argc, argv, &opt);
	if (status >= 0)
		return status;
	if (libdstack_log_read(strcmp(opt.file, "-") ? opt.file :
			       "/dev/stdin", &log))
		return EXIT_FAILURE;
	status = replay(&opt, log);
	libdstack_log_free(log);
	return status;
}
