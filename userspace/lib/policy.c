// SPDX-License-Identifier: MIT
/*
 * A policy in memory: sections and rules, sorted, each of them once
 *
 * Copyright The dstack for Linux authors
 */
#include "lib.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "event.h"
#include "policy.h"

/* Fewer rules than this are not sorted in between. */
#define UNSORTED_MIN	256

static_assert(__DSTACK_KIND_ALL == (1U << POLICY_KINDS) - 1,
	      "a rule has room for its kinds");

/* Digests are as good as random: mostly their first bytes decide. */
static int compare_digests(const struct dstack_digest *left,
			   const struct dstack_digest *right)
{
	uint64_t a, b;
	int order;

	memcpy(&a, left->value, sizeof(a));
	memcpy(&b, right->value, sizeof(b));
	if (a != b)
		return be64toh(a) < be64toh(b) ? -1 : 1;
	order = memcmp(left->value, right->value, sizeof(left->value));
	return order ?: (int)left->alg - (int)right->alg;
}

static int compare_rules(const void *a, const void *b)
{
	const struct policy_rule *left = a, *right = b;
	int order = compare_digests(&left->digest, &right->digest);

	return order ?: (left->place > right->place) -
			(left->place < right->place);
}

static void free_section(struct policy_section *section)
{
	size_t i;

	for (i = 0; i < section->nr_rules; i++)
		free(section->rules[i].path);
	free(section->rules);
	free(section->keys);
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
	size_t i;

	if (!policy)
		return;
	for (i = 0; i < policy->nr_sections; i++)
		free_section(policy->sections[i]);
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

/* No C0 or C1 control and no DEL. */
bool policy_text_printable(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	for (; *p; p++) {
		if (*p < 0x20 || *p == 0x7f)
			return false;
		if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f)
			return false;
	}
	return *text && p - (const unsigned char *)text <
		LIBDSTACK_POLICY_PATH_MAX;
}

/* What is UTF-8 is for yyjson to judge, which writes nothing else. */
bool policy_text_ok(const char *text)
{
	yyjson_mut_val value;
	char *json;

	if (!policy_text_printable(text) || !yyjson_mut_set_str(&value, text))
		return false;
	json = yyjson_mut_val_write(&value, YYJSON_WRITE_NOFLAG, NULL);
	free(json);
	return json;
}

size_t policy_table_size(const struct libdstack_policy *policy)
{
	return sizeof(struct dstack_table_header) +
		policy->nr_sections * sizeof(struct dstack_table_section) +
		policy->nr_rules * sizeof(struct dstack_table_rule) +
		policy->nr_keys * sizeof(struct dstack_table_key);
}

