/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The active policy and the state
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_POLICY_H
#define _DSTACK_POLICY_H

#include <linux/types.h>
#include <uapi/linux/dstack.h>

/**
 * struct dstack_policy - one policy
 * @table: checked by dstack_table_check(); owned
 * @size: bytes of @table
 * @epoch: from the table
 * @table_digest: SHA-256 of @table, computed here
 * @document_digest: SHA-256 of the JSON document, as the daemon says
 */
struct dstack_policy {
	const void *table;
	size_t size;
	u64 epoch;
	u8 table_digest[DSTACK_DIGEST_SIZE];
	u8 document_digest[DSTACK_DIGEST_SIZE];
};

/**
 * struct dstack_policy_facts - what can be said of the active policy
 * @epoch: 0 if there is none
 * @table_digest: SHA-256 of the table
 * @document_digest: SHA-256 of the document
 */
struct dstack_policy_facts {
	u64 epoch;
	u8 table_digest[DSTACK_DIGEST_SIZE];
	u8 document_digest[DSTACK_DIGEST_SIZE];
};

void dstack_policy_exit(void);

void dstack_policy_free(const struct dstack_policy *policy);
const struct dstack_policy *dstack_policy_swap(const struct dstack_policy *new);
void dstack_policy_facts(struct dstack_policy_facts *facts);
u32 dstack_policy_lookup(const char *section,
			 const u8 digest[DSTACK_DIGEST_SIZE], u64 *epoch,
			 enum dstack_reason *reason);

enum dstack_state dstack_policy_state(void);
void dstack_policy_set_state(enum dstack_state state);

#endif /* _DSTACK_POLICY_H */
