/* SPDX-License-Identifier: MIT */
/*
 * Policy tables, and sending them message by message
 *
 * Copyright The dstack for Linux authors
 */
#ifndef DSTACK_UPLOAD_H
#define DSTACK_UPLOAD_H

#include "genl.h"
#include "table.h"

#include <endian.h>
#include <stdbool.h>

#define SECTIONS	2
#define RULES		3
#define KEYS		3
#define CHUNK_MAX	32768

/* A small but complete table. */
struct table {
	struct dstack_table_header header;
	struct dstack_table_section sections[SECTIONS];
	struct dstack_table_rule rules[RULES];
	struct dstack_table_key keys[KEYS];
};

static inline void make_table(struct table *table, uint64_t epoch)
{
	int i, kind;

	memset(table, 0, sizeof(*table));
	memcpy(table->header.magic, DSTACK_TABLE_MAGIC, 8);
	table->header.size = htole32(sizeof(*table));
	table->header.sections = htole32(SECTIONS);
	table->header.rules = htole32(RULES);
	table->header.keys = htole32(KEYS);
	table->header.epoch = htole64(epoch);
	strcpy(table->sections[0].name, "selftest-one");
	table->sections[0].count = htole32(2);
	strcpy(table->sections[1].name, "selftest-two");
	table->sections[1].first = htole32(2);
	table->sections[1].count = htole32(1);
	for (i = 0; i < SECTIONS; i++)
		for (kind = 0; kind < DSTACK_TABLE_KINDS; kind++)
			table->sections[i].accept[kind] =
				htole16(__DSTACK_STORAGE_ACCEPTABLE);
	for (i = 0; i < RULES; i++) {
		table->rules[i].digest[0] = i;
		table->rules[i].alg = DSTACK_ALG_SHA256;
		table->rules[i].kinds = DSTACK_KIND_EXEC;
	}
	table->sections[0].count_keys = htole32(2);
	table->sections[1].first_key = htole32(2);
	table->sections[1].count_keys = htole32(1);
	for (i = 0; i < KEYS; i++) {
		table->keys[i].path[0] = 'a' + i;
		table->keys[i].path_len = 1;
		table->keys[i].kinds = DSTACK_KEY_AEAD;
		table->keys[i].scopes = DSTACK_SCOPE_CONTAINER;
		table->keys[i].delivery = DSTACK_DELIVER_HANDLE;
	}
}

static inline int begin(struct genl *genl, uint32_t size)
{
	struct nl_msg *msg = genl_new(genl, DSTACK_CMD_POLICY_BEGIN, 0);
	uint8_t document[DSTACK_DIGEST_SIZE];

	memset(document, 0xd0, sizeof(document));
	nla_put_u32(msg, DSTACK_A_POLICY_SIZE, size);
	nla_put(msg, DSTACK_A_POLICY_DOCUMENT, sizeof(document), document);
	return genl_ask(genl, msg);
}

static inline int data(struct genl *genl, const void *bytes, size_t len)
{
	struct nl_msg *msg = genl_new(genl, DSTACK_CMD_POLICY_DATA, 0);

	nla_put(msg, DSTACK_A_POLICY_CHUNK, len, bytes);
	return genl_ask(genl, msg);
}

static inline int commit(struct genl *genl)
{
	return genl_ask(genl, genl_new(genl, DSTACK_CMD_POLICY_COMMIT, 0));
}

static inline int load(struct genl *genl, const void *table, size_t size)
{
	const uint8_t *bytes = table;
	size_t at, len;
	int err;

	err = begin(genl, size);
	for (at = 0; !err && at < size; at += len) {
		len = size - at < CHUNK_MAX ? size - at : CHUNK_MAX;
		err = data(genl, bytes + at, len);
	}
	return err ?: commit(genl);
}

static inline bool policy_unchanged(struct libdstack_control *control,
				    const struct libdstack_status *before)
{
	struct libdstack_status now;

	return !libdstack_status(control, &now) &&
	       now.policy_epoch == before->policy_epoch &&
	       now.log_count == before->log_count &&
	       !memcmp(now.policy_table, before->policy_table,
		       sizeof(now.policy_table)) &&
	       !memcmp(now.policy_document, before->policy_document,
		       sizeof(now.policy_document));
}

#endif /* DSTACK_UPLOAD_H */
