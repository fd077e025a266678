// SPDX-License-Identifier: MIT
/*
 * dstackctl policy scan: write the policy that allows what is there
 *
 * Copyright The dstack for Linux authors
 */
#include "policy.h"

#include <getopt.h>
#include <string.h>

#include "event.h"
#include "words.h"

/* For lists, which need no section. */
#define UNNAMED		"default"

enum form { FORM_PRETTY, FORM_CANONICAL, FORM_LIST, FORM_JSON };

struct source {
	const char *section, *path;
	uint8_t image[DSTACK_DIGEST_SIZE];	/* zeros: no image */
	enum dstack_mode measure;
};

struct options {
	uint8_t app_id[DSTACK_APP_ID_SIZE];
	uint64_t epoch;
	const char *section, *output;
	enum dstack_mode measure;
	uint32_t flags;			/* LIBDSTACK_SCAN_* */
	enum form form;
	bool help;
	struct source *sources;
	size_t nr_sources;
};

static void usage(FILE *out)
{
	fputs("Usage: dstackctl policy scan [OPTION]... --name SECTION PATH...\n\n"
	      "Writes a policy that allows every program, library and script "
	      "of PATH: a root\n"
	      "directory, an OCI image layout, or one such file. --name and "
	      "--measure hold for\n"
	      "the PATHs that follow; they and PATH may occur several "
	      "times.\n\n"
	      "  --name SECTION  section of the PATHs that follow\n"
	      "  --measure MODE  record every exec of its containers, or of "
	      "each file the first\n"
	      "                  (default: every)\n"
	      "  --fsverity      also name each file by the fs-verity digest "
	      "that it would have\n"
	      "  --kernel        also list kernel modules and firmware, for "
	      "the section \"host\"\n"
	      "  --app-id HEX    the application, 40 hex digits (default: "
	      "zeros)\n"
	      "  --epoch N       number of the policy, rises with every "
	      "change (default: 1)\n"
	      "  --output FILE   write FILE instead of standard output\n"
	      "  --canonical     as the bytes whose SHA-256 names the policy\n"
	      "  --list          print a table instead: SHA-256, kinds, path\n"
	      "  --json          print this table as JSON\n", out);
}

static bool is_image(const struct source *source)
{
	static const uint8_t none[DSTACK_DIGEST_SIZE];

	return memcmp(source->image, none, sizeof(none));
}

static json_t *kinds_json(uint32_t kinds)
{
	json_t *array = json_array();
	uint32_t kind;

	for (kind = 1; kind & __DSTACK_KIND_ALL; kind <<= 1) {
		const char *name = dstack_kind_name(kind);

		if (kinds & kind)
			json_array_append_new(array, json_string(name));
	}
	return array;
}

static int append_rule(const struct libdstack_rule *rule, void *arg)
{
	char digest[LIBDSTACK_DIGEST_TEXT];

	libdstack_digest_to_text(&rule->digest, digest);
	return json_array_append_new(arg, json_pack("{s:s, s:s, s:o, s:s*}",
						    "section", rule->section,
						    "digest", digest, "kinds",
						    kinds_json(rule->kinds),
						    "path", rule->path));
}

static int write_list_json(const struct options *opt,
			   const struct libdstack_policy *policy)
{
	json_t *images = json_array(), *files = json_array();
	char digest[LIBDSTACK_DIGEST_TEXT];
	size_t i;

	for (i = 0; i < opt->nr_sources; i++) {
		const struct source *source = &opt->sources[i];
		json_t *image;

		if (!is_image(source))
			continue;
		sha256_text(source->image, digest);
		image = json_pack("{s:s, s:s, s:s}", "section",
				  source->section, "path", source->path,
				  "manifest", digest);
		json_array_append_new(images, image);
	}
	libdstack_policy_each_rule(policy, NULL, append_rule, files);
	return write_json(opt->output, json_pack("{s:o, s:o}",
						 "images", images,
						 "files", files));
}

static void print_row(FILE *out, const char *digest, const char *kinds,
		      const char *path)
{
	fprintf(out, "%s  %-8s  ", digest, kinds);
	print_safe(out, path, strlen(path));
	fputc('\n', out);
}

static int print_rule(const struct libdstack_rule *rule, void *arg)
{
	char kinds[32] = "", digest[LIBDSTACK_DIGEST_TEXT];
	uint32_t kind;
	size_t len = 0;

	for (kind = 1; kind & __DSTACK_KIND_ALL; kind <<= 1) {
		if (!(rule->kinds & kind))
			continue;
		len += snprintf(kinds + len, sizeof(kinds) - len, "%s%s",
				len ? "," : "", dstack_kind_name(kind));
	}
	libdstack_digest_to_text(&rule->digest, digest);
	print_row(arg, digest, kinds, rule->path ? rule->path : "-");
	return 0;
}

