/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The active policy and the state
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_POLICY_H
#define _DSTACK_POLICY_H

#include <linux/list.h>
#include <linux/types.h>
#include <uapi/linux/dstack.h>

/**
 * struct dstack_policy - one policy
 * @node: of whoever has it after another became active
 * @looks: the same one's
 * @table: checked by dstack_table_check(); owned
 * @size: bytes of @table
 * @index: of @table; owned
 * @epoch: from the table
 * @table_digest: SHA-256 of @table, computed here
 * @document_digest: SHA-256 of the JSON document, as the daemon says
 */
struct dstack_policy {
	struct list_head node;
	u32 looks;
	const void *table;
	size_t size;
	const u32 *index;
	u64 epoch;
	u8 table_digest[DSTACK_DIGEST_SIZE];
	u8 document_digest[DSTACK_DIGEST_SIZE];
};

/**
 * struct dstack_policy_facts - what can be said of the active policy
 * @epoch: 0 if there is none
 * @has_host: there is a section for what is in no container
 * @app_id: the application it is for
 * @table_digest: SHA-256 of the table
 * @document_digest: SHA-256 of the document
 */
struct dstack_policy_facts {
	u64 epoch;
	bool has_host;
	u8 app_id[DSTACK_APP_ID_SIZE];
	u8 table_digest[DSTACK_DIGEST_SIZE];
	u8 document_digest[DSTACK_DIGEST_SIZE];
};

/**
 * struct dstack_policy_answer - what the active policy says of a file
 * @epoch: of the policy asked, 0 if there is none
 * @kinds: mask of enum dstack_kind, those that the digest is named for
 * @reason: APPROVED, or why not
 * @mode: which execs of the container are to be recorded
 * @memory: the container may have executable memory that is no file's
 * @revoked: what becomes of one that runs what this policy dropped
 */
struct dstack_policy_answer {
	u64 epoch;
	u32 kinds;
	enum dstack_reason reason;
	enum dstack_mode mode;
	bool memory;
	enum dstack_action revoked;
};

void dstack_policy_exit(void);

void dstack_policy_free(const struct dstack_policy *policy);
struct dstack_policy *dstack_policy_swap(struct dstack_policy *new);
u64 dstack_policy_epoch(void);
bool dstack_policy_withdraws(const void *table);
void dstack_policy_facts(struct dstack_policy_facts *facts);
void dstack_policy_ask(const char *section, enum dstack_kind kind,
		       enum dstack_storage storage,
		       const struct dstack_digest *digest,
		       struct dstack_policy_answer *answer);
void dstack_policy_consult(const struct dstack_policy *policy,
			   const char *section, enum dstack_kind kind,
			   enum dstack_storage storage,
			   const struct dstack_digest *digest,
			   struct dstack_policy_answer *answer);
bool dstack_policy_key_allows(const char *section, u32 kind, u32 scope,
			      u32 delivery, const void *path, size_t len);

enum dstack_state dstack_policy_state(void);
void dstack_policy_set_state(enum dstack_state state);

#endif /* _DSTACK_POLICY_H */
