// SPDX-License-Identifier: MIT
/*
 * Write a policy as the table that the kernel takes
 *
 * Copyright The dstack for Linux authors
 */
#include "lib.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "policy.h"

static void compile_rules(const struct policy_section *section,
			  struct dstack_table_rule *to)
{
	const struct policy_rule *rule = section->rules;
	size_t i;

	for (i = 0; i < section->nr_rules; i++, rule++, to++) {
		memcpy(to->digest, rule->digest.value, sizeof(to->digest));
		to->alg = rule->digest.alg;
		to->kinds = rule->kinds;
	}
}

static void compile_terms(const struct policy_section *section,
			  struct dstack_table_section *to)
{
	uint32_t i, flags = 0;

	if (section->measure == DSTACK_MODE_FIRST)
		flags |= DSTACK_SECTION_F_FIRST;
	if (section->memory)
		flags |= DSTACK_SECTION_F_MEMORY;
	to->flags = cpu_to_le32(flags);
	to->revoked = section->revoked;
	for (i = 0; i < POLICY_KINDS; i++) {
		to->accept[i] = cpu_to_le16(section->accept.kinds[i].mask);
		to->trust[i] = cpu_to_le16(section->trust.kinds[i].mask);
	}
}

static void compile_keys(const struct policy_section *section,
			 struct dstack_table_key *to)
{
	const struct policy_key *key = section->keys;
	size_t i;

	for (i = 0; i < section->nr_keys; i++, key++, to++) {
		to->path_len = strlen(key->path);
		memcpy(to->path, key->path, to->path_len);
		to->kinds = key->kinds.bits;
		to->scopes = key->scopes.bits;
		to->delivery = key->delivery.bits;
	}
}

static void compile_sections(const struct libdstack_policy *policy,
			     struct dstack_table_section *to)
{
	struct dstack_table_rule *rules =
		(struct dstack_table_rule *)(to + policy->nr_sections);
	struct dstack_table_key *keys =
		(struct dstack_table_key *)(rules + policy->nr_rules);
	size_t i, next = 0, next_key = 0;

	for (i = 0; i < policy->nr_sections; i++, to++) {
		const struct policy_section *section = policy->sections[i];

		memcpy(to->name, section->name, strlen(section->name));
		to->first = cpu_to_le32(next);
		to->count = cpu_to_le32(section->nr_rules);
		compile_terms(section, to);
		compile_rules(section, rules + next);
		next += section->nr_rules;
		to->first_key = cpu_to_le32(next_key);
		to->count_keys = cpu_to_le32(section->nr_keys);
		compile_keys(section, keys + next_key);
		next_key += section->nr_keys;
	}
}

int libdstack_policy_compile(const struct libdstack_policy *policy,
			     void **table, size_t *size)
{
	struct dstack_table_header *header;
	const char *why;
	int err;

	policy_settle(policy);
	*size = policy_table_size(policy);
	*table = header = calloc(1, *size);
	if (!header)
		return -ENOMEM;
	memcpy(header->magic, DSTACK_TABLE_MAGIC, sizeof(header->magic));
	header->size = cpu_to_le32(*size);
	header->sections = cpu_to_le32(policy->nr_sections);
	header->rules = cpu_to_le32(policy->nr_rules);
	header->keys = cpu_to_le32(policy->nr_keys);
	header->epoch = cpu_to_le64(policy->epoch);
	memcpy(header->app_id, policy->app_id, sizeof(header->app_id));
	compile_sections(policy, (struct dstack_table_section *)(header + 1));

	/* What the kernel would refuse is never handed out. */
	err = dstack_table_check(header, *size, &why);
	if (err) {
		dstack_message("policy: the compiled table is malformed: %s",
			       why);
		free(header);
		*table = NULL;
	}
	return err;
}

int libdstack_policy_table_digest(const struct libdstack_policy *policy,
				  uint8_t digest[DSTACK_DIGEST_SIZE])
{
	void *table;
	size_t size;
	int err;

	err = libdstack_policy_compile(policy, &table, &size);
	if (err)
		return err;
	if (!EVP_Digest(table, size, digest, NULL, EVP_sha256(), NULL))
		err = -ENOMEM;
	free(table);
	return err;
}
