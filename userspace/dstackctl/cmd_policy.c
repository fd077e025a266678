// SPDX-License-Identifier: MIT
/*
 * dstackctl policy: write, check and load policies
 *
 * Copyright The dstack for Linux authors
 */
#include "policy.h"
#include "event.h"

#include <getopt.h>
#include <inttypes.h>
#include <string.h>

static void usage(FILE *out)
{
	fputs("Usage: dstackctl policy scan [OPTION]... --name SECTION PATH...\n"
	      "       dstackctl policy show [--json] FILE\n"
	      "       dstackctl policy load FILE\n\n"
	      "  scan  write a policy that allows what is in PATH; see "
	      "'policy scan --help'\n"
	      "  show  check a policy; print its digests, and files per "
	      "section\n"
	      "  load  make a policy the kernel's active one\n\n"
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

static json_t *classes_json(uint32_t classes)
{
	json_t *array = json_array();
	uint32_t i;

	for (i = 0; i < __DSTACK_STORAGE_MAX; i++) {
		const char *name = dstack_storage_name(i);

		if (classes & 1U << i)
			json_array_append_new(array, json_string(name));
	}
	return array;
}

/* For each kind in turn. */
static json_t *use_json(const uint32_t classes[LIBDSTACK_KINDS])
{
	json_t *use = json_object();
	size_t i;

	for (i = 0; i < LIBDSTACK_KINDS; i++)
		json_object_set_new(use, dstack_kind_name(1U << i),
				    classes_json(classes[i]));
	return use;
}

static int append_section(const struct libdstack_section *section, void *arg)
{
	json_t *shown = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:I}",
				  "name", section->name, "measure",
				  dstack_mode_name(section->measure), "memory",
				  section->memory ? "allow" : "deny", "revoked",
				  dstack_action_name(section->revoked),
				  "storage", use_json(section->accept),
				  "trust", use_json(section->trust), "files",
				  (json_int_t)section->rules);

	return json_array_append_new(arg, shown);
}

/* "  storage  exec: disk memory". */
static void print_use(const char *what, const uint32_t classes[LIBDSTACK_KINDS],
		      uint32_t usual)
{
	size_t i, k;

	for (i = 0; i < LIBDSTACK_KINDS; i++) {
		if (classes[i] == usual)
			continue;
		printf("  %s %s:", what, dstack_kind_name(1U << i));
		for (k = 0; k < __DSTACK_STORAGE_MAX; k++)
			if (classes[i] & 1U << k)
				printf(" %s", dstack_storage_name(k));
		puts(classes[i] ? "" : " none");
	}
}

static int print_section(const struct libdstack_section *section, void *arg)
{
	(void)arg;
	printf("%-32s %-8s %-7s %-8s %zu\n", section->name,
	       dstack_mode_name(section->measure),
	       section->memory ? "allow" : "deny",
	       dstack_action_name(section->revoked), section->rules);
	print_use("storage", section->accept, __DSTACK_STORAGE_ACCEPTABLE);
	print_use("trust", section->trust, 0);
	return 0;
}

static int show_policy(const struct libdstack_policy *policy, bool json)
{
	char document_text[LIBDSTACK_DIGEST_TEXT];
	char table_text[LIBDSTACK_DIGEST_TEXT];
	uint8_t document[DSTACK_DIGEST_SIZE], table[DSTACK_DIGEST_SIZE];
	uint64_t epoch = libdstack_policy_epoch(policy);
	char app_id[2 * DSTACK_APP_ID_SIZE + 1];
	json_t *sections = json_array();

	if (libdstack_policy_digest(policy, document) ||
	    libdstack_policy_table_digest(policy, table) ||
	    libdstack_policy_each_section(policy, append_section, sections)) {
		error_msg("can't show the policy");
		json_decref(sections);
		return EXIT_FAILURE;
	}
	sha256_text(document, document_text);
	sha256_text(table, table_text);
	libdstack_to_hex(libdstack_policy_app_id(policy), DSTACK_APP_ID_SIZE,
			 app_id);
	if (json)
		return write_json("-", json_pack("{s:I, s:s, s:s, s:s, s:o}",
						 "epoch", (json_int_t)epoch,
						 "app_id", app_id,
						 "document", document_text,
						 "table", table_text,
						 "sections", sections));
	json_decref(sections);
	printf("epoch     %" PRIu64 "\napp id    %s\n", epoch, app_id);
	printf("document  %s\ntable     %s\n\n", document_text, table_text);
	printf("%-32s %-8s %-7s %-8s %s\n", "section", "measure", "memory",
	       "revoked", "files");
	libdstack_policy_each_section(policy, print_section, NULL);
	return EXIT_SUCCESS;
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
	status = show ? show_policy(policy, json) : load_policy(policy);
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
	if (!strcmp(name, "show"))
		return with_policy(argc, argv, true);
	if (!strcmp(name, "load"))
		return with_policy(argc, argv, false);
	if (!strcmp(name, "--help") || !strcmp(name, "-h")) {
		usage(stdout);
		return EXIT_SUCCESS;
	}
	error_msg("policy needs 'scan', 'show' or 'load'");
	return usage_hint("policy");
}
