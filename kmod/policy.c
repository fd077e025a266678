// SPDX-License-Identifier: GPL-2.0-only
/*
 * The active policy and the state: lookup only
 *
 * Copyright The dstack for Linux authors
 *
 * Both are changed by control.c under the measure lock, each change after its
 * event is in the register, and read anywhere.
 */
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "policy.h"
#include "table.h"

static struct dstack_policy __rcu *active;
static enum dstack_state current_state = DSTACK_STATE_OFF;

/**
 * dstack_policy_free() - free a policy that nobody can see
 * @policy: may be NULL
 */
void dstack_policy_free(const struct dstack_policy *policy)
{
	if (!policy)
		return;
	kvfree(policy->index);
	kvfree(policy->table);
	kfree(policy);
}

/**
 * dstack_policy_exit() - free the active policy
 */
void dstack_policy_exit(void)
{
	dstack_policy_free(dstack_policy_swap(NULL));
}

/**
 * dstack_policy_swap() - make a policy the active one
 * @new: the policy; owned from here on
 *
 * Return: the former one, which readers may still see until
 * synchronize_rcu(); NULL if there was none.
 */
struct dstack_policy *dstack_policy_swap(struct dstack_policy *new)
{
	return rcu_replace_pointer(active, new, true);
}

/**
 * dstack_policy_facts() - what can be said of the active policy
 * @facts: filled in; all zero if there is none
 */
void dstack_policy_facts(struct dstack_policy_facts *facts)
{
	const struct dstack_table_header *header;
	const struct dstack_policy *policy;

	memset(facts, 0, sizeof(*facts));
	rcu_read_lock();
	policy = rcu_dereference(active);
	if (policy) {
		header = policy->table;
		facts->epoch = policy->epoch;
		facts->has_host = dstack_table_find(header, DSTACK_HOST_ID);
		memcpy(facts->app_id, header->app_id, sizeof(facts->app_id));
		memcpy(facts->table_digest, policy->table_digest,
		       sizeof(facts->table_digest));
		memcpy(facts->document_digest, policy->document_digest,
		       sizeof(facts->document_digest));
	}
	rcu_read_unlock();
}

static enum dstack_reason judge(const struct dstack_table_section *section,
				enum dstack_kind kind,
				enum dstack_storage storage, u32 kinds)
{
	if (!dstack_table_accepts(section, kind, storage))
		return DSTACK_REASON_STORAGE;
	if (kinds & kind || dstack_table_trusts(section, kind, storage))
		return DSTACK_REASON_APPROVED;
	return kinds ? DSTACK_REASON_KIND : DSTACK_REASON_UNKNOWN;
}

/**
 * dstack_policy_epoch() - the active policy's epoch
 *
 * Return: the epoch, 0 if there is no policy.
 */
u64 dstack_policy_epoch(void)
{
	const struct dstack_policy *policy;
	u64 epoch;

	rcu_read_lock();
	policy = rcu_dereference(active);
	epoch = policy ? policy->epoch : 0;
	rcu_read_unlock();
	return epoch;
}

/**
 * dstack_policy_withdraws() - is a table the active policy less its containers
 * @table: checked
 *
 * Return: as dstack_table_withdraws(); false if there is no policy.
 */
bool dstack_policy_withdraws(const void *table)
{
	const struct dstack_policy *policy;
	bool withdraws;

	rcu_read_lock();
	policy = rcu_dereference(active);
	withdraws = policy && dstack_table_withdraws(table, policy->table);
	rcu_read_unlock();
	return withdraws;
}

static __always_inline
void consult(const struct dstack_policy *policy, const char *section,
	     enum dstack_kind kind, enum dstack_storage storage,
	     const struct dstack_digest *digest,
	     struct dstack_policy_answer *answer)
{
	const struct dstack_table_section *found;

	memset(answer, 0, sizeof(*answer));
	if (!policy) {
		answer->reason = DSTACK_REASON_NO_POLICY;
		return;
	}
	answer->epoch = policy->epoch;
	found = dstack_table_find(policy->table, section);
	if (!found) {
		answer->reason = DSTACK_REASON_NO_SECTION;
		return;
	}
	if (le32_to_cpu(found->flags) & DSTACK_SECTION_F_FIRST)
		answer->mode = DSTACK_MODE_FIRST;
	answer->memory = le32_to_cpu(found->flags) & DSTACK_SECTION_F_MEMORY;
	answer->revoked = found->revoked;
	answer->kinds = dstack_table_kinds(policy->table, policy->index, found,
					   digest);
	answer->reason = judge(found, kind, storage, answer->kinds);
}

/**
 * dstack_policy_consult() - what a policy says of a file
 * @policy: NULL if there is none
 * @section: the container's section
 * @kind: the role in which it would run
 * @storage: what it rests on
 * @digest: the file
 * @answer: filled in
 *
 * Context: RCU, or @policy cannot go away.
 */
void dstack_policy_consult(const struct dstack_policy *policy,
			   const char *section, enum dstack_kind kind,
			   enum dstack_storage storage,
			   const struct dstack_digest *digest,
			   struct dstack_policy_answer *answer)
{
	consult(policy, section, kind, storage, digest, answer);
}

/**
 * dstack_policy_ask() - what the active policy says of a file
 * @section: the container's section
 * @kind: the role in which it would run
 * @storage: what it rests on
 * @digest: the file
 * @answer: filled in
 */
void dstack_policy_ask(const char *section, enum dstack_kind kind,
		       enum dstack_storage storage,
		       const struct dstack_digest *digest,
		       struct dstack_policy_answer *answer)
{
	rcu_read_lock();
	consult(rcu_dereference(active), section, kind, storage, digest,
		answer);
	rcu_read_unlock();
}

/**
 * dstack_policy_key_allows() - may a container have this key
 * @section: the container's section
 * @kind: one enum dstack_key_kind
 * @scope: one enum dstack_key_scope
 * @delivery: one enum dstack_key_delivery
 * @path: of the key
 * @len: bytes of it
 *
 * Return: true if the active policy says so; without a policy, or a section in
 * it, nobody has keys.
 */
bool dstack_policy_key_allows(const char *section, u32 kind, u32 scope,
			      u32 delivery, const void *path, size_t len)
{
	const struct dstack_table_section *found = NULL;
	const struct dstack_policy *policy;
	bool allows;

	rcu_read_lock();
	policy = rcu_dereference(active);
	if (policy)
		found = dstack_table_find(policy->table, section);
	allows = found && dstack_table_key_allows(policy->table, found, kind,
						  scope, delivery, path, len);
	rcu_read_unlock();
	return allows;
}

/**
 * dstack_policy_state() - the state now
 *
 * Return: the state.
 */
enum dstack_state dstack_policy_state(void)
{
	return READ_ONCE(current_state);
}

/**
 * dstack_policy_set_state() - change the state
 * @state: the new one
 */
void dstack_policy_set_state(enum dstack_state state)
{
	WRITE_ONCE(current_state, state);
}
