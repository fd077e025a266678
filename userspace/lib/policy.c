// SPDX-License-Identifier: MIT
/*
 * A policy in memory: sections and rules, sorted, each of them once
 *
 * Copyright The dstack for Linux authors
 */
#include "lib.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "event.h"
#include "policy.h"

static int compare_names(const void *a, const void *b)
{
	const struct policy_section *left = a, *right = b;

	return strcmp(left->name, right->name);
}

static int compare_digests(const void *a, const void *b)
{
	const struct policy_rule *left = a, *right = b;

	int order = memcmp(left->digest.value, right->digest.value,
			   sizeof(left->digest.value));

	return order ?: (int)left->digest.alg - (int)right->digest.alg;
}

static void free_rule(void *node)
{
	struct policy_rule *rule = node;

	free(rule->path);
	free(rule);
}

static void free_section(void *node)
{
	struct policy_section *section = node;

	tdestroy(section->rules, free_rule);
	free(section);
}

int libdstack_policy_new(const uint8_t app_id[DSTACK_APP_ID_SIZE],
			 uint64_t epoch, struct libdstack_policy **policy)
{
	struct libdstack_policy *new;

	*policy = NULL;
	if (!epoch || epoch > LIBDSTACK_POLICY_EPOCH_MAX) {
		dstack_message("policy: an epoch is from 1 to %llu",
			       LIBDSTACK_POLICY_EPOCH_MAX);
		return -EINVAL;
	}
	new = calloc(1, sizeof(*new));
	if (!new)
		return -ENOMEM;
	memcpy(new->app_id, app_id, sizeof(new->app_id));
	new->epoch = epoch;
	*policy = new;
	return 0;
}

void libdstack_policy_free(struct libdstack_policy *policy)
{
	if (!policy)
		return;
	tdestroy(policy->sections, free_section);
	json_decref(policy->source);
	free(policy);
}

uint64_t libdstack_policy_epoch(const struct libdstack_policy *policy)
{
	return policy->epoch;
}

const uint8_t *libdstack_policy_app_id(const struct libdstack_policy *policy)
{
	return policy->app_id;
}

/* No C0 or C1 control, no DEL, and UTF-8 by jansson's judgement. */
bool policy_text_ok(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	json_t *string;

	for (; *p; p++) {
		if (*p < 0x20 || *p == 0x7f)
			return false;
		if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f)
			return false;
	}
	if (p == (const unsigned char *)text ||
	    p - (const unsigned char *)text >= LIBDSTACK_POLICY_PATH_MAX)
		return false;
	string = json_string(text);
	json_decref(string);
	return string;
}

size_t policy_table_size(const struct libdstack_policy *policy)
{
	return sizeof(struct dstack_table_header) +
		policy->nr_sections * sizeof(struct dstack_table_section) +
		policy->nr_rules * sizeof(struct dstack_table_rule);
}

const struct policy_section *
policy_find(const struct libdstack_policy *policy, const char *section)
{
	struct policy_section key = { 0 };
	void *const *node;

	if (!dstack_event_name_ok(section))
		return NULL;
	memcpy(key.name, section, strlen(section));
	node = tfind(&key, &policy->sections, compare_names);
	return node ? *node : NULL;
}

const struct policy_rule *policy_find_rule(const struct policy_section *section,
					   const struct dstack_digest *digest)
{
	struct policy_rule key = { .digest = *digest };
	void *const *node;

	node = tfind(&key, &section->rules, compare_digests);
	return node ? *node : NULL;
}

static int no_room(const char *what)
{
	dstack_message("policy: one more %s than the kernel's table holds; split the policy, or list fewer files",
		       what);
	return -E2BIG;
}

static int add_section(struct libdstack_policy *policy, const char *name,
		       struct policy_section **section)
{
	struct policy_section *new;

	*section = (struct policy_section *)policy_find(policy, name);
	if (*section)
		return 0;
	if (!dstack_event_name_ok(name)) {
		dstack_message("policy: a section's name is 1 to %d letters, digits, '.', '_' or '-'",
			       DSTACK_SECTION_SIZE - 1);
		return -EINVAL;
	}
	if (policy->nr_sections == DSTACK_TABLE_SECTIONS ||
	    policy_table_size(policy) + sizeof(struct dstack_table_section) >
	    DSTACK_TABLE_MAX)
		return no_room("section");
	new = calloc(1, sizeof(*new));
	if (!new)
		return -ENOMEM;
	memcpy(new->name, name, strlen(name));
	if (!tsearch(new, &policy->sections, compare_names)) {
		free(new);
		return -ENOMEM;
	}
	policy->nr_sections++;
	*section = new;
	return 0;
}

static void drop_source(struct libdstack_policy *policy)
{
	json_decref(policy->source);
	policy->source = NULL;
}

int libdstack_policy_add_section(struct libdstack_policy *policy,
				 const char *section)
{
	struct policy_section *added;

	drop_source(policy);
	return add_section(policy, section, &added);
}

