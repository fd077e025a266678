// SPDX-License-Identifier: MIT
/*
 * dstackctl policy diff: what one policy says that another does not
 *
 * Copyright The dstack for Linux authors
 *
 * What the kernel does not see, paths and the order of entries, is no
 * difference.
 */
#include "policy.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <string.h>

#include "words.h"

#define TEXT_MAX	128	/* all storage classes, or all kinds */

/* One of both policies; what is in it belongs to the policy. */
struct side {
	struct libdstack_policy *policy;
	struct libdstack_section *sections;
	struct libdstack_rule *rules;
	struct libdstack_key_term *keys;
	size_t nr_sections, nr_rules, nr_keys;
};

/* @changes: an array for JSON, or NULL to print each. */
struct diff {
	struct side old, new;
	json_t *changes;
	bool differ;
};

static int take_section(const struct libdstack_section *section, void *arg)
{
	struct side *side = arg;
	struct libdstack_section *more;

	more = reallocarray(side->sections, side->nr_sections + 1,
			    sizeof(*more));
	if (!more)
		return -ENOMEM;
	side->sections = more;
	more[side->nr_sections++] = *section;
	side->nr_rules += section->rules;
	side->nr_keys += section->keys;
	return 0;
}

static int take_rule(const struct libdstack_rule *rule, void *arg)
{
	struct side *side = arg;

	side->rules[side->nr_rules++] = *rule;
	return 0;
}

static int take_key(const struct libdstack_key_term *term, void *arg)
{
	struct side *side = arg;

	side->keys[side->nr_keys++] = *term;
	return 0;
}

static int read_side(const char *file, struct side *side)
{
	int err = libdstack_policy_read(file, &side->policy);

	if (err)
		return err;
	err = libdstack_policy_each_section(side->policy, take_section, side);
	if (err)
		return err;
	side->rules = calloc(side->nr_rules + 1, sizeof(*side->rules));
	side->keys = calloc(side->nr_keys + 1, sizeof(*side->keys));
	if (!side->rules || !side->keys)
		return -ENOMEM;
	side->nr_rules = 0;
	side->nr_keys = 0;
	return libdstack_policy_each_rule(side->policy, NULL, take_rule,
					  side) ?:
		libdstack_policy_each_keys(side->policy, NULL, take_key, side);
}

static void free_side(struct side *side)
{
	free(side->sections);
	free(side->rules);
	free(side->keys);
	libdstack_policy_free(side->policy);
}

/*
 * One difference: @from or @to is NULL where there is nothing.  @prefix: of
 * keys.
 */
struct change {
	const char *section, *what, *digest, *path, *prefix;
	const char *from, *to;
};

static void print_change(const struct change *change)
{
	putchar(!change->from ? '+' : !change->to ? '-' : '~');
	if (change->section)
		printf(" %s", change->section);
	printf(" %s", change->digest ? change->digest : change->what);
	if (change->prefix) {
		fputs(" \"", stdout);
		print_safe(stdout, change->prefix, strlen(change->prefix));
		putchar('"');
	}
	if (change->from && *change->from)
		printf(" %s", change->from);
	if (change->from && change->to)
		fputs(" ->", stdout);
	if (change->to && *change->to)
		printf(" %s", change->to);
	if (change->path) {
		fputs("  ", stdout);
		print_safe(stdout, change->path, strlen(change->path));
	}
	putchar('\n');
}

static void say(struct diff *diff, const struct change *change)
{
	diff->differ = true;
	if (!diff->changes) {
		print_change(change);
		return;
	}
	json_array_append_new(diff->changes,
			      json_pack("{s:s, s:s*, s:s*, s:s*, s:s*, s:s*}",
					"what", change->what,
					"section", change->section,
					"digest", change->digest,
					"path", change->prefix ?:
					change->path,
					"from", change->from,
					"to", change->to));
}

static void compare(struct diff *diff, const char *section, const char *what,
		    const char *from, const char *to)
{
	struct change change = {
		.section = section, .what = what, .from = from, .to = to,
	};

	if (strcmp(from, to) != 0)
		say(diff, &change);
}

