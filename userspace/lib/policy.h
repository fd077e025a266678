/* SPDX-License-Identifier: MIT */
/*
 * A policy in memory, shared by the files that read, write and compile it
 *
 * Copyright The dstack for Linux authors
 */
#ifndef DSTACK_LIB_POLICY_H
#define DSTACK_LIB_POLICY_H

#include <jansson.h>
#include <libdstack.h>

#include "table.h"

#define POLICY_VERSION	1

/* What a table holds, all of it in one section. */
#define POLICY_RULES_MAX \
	((DSTACK_TABLE_MAX - sizeof(struct dstack_table_header) - \
	  sizeof(struct dstack_table_section)) / \
	 sizeof(struct dstack_table_rule))

/* The digest comes first: it is the key in the section's tree. */
struct policy_rule {
	struct dstack_digest digest;
	uint32_t kinds;
	char *path;
};

/* The name comes first: it is the key in the policy's tree. */
struct policy_section {
	char name[DSTACK_SECTION_SIZE];
	enum dstack_mode measure;
	size_t nr_rules;
	void *rules;		/* struct policy_rule, by digest */
};

/*
 * @source is the document as its author wrote it, whose arrays have an order
 * that the trees forget.  The first change drops it: from then on the document
 * is ours to write.
 */
struct libdstack_policy {
	uint8_t app_id[DSTACK_APP_ID_SIZE];
	uint64_t epoch;
	size_t nr_sections;
	size_t nr_rules;
	void *sections;		/* struct policy_section, by name */
	json_t *source;
};

/* Can this be shown and written as JSON without an escape but \" and \\? */
bool policy_text_ok(const char *text);
size_t policy_table_size(const struct libdstack_policy *policy);
const struct policy_section *
policy_find(const struct libdstack_policy *policy, const char *section);
const struct policy_rule *policy_find_rule(const struct policy_section *section,
					   const struct dstack_digest *digest);

#endif /* DSTACK_LIB_POLICY_H */
