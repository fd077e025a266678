// SPDX-License-Identifier: MIT
/*
 * The terms of a section: all that it says besides which files are allowed
 *
 * Copyright The dstack for Linux authors
 */
#include "lib.h"

#include <assert.h>
#include <errno.h>

#include "policy.h"

static_assert(DSTACK_TABLE_KINDS == LIBDSTACK_KINDS, "a place for each kind");

/* For each kind in the order of its name. */
const uint8_t policy_kinds_by_name[POLICY_KINDS] = { 4, 0, 3, 1, 2 };

const char *policy_memory_name(uint32_t memory)
{
	return memory ? "allow" : "deny";
}

void policy_terms_init(struct policy_section *section)
{
	size_t i;

	for (i = 0; i < POLICY_KINDS; i++)
		section->accept.kinds[i].mask = __DSTACK_STORAGE_ACCEPTABLE;
}

/* -errno, after a message if it is the caller's mistake. */
static int change(struct libdstack_policy *policy, const char *name, bool ok,
		  const char *message, struct policy_section **section)
{
	if (!ok) {
		dstack_message("policy: %s", message);
		return -EINVAL;
	}
	policy->as_read = false;
	return policy_add_section(policy, name, section);
}

int libdstack_policy_set_measure(struct libdstack_policy *policy,
				 const char *section, enum dstack_mode measure)
{
	struct policy_section *found;
	int err = change(policy, section, measure < __DSTACK_MODE_MAX,
			 "execs are measured 'every' time or the 'first'",
			 &found);

	if (!err)
		found->measure = measure;
	return err;
}

int libdstack_policy_set_memory(struct libdstack_policy *policy,
				const char *section, bool allow)
{
	struct policy_section *found;
	int err = change(policy, section, true, "", &found);

	if (!err)
		found->memory = allow;
	return err;
}

int libdstack_policy_set_revoked(struct libdstack_policy *policy,
				 const char *section, enum dstack_action action)
{
	struct policy_section *found;
	int err = change(policy, section, action < __DSTACK_ACTION_MAX,
			 "the action is 'log', 'kill' or 'freeze'", &found);

	if (!err)
		found->revoked = action;
	return err;
}

int libdstack_policy_set_storage(struct libdstack_policy *policy,
				 const char *section, enum dstack_kind kind,
				 uint32_t accept, uint32_t trust)
{
	struct policy_section *found;
	bool ok = kind && !(kind & (kind - 1)) && kind <= __DSTACK_KIND_ALL &&
		!(accept & ~__DSTACK_STORAGE_ACCEPTABLE) && !(trust & ~accept);
	uint32_t i = 0;
	int err;

	err = change(policy, section, ok,
		     "for one kind, classes that can be accepted, and some of them to trust",
		     &found);
	if (err)
		return err;
	while (kind != 1U << i)
		i++;
	found->accept.kinds[i].mask = accept;
	found->trust.kinds[i].mask = trust;
	return 0;
}
