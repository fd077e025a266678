// SPDX-License-Identifier: MIT
/*
 * dstackctl quote: evidence for a relying party
 *
 * Copyright The dstack for Linux authors
 */
#include "dstackctl.h"

#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

struct options {
	uint8_t report_data[DSTACK_REPORT_DATA_SIZE];
	uint32_t flags;
	const char *out;
	bool json;
};

static void usage(FILE *out)
{
	fputs("Usage: dstackctl quote [OPTION]...\n\n"
	      "Writes a quote to standard output, and the part of the event log that it covers\n"
	      "to standard error.\n\n"
	      "  --report-data HEX  up to 64 bytes for the quote to carry, padded with zeros\n"
	      "  --nonce HEX        the same, as a nonce for --bound\n"
	      "  --bound            bind the quote to this container, program and policy\n"
	      "  --out FILE         write the quote there\n"
	      "  --json             print everything as JSON\n", out);
}

/* Shorter data is padded with zeros, as upstream's guest agent does. */
static bool parse_data(const char *text, struct options *opt)
{
	size_t len = strlen(text);

	memset(opt->report_data, 0, sizeof(opt->report_data));
	if (len % 2 || len / 2 > sizeof(opt->report_data) ||
	    !hex_decode(text, opt->report_data, len / 2)) {
		error_msg("'%s' is not hex of at most %zu bytes", text,
			  sizeof(opt->report_data));
		return false;
	}
	return true;
}

static int print_json(const struct libdstack_quote *quote)
{
	char value[2 * DSTACK_REGISTER_SIZE + 1];
	char data[2 * DSTACK_REPORT_DATA_SIZE + 1];
	char *hex = malloc(2 * quote->len + 1);
	json_t *root = NULL;
	int err = -1;

	libdstack_to_hex(quote->register_value, sizeof(quote->register_value),
			 value);
	libdstack_to_hex(quote->report_data, sizeof(quote->report_data), data);
	if (hex)
		root = json_pack("{s:s, s:s, s:I, s:s}", "quote",
				 libdstack_to_hex(quote->data, quote->len, hex),
				 "report_data", data,
				 "log_count", (json_int_t)quote->log_count,
				 "register", value);
	if (root)
		err = json_dumpf(root, stdout, JSON_INDENT(2));
	json_decref(root);
	free(hex);
	if (err) {
		error_msg("can't write JSON");
		return EXIT_FAILURE;
	}
	putchar('\n');
	return EXIT_SUCCESS;
}

static int write_quote(const struct options *opt,
		       const struct libdstack_quote *quote)
{
	char hex[2 * DSTACK_REGISTER_SIZE + 1];
	FILE *out = opt->out && strcmp(opt->out, "-") ? stdout : stderr;

	if (opt->json && !opt->out)
		return print_json(quote);
	if (write_file(opt->out ? opt->out : "-", quote->data, quote->len))
		return EXIT_FAILURE;
	if (opt->json)
		return print_json(quote);
	fprintf(out, "quote     %zu bytes\n", quote->len);
	fprintf(out, "log_count %" PRIu64 "\n", quote->log_count);
	fprintf(out, "register  %s\n",
		libdstack_to_hex(quote->register_value,
				 sizeof(quote->register_value), hex));
	return EXIT_SUCCESS;
}

static int get_quote(const struct options *opt)
{
	struct libdstack_quote quote;
	int fd, err;

	fd = libdstack_device_open();
	if (fd < 0)
		return EXIT_FAILURE;
	err = libdstack_get_quote(fd, opt->flags, opt->report_data, &quote);
	close(fd);
	if (err)
		return EXIT_FAILURE;
	err = write_quote(opt, &quote);
	libdstack_quote_free(&quote);
	return err;
}

/* Returns -1 to go on, or the exit status. */
static int parse_options(int argc, char **argv, struct options *opt)
{
	static const struct option options[] = {
		{ "report-data", required_argument, NULL, 'r' },
		{ "nonce", required_argument, NULL, 'n' },
		{ "bound", no_argument, NULL, 'b' },
		{ "out", required_argument, NULL, 'o' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	char given = 0;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'r':
		case 'n':
			if (given || !parse_data(optarg, opt))
				return usage_hint("quote");
			given = c;
			break;
		case 'b':
			opt->flags |= DSTACK_QUOTE_F_BOUND;
			break;
		case 'o':
			opt->out = optarg;
			break;
		case 'j':
			opt->json = true;
			break;
		case 'h':
			usage(stdout);
			return EXIT_SUCCESS;
		default:
			return usage_hint("quote");
		}
	}
	if (optind != argc)
		return usage_hint("quote");
	if ((opt->flags & DSTACK_QUOTE_F_BOUND) && given != 'n') {
		error_msg("--bound needs --nonce: without one the quote can be replayed");
		return usage_hint("quote");
	}
	if (given == 'n' && !(opt->flags & DSTACK_QUOTE_F_BOUND)) {
		error_msg("--nonce needs --bound; to put bytes into the quote as they are, use --report-data");
		return usage_hint("quote");
	}
	return -1;
}

int cmd_quote(int argc, char **argv)
{
	struct options opt = { .flags = 0 };
	int status = parse_options(argc, argv, &opt);

	if (status >= 0)
		return status;
	if (opt.json && opt.out && !strcmp(opt.out, "-")) {
		error_msg("--json and --out - both want standard output");
		return usage_hint("quote");
	}
	if (!opt.out && !opt.json && isatty(STDOUT_FILENO)) {
		error_msg("a quote is binary and standard output is a terminal: use --out FILE or --json");
		return EXIT_USAGE;
	}
	return get_quote(&opt);
}