/* The first section that does not sort before @name. */
static size_t section_place(const struct libdstack_policy *policy,
			    const char *name)
{
	size_t lo = 0, hi = policy->nr_sections;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(policy->sections[mid]->name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct policy_section *policy_find(const struct libdstack_policy *policy,
				   const char *name)
{
	size_t i = section_place(policy, name);

	if (i == policy->nr_sections ||
	    strcmp(policy->sections[i]->name, name) != 0)
		return NULL;
	return policy->sections[i];
}

static struct policy_rule *find_sorted(const struct policy_section *section,
				       const struct dstack_digest *digest)
{
	size_t lo = 0, hi = section->nr_sorted;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int order = compare_digests(digest,
					    &section->rules[mid].digest);

		if (!order)
			return &section->rules[mid];
		if (order < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

/* The first rule whose digest does not sort behind the one before it. */
static const struct policy_rule *
not_rising(const struct policy_section *section)
{
	const struct policy_rule *rules = section->rules;
	size_t i;

	for (i = 1; i < section->nr_rules; i++)
		if (compare_digests(&rules[i - 1].digest,
				    &rules[i].digest) >= 0)
			return &rules[i];
	return NULL;
}

/* What 'dstackctl policy scan' wrote is sorted. */
const struct policy_rule *policy_sort(struct policy_section *section)
{
	const struct policy_rule *twice;

	if (section->nr_sorted == section->nr_rules || !not_rising(section)) {
		section->nr_sorted = section->nr_rules;
		return NULL;
	}
	qsort(section->rules, section->nr_rules, sizeof(*section->rules),
	      compare_rules);
	twice = not_rising(section);
	if (!twice)
		section->nr_sorted = section->nr_rules;
	return twice;
}

/* Takes the path that sorts first, and frees the other. */
static void merge_rule(struct policy_rule *rule, const struct policy_rule *more)
{
	char *other = more->path;

	if (other && (!rule->path || strcmp(other, rule->path) < 0)) {
		other = rule->path;
		rule->path = more->path;
	}
	free(other);
	rule->kinds |= more->kinds;
}

static void settle_section(struct libdstack_policy *policy,
			   struct policy_section *section)
{
	struct policy_rule *rules = section->rules;
	size_t i, nr = 1;

	if (!policy_sort(section))
		return;
	for (i = 1; i < section->nr_rules; i++) {
		if (compare_digests(&rules[nr - 1].digest, &rules[i].digest))
			rules[nr++] = rules[i];
		else
			merge_rule(&rules[nr - 1], &rules[i]);
	}
	policy->nr_rules -= section->nr_rules - nr;
	section->nr_rules = nr;
	section->nr_sorted = nr;
}

/* What the policy says is the same afterwards: callers see it as const. */
void policy_settle(const struct libdstack_policy *policy)
{
	size_t i;

	for (i = 0; i < policy->nr_sections; i++)
		settle_section((struct libdstack_policy *)policy,
			       policy->sections[i]);
}

static int no_room(const char *what)
{
	dstack_message("policy: one more %s than the kernel's table holds; split the policy, or list fewer files",
		       what);
	return -E2BIG;
}

/* What is there twice takes no room any more once that is needed. */
static bool has_room(const struct libdstack_policy *policy, size_t more)
{
	if (policy_table_size(policy) + more > DSTACK_TABLE_MAX)
		policy_settle(policy);
	return policy_table_size(policy) + more <= DSTACK_TABLE_MAX;
}

int policy_make_room(const struct libdstack_policy *policy, const char *what,
		     size_t more)
{
	return has_room(policy, more) ? 0 : no_room(what);
}

int policy_add_section(struct libdstack_policy *policy, const char *name,
		       struct policy_section **section)
{
	size_t i = section_place(policy, name), last;
	struct policy_section *new;

	*section = policy_find(policy, name);
	if (*section)
		return 0;
	if (!dstack_event_name_ok(name)) {
		dstack_message("policy: a section's name is 1 to %d letters, digits, '.', '_' or '-'",
			       DSTACK_SECTION_SIZE - 1);
		return -EINVAL;
	}
	if (policy->nr_sections == DSTACK_TABLE_SECTIONS ||
	    !has_room(policy, sizeof(struct dstack_table_section)))
		return no_room("section");
	new = calloc(1, sizeof(*new));
	if (!new)
		return -ENOMEM;
	memcpy(new->name, name, strlen(name));
	policy_terms_init(new);
	for (last = policy->nr_sections++; last > i; last--)
		policy->sections[last] = policy->sections[last - 1];
	policy->sections[i] = new;
	*section = new;
	return 0;
}

int libdstack_policy_add_section(struct libdstack_policy *policy,
				 const char *section)
{
	struct policy_section *added;

	policy->as_read = false;
	return policy_add_section(policy, section, &added);
}

int policy_reserve(const struct libdstack_policy *policy,
		   struct policy_section *section, size_t more)
{
	size_t want = section->nr_rules + more;
	struct policy_rule *rules;

	if (policy_table_size(policy) +
	    more * sizeof(struct dstack_table_rule) > DSTACK_TABLE_MAX)
		return no_room("rule");
	if (want <= section->cap)
		return 0;
	if (more == 1)
		want += want / 2 + 8;
	rules = reallocarray(section->rules, want, sizeof(*rules));
	if (!rules)
		return -ENOMEM;
	section->rules = rules;
	section->cap = want;
	return 0;
}

/* Takes the rule's path, in the end. */
static int add_rule(struct libdstack_policy *policy,
		    struct policy_section *section,
		    const struct policy_rule *rule)
{
	bool room = has_room(policy, sizeof(struct dstack_table_rule));
	struct policy_rule *same = find_sorted(section, &rule->digest);
	int err;

	if (same) {
		merge_rule(same, rule);
		return 0;
	}
	err = room ? policy_reserve(policy, section, 1) : no_room("rule");
	if (err)
		return err;
	section->rules[section->nr_rules++] = *rule;
	policy->nr_rules++;
	if (section->nr_rules > 2 * section->nr_sorted + UNSORTED_MIN)
		settle_section(policy, section);
	return 0;
}

int libdstack_policy_add(struct libdstack_policy *policy, const char *section,
			 const struct dstack_digest *digest, uint32_t kinds,
			 const char *path)
{
	struct policy_rule rule = { .digest = *digest, .kinds = kinds };
	struct policy_section *found;
	int err;

	if (digest->alg == DSTACK_ALG_NONE || digest->alg >= __DSTACK_ALG_MAX) {
		dstack_message("policy: a rule needs a digest of a known algorithm");
		return -EINVAL;
	}
	if (!kinds || kinds & ~__DSTACK_KIND_ALL) {
		dstack_message("policy: a rule needs kinds of exec, map, script, kernel and control");
		return -EINVAL;
	}
	if (path && !policy_text_ok(path)) {
		dstack_message("policy: a path is at most %d printable bytes; leave it out",
			       LIBDSTACK_POLICY_PATH_MAX - 1);
		return -EINVAL;
	}
	policy->as_read = false;
	err = policy_add_section(policy, section, &found);
	if (err)
		return err;
	if (path) {
		rule.path = strdup(path);
		if (!rule.path)
			return -ENOMEM;
	}
	err = add_rule(policy, found, &rule);
	if (err)
		free(rule.path);
	return err;
}

int libdstack_policy_each_section(const struct libdstack_policy *policy,
				  libdstack_section_fn fn, void *arg)
{
	size_t i, k;
	int err = 0;

	policy_settle(policy);
	for (i = 0; i < policy->nr_sections && !err; i++) {
		const struct policy_section *section = policy->sections[i];
		struct libdstack_section shown = {
			.name = section->name,
			.measure = section->measure,
			.memory = section->memory,
			.revoked = section->revoked,
			.rules = section->nr_rules,
			.keys = section->nr_keys,
		};

		for (k = 0; k < POLICY_KINDS; k++) {
			shown.accept[k] = section->accept.kinds[k].mask;
			shown.trust[k] = section->trust.kinds[k].mask;
		}
		err = fn(&shown, arg);
	}
	return err;
}

static int each_rule_of(const struct policy_section *section,
			libdstack_rule_fn fn, void *arg)
{
	size_t i;
	int err = 0;

	for (i = 0; i < section->nr_rules && !err; i++) {
		const struct policy_rule *rule = &section->rules[i];
		struct libdstack_rule shown = {
			.section = section->name,
			.digest = rule->digest,
			.kinds = rule->kinds,
			.path = rule->path,
		};

		err = fn(&shown, arg);
	}
	return err;
}

int libdstack_policy_each_rule(const struct libdstack_policy *policy,
			       const char *section, libdstack_rule_fn fn,
			       void *arg)
{
	const struct policy_section *found;
	size_t i;
	int err = 0;

	policy_settle(policy);
	if (section) {
		found = policy_find(policy, section);
		return found ? each_rule_of(found, fn, arg) : -ENOENT;
	}
	for (i = 0; i < policy->nr_sections && !err; i++)
		err = each_rule_of(policy->sections[i], fn, arg);
	return err;
}