int libdstack_policy_set_measure(struct libdstack_policy *policy,
				 const char *section, enum dstack_mode measure)
{
	struct policy_section *found;
	int err;

	if ((uint32_t)measure >= __DSTACK_MODE_MAX) {
		dstack_message("policy: execs are measured 'every' time or the 'first'");
		return -EINVAL;
	}
	drop_source(policy);
	err = add_section(policy, section, &found);
	if (!err)
		found->measure = measure;
	return err;
}

static int merge_rule(struct policy_rule *rule, uint32_t kinds,
		      const char *path)
{
	if (path && (!rule->path || strcmp(path, rule->path) < 0)) {
		char *copy = strdup(path);

		if (!copy)
			return -ENOMEM;
		free(rule->path);
		rule->path = copy;
	}
	rule->kinds |= kinds;
	return 0;
}

static int new_rule(struct libdstack_policy *policy,
		    struct policy_section *section,
		    const struct dstack_digest *digest, uint32_t kinds,
		    const char *path)
{
	struct policy_rule *rule;
	int err;

	if (policy_table_size(policy) + sizeof(struct dstack_table_rule) >
	    DSTACK_TABLE_MAX)
		return no_room("rule");
	rule = calloc(1, sizeof(*rule));
	if (!rule)
		return -ENOMEM;
	rule->digest = *digest;
	err = merge_rule(rule, kinds, path);
	if (!err && !tsearch(rule, &section->rules, compare_digests))
		err = -ENOMEM;
	if (err) {
		free_rule(rule);
		return err;
	}
	section->nr_rules++;
	policy->nr_rules++;
	return 0;
}

int libdstack_policy_add(struct libdstack_policy *policy, const char *section,
			 const struct dstack_digest *digest, uint32_t kinds,
			 const char *path)
{
	struct policy_section *found;
	struct policy_rule *rule;
	int err;

	if (digest->alg == DSTACK_ALG_NONE || digest->alg >= __DSTACK_ALG_MAX) {
		dstack_message("policy: a rule needs a digest of a known algorithm");
		return -EINVAL;
	}
	if (!kinds || kinds & ~__DSTACK_KIND_ALL) {
		dstack_message("policy: a rule needs kinds of exec, map and script");
		return -EINVAL;
	}
	if (path && !policy_text_ok(path)) {
		dstack_message("policy: a path is at most %d printable bytes; leave it out",
			       LIBDSTACK_POLICY_PATH_MAX - 1);
		return -EINVAL;
	}
	drop_source(policy);
	err = add_section(policy, section, &found);
	if (err)
		return err;
	rule = (struct policy_rule *)policy_find_rule(found, digest);
	if (rule)
		return merge_rule(rule, kinds, path);
	return new_rule(policy, found, digest, kinds, path);
}

/* twalk_r() can't stop early, so the rest of the walk is empty after @err. */
struct each {
	const char *section;
	libdstack_section_fn section_fn;
	libdstack_rule_fn rule_fn;
	void *arg;
	int err;
};

static void each_section(const void *node, VISIT which, void *closure)
{
	const struct policy_section *section =
		*(const struct policy_section *const *)node;
	struct each *each = closure;

	struct libdstack_section shown = {
		.name = section->name,
		.measure = section->measure,
		.rules = section->nr_rules,
	};

	if ((which == postorder || which == leaf) && !each->err)
		each->err = each->section_fn(&shown, each->arg);
}

int libdstack_policy_each_section(const struct libdstack_policy *policy,
				  libdstack_section_fn fn, void *arg)
{
	struct each each = { .section_fn = fn, .arg = arg };

	twalk_r(policy->sections, each_section, &each);
	return each.err;
}

static void each_rule(const void *node, VISIT which, void *closure)
{
	const struct policy_rule *rule =
		*(const struct policy_rule *const *)node;
	struct each *each = closure;
	struct libdstack_rule shown = {
		.section = each->section,
		.digest = rule->digest,
		.kinds = rule->kinds,
		.path = rule->path,
	};

	if ((which != postorder && which != leaf) || each->err)
		return;
	each->err = each->rule_fn(&shown, each->arg);
}

static void each_rule_of(const void *node, VISIT which, void *closure)
{
	const struct policy_section *section =
		*(const struct policy_section *const *)node;
	struct each *each = closure;

	if (which != postorder && which != leaf)
		return;
	each->section = section->name;
	twalk_r(section->rules, each_rule, each);
}

int libdstack_policy_each_rule(const struct libdstack_policy *policy,
			       const char *section, libdstack_rule_fn fn,
			       void *arg)
{
	struct each each = { .rule_fn = fn, .arg = arg };
	const struct policy_section *found;

	if (!section) {
		twalk_r(policy->sections, each_rule_of, &each);
		return each.err;
	}
	found = policy_find(policy, section);
	if (!found)
		return -ENOENT;
	each.section = found->name;
	twalk_r(found->rules, each_rule, &each);
	return each.err;
}
