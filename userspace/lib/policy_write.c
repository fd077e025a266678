// SPDX-License-Identifier: MIT
/*
 * Write a policy: as canonical JSON, and as the table that the kernel takes
 *
 * Copyright The dstack for Linux authors
 */
#include "lib.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "event.h"
#include "policy.h"

static json_t *kinds_to_json(uint32_t kinds)
{
	json_t *array = json_array();
	uint32_t kind;

	/* In the order in which a document names them. */
	for (kind = 1; kind & __DSTACK_KIND_ALL; kind <<= 1) {
		if (!(kinds & kind) ||
		    !json_array_append_new(array,
					   json_string(dstack_kind_name(kind))))
			continue;
		json_decref(array);
		return NULL;
	}
	return array;
}

static int append_rule(const struct libdstack_rule *rule, void *arg)
{
	char digest[LIBDSTACK_DIGEST_TEXT];
	json_t *object;

	object = json_pack("{s:s, s:o, s:s*}", "digest",
			   libdstack_digest_to_text(&rule->digest, digest),
			   "kinds", kinds_to_json(rule->kinds),
			   "path", rule->path);
	return json_array_append_new(arg, object) ? -ENOMEM : 0;
}

struct to_json {
	const struct libdstack_policy *policy;
	json_t *containers;
};

static int add_section(const struct libdstack_section *section, void *arg)
{
	const char *measure = section->measure == DSTACK_MODE_EVERY ? NULL :
		dstack_mode_name(section->measure);
	struct to_json *to = arg;
	json_t *allow = json_array();

	if (!allow)
		return -ENOMEM;
	if (json_object_set_new(to->containers, section->name,
				json_pack("{s:O, s:s*}", "allow", allow,
					  "measure", measure)))
		goto err_allow;
	if (libdstack_policy_each_rule(to->policy, section->name, append_rule,
				       allow))
		goto err_allow;
	json_decref(allow);
	return 0;

err_allow:
	json_decref(allow);
	return -ENOMEM;
}

static json_t *policy_to_json(const struct libdstack_policy *policy)
{
	struct to_json to = { .policy = policy, .containers = json_object() };
	char app_id[2 * DSTACK_APP_ID_SIZE + 1];

	if (!to.containers)
		return NULL;
	if (libdstack_policy_each_section(policy, add_section, &to)) {
		json_decref(to.containers);
		return NULL;
	}
	libdstack_to_hex(policy->app_id, sizeof(policy->app_id), app_id);
	return json_pack("{s:s, s:o, s:I, s:i}", "app_id", app_id,
			 "containers", to.containers,
			 "epoch", (json_int_t)policy->epoch,
			 "version", POLICY_VERSION);
}

/*
 * RFC 8785, for the documents that the reader lets through: their keys are
 * ASCII, so that the order of bytes is the order of UTF-16 units; their
 * numbers are whole and below 2^53; their strings need no escape but \" and
 * \\, which jansson writes the same way.
 */
int libdstack_policy_canonical(const struct libdstack_policy *policy,
			       char **text, size_t *len)
{
	json_t *root = policy->source ? json_incref(policy->source) :
		policy_to_json(policy);

	*text = NULL;
	if (!root)
		return -ENOMEM;
	*text = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(root);
	if (!*text)
		return -ENOMEM;
	*len = strlen(*text);
	return 0;
}

static int sha256(const void *data, size_t len, uint8_t *digest)
{
	return EVP_Digest(data, len, digest, NULL, EVP_sha256(), NULL) ?
		0 : -ENOMEM;
}

int libdstack_policy_digest(const struct libdstack_policy *policy,
			    uint8_t digest[DSTACK_DIGEST_SIZE])
{
	size_t len;
	char *text;
	int err;

	err = libdstack_policy_canonical(policy, &text, &len);
	if (!err)
		err = sha256(text, len, digest);
	free(text);
	return err;
}

struct compile {
	const struct libdstack_policy *policy;
	struct dstack_table_section *section;
	struct dstack_table_rule *rule;
	uint32_t next;
};

static int compile_rule(const struct libdstack_rule *rule, void *arg)
{
	struct compile *to = arg;

	memcpy(to->rule->digest, rule->digest.value, sizeof(to->rule->digest));
	to->rule->alg = rule->digest.alg;
	to->rule->kinds = rule->kinds;
	to->rule++;
	return 0;
}

static int compile_section(const struct libdstack_section *section, void *arg)
{
	struct compile *to = arg;

	memcpy(to->section->name, section->name, strlen(section->name));
	to->section->first = cpu_to_le32(to->next);
	to->section->count = cpu_to_le32(section->rules);
	if (section->measure == DSTACK_MODE_FIRST)
		to->section->flags = cpu_to_le32(DSTACK_SECTION_F_FIRST);
	to->section++;
	to->next += section->rules;
	return libdstack_policy_each_rule(to->policy, section->name,
					  compile_rule, to);
}

int libdstack_policy_compile(const struct libdstack_policy *policy,
			     void **table, size_t *size)
{
	struct dstack_table_header *header;
	struct compile to = { .policy = policy };
	const char *why;
	int err;

	*size = policy_table_size(policy);
	*table = header = calloc(1, *size);
	if (!header)
		return -ENOMEM;
	memcpy(header->magic, DSTACK_TABLE_MAGIC, sizeof(header->magic));
	header->size = cpu_to_le32(*size);
	header->sections = cpu_to_le32(policy->nr_sections);
	header->rules = cpu_to_le32(policy->nr_rules);
	header->epoch = cpu_to_le64(policy->epoch);
	memcpy(header->app_id, policy->app_id, sizeof(header->app_id));
	to.section = (struct dstack_table_section *)(header + 1);
	to.rule = (struct dstack_table_rule *)(to.section +
					       policy->nr_sections);
	libdstack_policy_each_section(policy, compile_section, &to);

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
	err = sha256(table, size, digest);
	free(table);
	return err;
}