static int write_list(const struct options *opt,
		      const struct libdstack_policy *policy)
{
	char *text = NULL, digest[LIBDSTACK_DIGEST_TEXT];
	size_t i, len;
	FILE *out = open_memstream(&text, &len);
	int err = -1;

	if (!out)
		return EXIT_FAILURE;
	for (i = 0; i < opt->nr_sources; i++)
		if (is_image(&opt->sources[i]))
			print_row(out, sha256_text(opt->sources[i].image,
						   digest), "image",
				  opt->sources[i].path);
	libdstack_policy_each_rule(policy, NULL, print_rule, out);
	if (fclose(out))
		error_msg("not enough memory");
	else
		err = write_file(opt->output, text, len);
	free(text);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int write_document(const struct options *opt,
			  const struct libdstack_policy *policy)
{
	char *text;
	size_t len;
	int err;

	if (libdstack_policy_canonical(policy, &text, &len)) {
		error_msg("can't write the policy: not enough memory");
		return EXIT_FAILURE;
	}
	if (opt->form == FORM_PRETTY) {
		json_t *root = json_loadb(text, len, 0, NULL);

		free(text);
		return write_json(opt->output, root);
	}
	err = write_file(opt->output, text, len);
	free(text);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int scan_source(struct libdstack_policy *policy, struct source *source,
		       uint32_t flags)
{
	return libdstack_policy_set_measure(policy, source->section,
					    source->measure) ?:
		libdstack_policy_scan(policy, source->section, source->path,
				      flags, source->image);
}

static int scan(const struct options *opt)
{
	struct libdstack_policy *policy;
	int status = EXIT_FAILURE;
	size_t i;

	if (libdstack_policy_new(opt->app_id, opt->epoch, &policy))
		return EXIT_FAILURE;
	for (i = 0; i < opt->nr_sources; i++)
		if (scan_source(policy, &opt->sources[i], opt->flags))
			goto out;
	if (opt->form == FORM_LIST)
		status = write_list(opt, policy);
	else if (opt->form == FORM_JSON)
		status = write_list_json(opt, policy);
	else
		status = write_document(opt, policy);
out:
	libdstack_policy_free(policy);
	return status;
}

static void add_source(struct options *opt, const char *path)
{
	opt->sources[opt->nr_sources].section = opt->section;
	opt->sources[opt->nr_sources].measure = opt->measure;
	opt->sources[opt->nr_sources++].path = path;
}

/* Only when all options are known. */
static int check_sources(struct options *opt)
{
	size_t i;

	if (!opt->nr_sources) {
		error_msg("policy scan needs a root directory, an OCI image layout or a file");
		return EXIT_USAGE;
	}
	for (i = 0; i < opt->nr_sources; i++) {
		struct source *source = &opt->sources[i];

		if (source->section)
			continue;
		source->section = UNNAMED;
		if (opt->form == FORM_LIST || opt->form == FORM_JSON)
			continue;
		error_msg("which section are the files of '%s' for? say it with --name before the path",
			  source->path);
		return EXIT_USAGE;
	}
	return 0;
}

static int take_option(struct options *opt, int c)
{
	switch (c) {
	case 1:
		add_source(opt, optarg);
		return 0;
	case 'n':
		opt->section = optarg;
		if (dstack_event_name_ok(optarg))
			return 0;
		error_msg("'%s' can't be the name of a section", optarg);
		return EXIT_USAGE;
	case 'a':
		if (hex_decode(optarg, opt->app_id, sizeof(opt->app_id)))
			return 0;
		error_msg("--app-id needs %d hex digits",
			  2 * DSTACK_APP_ID_SIZE);
		return EXIT_USAGE;
	case 'e':
		if (libdstack_parse_u64(optarg, LIBDSTACK_POLICY_EPOCH_MAX,
					&opt->epoch) && opt->epoch)
			return 0;
		error_msg("--epoch needs a number from 1 to %llu",
			  LIBDSTACK_POLICY_EPOCH_MAX);
		return EXIT_USAGE;
	case 'm':
		for (opt->measure = 0; opt->measure < __DSTACK_MODE_MAX;
		     opt->measure++)
			if (!strcmp(optarg, dstack_mode_name(opt->measure)))
				return 0;
		error_msg("--measure needs 'every' or 'first'");
		return EXIT_USAGE;
	case 'v':
		opt->flags |= LIBDSTACK_SCAN_FSVERITY;
		return 0;
	case 'k':
		opt->flags |= LIBDSTACK_SCAN_KERNEL;
		return 0;
	case 'o':
		opt->output = optarg;
		return 0;
	case 'c':
		opt->form = FORM_CANONICAL;
		return 0;
	case 'l':
		opt->form = FORM_LIST;
		return 0;
	case 'j':
		opt->form = FORM_JSON;
		return 0;
	default:
		return EXIT_USAGE;
	}
}

/* In the order of the command line, for --name and the paths behind it. */
static int take_options(struct options *opt, int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "name", required_argument, NULL, 'n' },
		{ "app-id", required_argument, NULL, 'a' },
		{ "epoch", required_argument, NULL, 'e' },
		{ "measure", required_argument, NULL, 'm' },
		{ "fsverity", no_argument, NULL, 'v' },
		{ "kernel", no_argument, NULL, 'k' },
		{ "output", required_argument, NULL, 'o' },
		{ "canonical", no_argument, NULL, 'c' },
		{ "list", no_argument, NULL, 'l' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 }
	};
	int c;

	while ((c = getopt_long(argc, argv, "-", options, NULL)) != -1) {
		if (c == 'h') {
			opt->help = true;
			return 0;
		}
		if (take_option(opt, c))
			return EXIT_USAGE;
	}
	for (; optind < argc; optind++)
		add_source(opt, argv[optind]);
	return check_sources(opt);
}

int policy_scan(int argc, char **argv)
{
	struct options opt = { .epoch = 1, .output = "-" };
	int status;

	opt.sources = calloc(argc, sizeof(*opt.sources));
	if (!opt.sources) {
		error_msg("not enough memory");
		return EXIT_FAILURE;
	}
	status = take_options(&opt, argc, argv);
	if (status)
		usage_hint("policy scan");
	else if (opt.help)
		usage(stdout);
	else
		status = scan(&opt);
	free(opt.sources);
	return status;
}