/* Names of the bits, "," between; "none" without any. */
static const char *names(uint32_t bits, const char *(*name_of)(uint32_t bit),
			 char text[TEXT_MAX])
{
	uint32_t i;
	size_t len = 0;

	for (i = 0; i < 32; i++)
		if (bits & 1U << i)
			len += snprintf(text + len, TEXT_MAX - len, "%s%s",
					len ? "," : "", name_of(i));
	return len ? text : "none";
}

static const char *kind_name(uint32_t bit)
{
	return dstack_kind_name(1U << bit);
}

static void compare_use(struct diff *diff, const char *section,
			const char *use, const uint32_t from[LIBDSTACK_KINDS],
			const uint32_t to[LIBDSTACK_KINDS])
{
	char what[32], before[TEXT_MAX], after[TEXT_MAX];
	uint32_t i;

	for (i = 0; i < LIBDSTACK_KINDS; i++) {
		snprintf(what, sizeof(what), "%s.%s", use, kind_name(i));
		compare(diff, section, what,
			names(from[i], dstack_storage_name, before),
			names(to[i], dstack_storage_name, after));
	}
}

static void compare_terms(struct diff *diff,
			  const struct libdstack_section *from,
			  const struct libdstack_section *to)
{
	compare(diff, to->name, "measure", dstack_mode_name(from->measure),
		dstack_mode_name(to->measure));
	compare(diff, to->name, "memory", from->memory ? "allow" : "deny",
		to->memory ? "allow" : "deny");
	compare(diff, to->name, "revoked", dstack_action_name(from->revoked),
		dstack_action_name(to->revoked));
	compare_use(diff, to->name, "storage", from->accept, to->accept);
	compare_use(diff, to->name, "trust", from->trust, to->trust);
}

/* A section that comes is compared with one that says nothing. */
static void compare_added(struct diff *diff, const struct libdstack_section *to)
{
	struct libdstack_section nothing = { .name = to->name };
	size_t i;

	for (i = 0; i < LIBDSTACK_KINDS; i++)
		nothing.accept[i] = __DSTACK_STORAGE_ACCEPTABLE;
	compare_terms(diff, &nothing, to);
}

static void compare_sections(struct diff *diff)
{
	size_t i = 0, k = 0;

	while (i < diff->old.nr_sections || k < diff->new.nr_sections) {
		const struct libdstack_section *from = &diff->old.sections[i];
		const struct libdstack_section *to = &diff->new.sections[k];
		int order = i == diff->old.nr_sections ? 1 :
			k == diff->new.nr_sections ? -1 :
			strcmp(from->name, to->name);
		struct change change = {
			.what = "section",
			.from = order <= 0 ? "" : NULL,
			.to = order >= 0 ? "" : NULL,
		};

		i += order <= 0;
		k += order >= 0;
		if (!order) {
			compare_terms(diff, from, to);
			continue;
		}
		change.section = order < 0 ? from->name : to->name;
		say(diff, &change);
		if (order > 0)
			compare_added(diff, to);
	}
}

static int compare_rules(const struct libdstack_rule *a,
			 const struct libdstack_rule *b)
{
	int order = strcmp(a->section, b->section);

	if (!order)
		order = memcmp(a->digest.value, b->digest.value,
			       sizeof(a->digest.value));
	return order ?: (int)a->digest.alg - (int)b->digest.alg;
}

/* @from, @to: kinds, 0 where there is no such rule. */
static void say_rule(struct diff *diff, const struct libdstack_rule *rule,
		     uint32_t from, uint32_t to)
{
	char digest[LIBDSTACK_DIGEST_TEXT], before[TEXT_MAX], after[TEXT_MAX];
	struct change change = {
		.section = rule->section, .what = "rule", .path = rule->path,
		.digest = libdstack_digest_to_text(&rule->digest, digest),
		.from = from ? names(from, kind_name, before) : NULL,
		.to = to ? names(to, kind_name, after) : NULL,
	};

	if (from != to)
		say(diff, &change);
}

