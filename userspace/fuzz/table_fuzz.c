// SPDX-License-Identifier: MIT
/*
 * Binary policy tables
 *
 * Copyright The dstack for Linux authors
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include <libdstack.h>

#include "table.h"

/* Every rule of an accepted table is found, by the section that has it. */
static void look_up(const void *table)
{
	const struct dstack_table_header *header = table;
	const struct dstack_table_section *section =
		dstack_table_sections(table);
	const struct dstack_table_rule *rules = dstack_table_rules(table);
	uint32_t *index = malloc(dstack_table_index_size(table));
	uint32_t i, j;

	must(index);
	dstack_table_index(table, index);
	for (i = 0; i < le32_to_cpu(header->sections); i++, section++) {
		uint32_t first = le32_to_cpu(section->first);

		must(dstack_table_find(table, section->name) == section);
		for (j = 0; j < le32_to_cpu(section->count); j++) {
			const struct dstack_table_rule *rule =
				&rules[first + j];
			struct dstack_digest digest = { .alg = rule->alg };

			memcpy(digest.value, rule->digest,
			       sizeof(digest.value));
			must(dstack_table_kinds(table, index, section,
						&digest) & rule->kinds);
		}
	}
	free(index);
}

/* Of an accepted table every key term allows what it says. */
static void ask_keys(const void *table)
{
	const struct dstack_table_header *header = table;
	const struct dstack_table_section *section =
		dstack_table_sections(table);
	const struct dstack_table_key *key = dstack_table_keys(table);
	uint32_t i, j;

	for (i = 0; i < le32_to_cpu(header->sections); i++, section++)
		for (j = 0; j < le32_to_cpu(section->count_keys); j++, key++)
			must(dstack_table_key_allows(table, section,
						     key->kinds & -key->kinds,
						     key->scopes & -key->scopes,
						     key->delivery &
						     -key->delivery,
						     key->path,
						     key->path_len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *why = NULL;
	void *table = fuzz_copy(data, len);

	if (!dstack_table_check(table, len, &why)) {
		look_up(table);
		ask_keys(table);
	} else {
		must(why);
	}
	free(table);
	return 0;
}

static void seed(const char *containers)
{
	struct libdstack_policy *policy;
	char text[1024];
	void *table;
	size_t size;
	int len;

	len = snprintf(text, sizeof(text),
		       "{\"version\":1,\"epoch\":1,\"app_id\":\"%040d\",\"containers\":{%s}}",
		       0, containers);
	must(!libdstack_policy_parse(text, len, &policy));
	must(!libdstack_policy_compile(policy, &table, &size));
	fuzz_seed(table, size);
	free(table);
	libdstack_policy_free(policy);
}

#define ZEROS	"0000000000000000000000000000000"
#define RULE(digit, kind) \
	"{\"digest\":\"sha256:" digit ZEROS "0" ZEROS "\"," \
	"\"kinds\":[\"" kind "\"]}"

#define KEYS(path, kind, delivery) \
	"{\"path\":\"" path "\",\"kinds\":[\"" kind "\"]," \
	"\"delivery\":[\"" delivery "\"]}"

void fuzz_seeds(void)
{
	seed("\"a\":{\"allow\":[]}");
	seed("\"a\":{\"allow\":[" RULE("0", "exec") "," RULE("9", "map") "]},"
	     "\"b\":{\"allow\":[" RULE("f", "script") "],\"keys\":["
	     KEYS("db/", "aead", "handle") "," KEYS("", "bytes", "logon")
	     "]}");
}
