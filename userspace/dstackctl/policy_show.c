// SPDX-License-Identifier: MIT
/*
 * dstackctl policy show: what a policy is known by, and what is in it
 *
 * Copyright The dstack for Linux authors
 */
#include "policy.h"

#include <inttypes.h>
#include <string.h>

#include "words.h"

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

static int append_key(const struct libdstack_key_term *term, void *arg)
{
	return json_array_append_new(arg, key_term_json(term));
}

/* @sections: an array for JSON, or NULL to print each. */
struct show {
	const struct libdstack_policy *policy;
	json_t *sections;
};

static int append_section(const struct libdstack_section *section, void *arg)
{
	const struct show *show = arg;
	json_t *keys = json_array();
	json_t *shown = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:I}",
				  "name", section->name, "measure",
				  dstack_mode_name(section->measure), "memory",
				  section->memory ? "allow" : "deny", "revoked",
				  dstack_action_name(section->revoked),
				  "storage", use_json(section->accept),
				  "trust", use_json(section->trust), "keys",
				  keys, "files", (json_int_t)section->rules);

	if (json_array_append_new(show->sections, shown))
		return -1;
	return libdstack_policy_each_keys(show->policy, section->name,
					  append_key, keys);
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

/* "  keys "db/": aead container handle". */
static int print_key(const struct libdstack_key_term *term, void *arg)
{
	char text[KEY_TERM_TEXT];

	(void)arg;
	fputs("  keys \"", stdout);
	print_safe(stdout, term->path, strlen(term->path));
	printf("\": %s\n", key_term_text(term, text));
	return 0;
}

static int print_section(const struct libdstack_section *section, void *arg)
{
	const struct show *show = arg;

	printf("%-32s %-8s %-7s %-8s %zu\n", section->name,
	       dstack_mode_name(section->measure),
	       section->memory ? "allow" : "deny",
	       dstack_action_name(section->revoked), section->rules);
	print_use("storage", section->accept, __DSTACK_STORAGE_ACCEPTABLE);
	print_use("trust", section->trust, 0);
	return libdstack_policy_each_keys(show->policy, section->name,
					  print_key, NULL);
}

int policy_show(const struct libdstack_policy *policy, bool json)
{
	char document_text[LIBDSTACK_DIGEST_TEXT];
	char table_text[LIBDSTACK_DIGEST_TEXT];
	char root_text[LIBDSTACK_DIGEST_TEXT];
	uint8_t document[DSTACK_DIGEST_SIZE], table[DSTACK_DIGEST_SIZE];
	uint8_t root[DSTACK_DIGEST_SIZE];
	uint64_t epoch = libdstack_policy_epoch(policy);
	char app_id[2 * DSTACK_APP_ID_SIZE + 1];
	struct show show = { .policy = policy, .sections = json_array() };

	if (libdstack_policy_digest(policy, document) ||
	    libdstack_policy_table_digest(policy, table) ||
	    libdstack_policy_root(policy, root) ||
	    libdstack_policy_each_section(policy, append_section, &show)) {
		error_msg("can't show the policy");
		json_decref(show.sections);
		return EXIT_FAILURE;
	}
	sha256_text(document, document_text);
	sha256_text(table, table_text);
	sha256_text(root, root_text);
	libdstack_to_hex(libdstack_policy_app_id(policy), DSTACK_APP_ID_SIZE,
			 app_id);
	if (json)
		return write_json("-", json_pack("{s:I, s:s, s:s, s:s, s:s, s:o}",
						 "epoch", (json_int_t)epoch,
						 "app_id", app_id,
						 "document", document_text,
						 "table", table_text,
						 "root", root_text,
						 "sections",
						 show.sections));
	json_decref(show.sections);
	printf("epoch     %" PRIu64 "\napp id    %s\n", epoch, app_id);
	printf("document  %s\ntable     %s\nroot      %s\n\n", document_text,
	       table_text, root_text);
	printf("%-32s %-8s %-7s %-8s %s\n", "section", "measure", "memory",
	       "revoked", "files");
	libdstack_policy_each_section(policy, print_section, &show);
	return EXIT_SUCCESS;
}
