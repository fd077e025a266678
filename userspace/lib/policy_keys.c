// SPDX-License-Identifier: MIT
/*
 * The key terms of a section: which keys its containers may ask for
 *
 * Copyright The dstack for Linux authors
 */
#include "lib.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy.h"

static_assert(__DSTACK_KEY_KIND_ALL == (1U << POLICY_WORDS) - 1 &&
	      __DSTACK_SCOPE_ALL < 1U << POLICY_WORDS &&
	      __DSTACK_DELIVER_ALL < 1U << POLICY_WORDS,
	      "a mask has room for its words");

bool policy_prefix_ok(const char *path)
{
	return !*path || (strlen(path) <= DSTACK_TABLE_KEY_PREFIX &&
			  policy_text_printable(path));
}

/* The first term whose prefix does not sort before @path. */
static size_t key_place(const struct policy_section *section, const char *path)
{
	size_t i = 0;

	while (i < section->nr_keys && strcmp(section->keys[i].path, path) < 0)
		i++;
	return i;
}

int policy_add_key(struct libdstack_policy *policy,
		   struct policy_section *section, const struct policy_key *key)
{
	size_t i = key_place(section, key->path), last;
	struct policy_key *keys;
	int err;

	if (i < section->nr_keys && !strcmp(section->keys[i].path, key->path))
		return -EEXIST;
	if (section->nr_keys == DSTACK_TABLE_KEYS) {
		dstack_message("policy: a section has at most %d key terms",
			       DSTACK_TABLE_KEYS);
		return -E2BIG;
	}
	err = policy_make_room(policy, "key term",
			       sizeof(struct dstack_table_key));
	if (err)
		return err;
	keys = reallocarray(section->keys, section->nr_keys + 1, sizeof(*keys));
	if (!keys)
		return -ENOMEM;
	section->keys = keys;
	for (last = section->nr_keys++; last > i; last--)
		keys[last] = keys[last - 1];
	keys[i] = *key;
	policy->nr_keys++;
	return 0;
}

static bool within(uint32_t bits, uint32_t all)
{
	return bits && !(bits & ~all);
}

static bool term_ok(const struct libdstack_key_term *term)
{
	return within(term->kinds, __DSTACK_KEY_KIND_ALL) &&
		within(term->scopes, __DSTACK_SCOPE_ALL) &&
		within(term->delivery, __DSTACK_DELIVER_ALL) &&
		policy_prefix_ok(term->path) &&
		(!*term->path || policy_text_ok(term->path));
}

int libdstack_policy_set_keys(struct libdstack_policy *policy,
			      const struct libdstack_key_term *term)
{
	struct policy_key key = {
		.kinds.bits = term->kinds, .scopes.bits = term->scopes,
		.delivery.bits = term->delivery,
	};
	struct policy_section *section;
	int err;

	if (!term_ok(term)) {
		dstack_message("policy: a key term needs kinds, scopes and deliveries, and a prefix of at most %d printable bytes",
			       DSTACK_TABLE_KEY_PREFIX);
		return -EINVAL;
	}
	policy->as_read = false;
	err = policy_add_section(policy, term->section, &section);
	if (err)
		return err;
	memcpy(key.path, term->path, strlen(term->path));
	err = policy_add_key(policy, section, &key);
	if (err != -EEXIST)
		return err;
	section->keys[key_place(section, key.path)] = key;
	return 0;
}

static int each_key_of(const struct policy_section *section,
		       libdstack_key_term_fn fn, void *arg)
{
	size_t i;
	int err = 0;

	for (i = 0; i < section->nr_keys && !err; i++) {
		const struct policy_key *key = &section->keys[i];
		struct libdstack_key_term shown = {
			.section = section->name, .path = key->path,
			.kinds = key->kinds.bits, .scopes = key->scopes.bits,
			.delivery = key->delivery.bits,
		};

		err = fn(&shown, arg);
	}
	return err;
}

int libdstack_policy_each_keys(const struct libdstack_policy *policy,
			       const char *section, libdstack_key_term_fn fn,
			       void *arg)
{
	const struct policy_section *found;
	size_t i;
	int err = 0;

	if (section) {
		found = policy_find(policy, section);
		return found ? each_key_of(found, fn, arg) : -ENOENT;
	}
	for (i = 0; i < policy->nr_sections && !err; i++)
		err = each_key_of(policy->sections[i], fn, arg);
	return err;
}