static void compare_all_rules(struct diff *diff)
{
	const struct libdstack_rule *from = diff->old.rules;
	const struct libdstack_rule *to = diff->new.rules;
	const struct libdstack_rule *from_end = from + diff->old.nr_rules;
	const struct libdstack_rule *to_end = to + diff->new.nr_rules;

	while (from < from_end || to < to_end) {
		int order = from == from_end ? 1 : to == to_end ? -1 :
			compare_rules(from, to);

		say_rule(diff, order < 0 ? from : to,
			 order <= 0 ? from->kinds : 0,
			 order >= 0 ? to->kinds : 0);
		from += order <= 0;
		to += order >= 0;
	}
}

/* Of two terms the one that comes first, or both if they are of one prefix. */
static void say_keys(struct diff *diff, const struct libdstack_key_term *from,
		     const struct libdstack_key_term *to, int order)
{
	char before[KEY_TERM_TEXT] = "", after[KEY_TERM_TEXT] = "";
	const struct libdstack_key_term *any = order <= 0 ? from : to;
	struct change change = {
		.section = any->section, .what = "keys", .prefix = any->path,
		.from = order <= 0 ? key_term_text(from, before) : NULL,
		.to = order >= 0 ? key_term_text(to, after) : NULL,
	};

	if (strcmp(before, after) != 0)
		say(diff, &change);
}

static void compare_all_keys(struct diff *diff)
{
	const struct libdstack_key_term *from = diff->old.keys;
	const struct libdstack_key_term *to = diff->new.keys;
	const struct libdstack_key_term *from_end = from + diff->old.nr_keys;
	const struct libdstack_key_term *to_end = to + diff->new.nr_keys;

	while (from < from_end || to < to_end) {
		int order = from == from_end ? 1 : to == to_end ? -1 :
			strcmp(from->section, to->section) ?:
			strcmp(from->path, to->path);

		say_keys(diff, from, to, order);
		from += order <= 0;
		to += order >= 0;
	}
}

static void compare_heads(struct diff *diff)
{
	const struct libdstack_policy *from = diff->old.policy;
	const struct libdstack_policy *to = diff->new.policy;
	char before[2 * DSTACK_APP_ID_SIZE + 1];
	char after[2 * DSTACK_APP_ID_SIZE + 1];

	snprintf(before, sizeof(before), "%" PRIu64,
		 libdstack_policy_epoch(from));
	snprintf(after, sizeof(after), "%" PRIu64, libdstack_policy_epoch(to));
	compare(diff, NULL, "epoch", before, after);
	libdstack_to_hex(libdstack_policy_app_id(from), DSTACK_APP_ID_SIZE,
			 before);
	libdstack_to_hex(libdstack_policy_app_id(to), DSTACK_APP_ID_SIZE,
			 after);
	compare(diff, NULL, "app_id", before, after);
}

static int run_diff(struct diff *diff, const char *from, const char *to,
		    bool json)
{
	if (read_side(from, &diff->old) || read_side(to, &diff->new))
		return EXIT_USAGE;
	if (json)
		diff->changes = json_array();
	compare_heads(diff);
	compare_sections(diff);
	compare_all_rules(diff);
	compare_all_keys(diff);
	if (json && write_json("-", json_pack("{s:b, s:o}", "same",
					      !diff->differ, "changes",
					      diff->changes)))
		return EXIT_USAGE;
	return diff->differ ? EXIT_FAILURE : EXIT_SUCCESS;
}

int policy_diff(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 }
	};
	struct diff diff = { .differ = false };
	bool json = false;
	int c, status;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 'j')
			return usage_hint("policy");
		json = true;
	}
	if (argc - optind != 2) {
		error_msg("policy diff needs two files");
		return usage_hint("policy");
	}
	status = run_diff(&diff, argv[optind], argv[optind + 1], json);
	free_side(&diff.old);
	free_side(&diff.new);
	return status;
}
