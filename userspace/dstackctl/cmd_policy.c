// SPDX-License-Identifier: MIT
/*
 * dstackctl policy: write, check and load policies
 *
 * Copyright The dstack for Linux authors
 */
#include "policy.h"

#include <getopt.h>
#include <inttypes.h>
#include <string.h>

static void usage(FILE *out)
{
	fputs("Usage: dstackctl policy scan [OPTION]... --name SECTION PATH...\n"
	      "       dstackctl policy learn [OPTION]... [LOG]\n"
	      "       dstackctl policy show [--json] FILE\n"
	      "       dstackctl policy diff [--json] OLD NEW\n"
	      "       dstackctl policy prove FILE SECTION DIGEST\n"
	      "       dstackctl policy prove FILE SECTION --keys PATH\n"
	      "       dstackctl policy load FILE\n\n"
	      "  scan   write a policy that allows what is in PATH; see "
	      "'policy scan --help'\n"
	      "  learn  write a policy that allows what ran in state measure; "
	      "see\n"
	      "         'policy learn --help'\n"
	      "  show   check a policy; print its digests, its Merkle root, and "
	      "its sections\n"
	      "  diff   print what NEW allows or says that OLD does not, and "
	      "the reverse; exit\n"
	      "         with 0 if both say the same, 1 if not, 2 if that can't "
	      "be told\n"
	      "  prove  print that the rule for DIGEST, or the key term for "
	      "PATH, is part of the\n"
	      "         policy with this root\n"
	      "  load   make a policy the kernel's active one\n\n"
	      "FILE may be /dev/stdin.\n", out);
}

char *sha256_text(const uint8_t value[DSTACK_DIGEST_SIZE],
		  char out[LIBDSTACK_DIGEST_TEXT])
{
	struct dstack_digest digest = { .alg = DSTACK_ALG_SHA256 };

	memcpy(digest.value, value, sizeof(digest.value));
	return libdstack_digest_to_text(&digest, out);
}

int write_json(const char *path, json_t *root)
{
	char *text = json_dumps(root, JSON_INDENT(2));
	size_t len = text ? strlen(text) : 0;
	int err;

	json_decref(root);
	if (!text) {
		error_msg("not enough memory");
		return EXIT_FAILURE;
	}
	text[len] = '\n';	/* in place of the NUL */
	err = write_file(path, text, len + 1);
	free(text);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int load_policy(const struct libdstack_policy *policy)
{
	struct libdstack_control *control;
	uint8_t document[DSTACK_DIGEST_SIZE];
	char text[LIBDSTACK_DIGEST_TEXT];
	void *table;
	size_t size;
	int err;

	err = libdstack_policy_digest(policy, document);
	if (!err)
		err = libdstack_policy_compile(policy, &table, &size);
	if (err)
		return EXIT_FAILURE;
	err = libdstack_control_open(&control);
	if (!err) {
		err = libdstack_load_table(control, table, size, document);
		libdstack_control_close(control);
	}
	free(table);
	if (err)
		return EXIT_FAILURE;
	printf("policy %s of epoch %" PRIu64 " is active\n",
	       sha256_text(document, text), libdstack_policy_epoch(policy));
	return EXIT_SUCCESS;
}

/* The options of show and load, of which only show has any. */
static int with_policy(int argc, char **argv, bool show)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 }
	};
	struct libdstack_policy *policy;
	bool json = false;
	int c, status;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'h') {
			usage(stdout);
			return EXIT_SUCCESS;
		}
		if (c != 'j' || !show)
			return usage_hint("policy");
		json = true;
	}
	if (argc - optind != 1) {
		error_msg("policy %s needs one file", argv[0]);
		return usage_hint("policy");
	}
	if (libdstack_policy_read(argv[optind], &policy))
		return EXIT_FAILURE;
	status = show ? policy_show(policy, json) : load_policy(policy);
	libdstack_policy_free(policy);
	return status;
}

int cmd_policy(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	argc--;
	argv++;
	if (!strcmp(name, "scan"))
		return policy_scan(argc, argv);
	if (!strcmp(name, "learn"))
		return policy_learn(argc, argv);
	if (!strcmp(name, "diff"))
		return policy_diff(argc, argv);
	if (!strcmp(name, "prove"))
		return policy_prove(argc, argv);
	if (!strcmp(name, "show"))
		return with_policy(argc, argv, true);
	if (!strcmp(name, "load"))
		return with_policy(argc, argv, false);
	if (!strcmp(name, "--help") || !strcmp(name, "-h")) {
		usage(stdout);
		return EXIT_SUCCESS;
	}
	error_msg("policy needs 'scan', 'learn', 'show', 'diff', 'prove' or 'load'");
	return usage_hint("policy");
}
