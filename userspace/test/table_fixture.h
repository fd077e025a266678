/* SPDX-License-Identifier: MIT */
/*
 * A small table, byte by byte
 *
 * Copyright The dstack for Linux authors
 */
#ifndef TABLE_FIXTURE_H
#define TABLE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"

#define SECTIONS	3
#define RULES		6	/* of sections "api": 3, "db": 0, "web": 3 */
#define KEYS		3	/* of "api": 0, "db": 2, "web": 1 */

/* A table with nothing around it, so that a byte too far is noticed. */
struct table {
	struct dstack_table_header *header;
	struct dstack_table_section *sections;
	struct dstack_table_rule *rules;
	struct dstack_table_key *keys;
	size_t size;
};

static struct table table_new(uint32_t sections, uint32_t rules, uint32_t keys)
{
	struct table t;

	t.size = sizeof(*t.header) + sections * sizeof(*t.sections) +
		rules * sizeof(*t.rules) + keys * sizeof(*t.keys);
	t.header = calloc(1, t.size);
	t.sections = (struct dstack_table_section *)(t.header + 1);
	t.rules = (struct dstack_table_rule *)(t.sections + sections);
	t.keys = (struct dstack_table_key *)(t.rules + rules);
	memcpy(t.header->magic, DSTACK_TABLE_MAGIC, 8);
	t.header->size = cpu_to_le32(t.size);
	t.header->sections = cpu_to_le32(sections);
	t.header->rules = cpu_to_le32(rules);
	t.header->keys = cpu_to_le32(keys);
	t.header->epoch = cpu_to_le64(1);
	return t;
}

static void set_rule(struct dstack_table_rule *rule, uint8_t digest,
		     uint8_t kinds)
{
	memset(rule->digest, digest, sizeof(rule->digest));
	rule->alg = DSTACK_ALG_SHA256;
	rule->kinds = kinds;
}

static void set_key(struct dstack_table_key *key, const char *path,
		    uint8_t kinds, uint8_t scopes, uint8_t delivery)
{
	memset(key, 0, sizeof(*key));
	key->path_len = strlen(path);
	memcpy(key->path, path, key->path_len);
	key->kinds = kinds;
	key->scopes = scopes;
	key->delivery = delivery;
}

static void accept_all(struct dstack_table_section *section)
{
	size_t i;

	for (i = 0; i < DSTACK_TABLE_KINDS; i++)
		section->accept[i] = cpu_to_le16(__DSTACK_STORAGE_ACCEPTABLE);
}

static struct table table_good(void)
{
	static const char * const names[SECTIONS] = { "api", "db", "web" };
	static const uint32_t counts[SECTIONS] = { 3, 0, 3 };
	static const uint32_t key_counts[SECTIONS] = { 0, 2, 1 };
	struct table t = table_new(SECTIONS, RULES, KEYS);
	uint32_t i, next = 0, next_key = 0;

	for (i = 0; i < SECTIONS; i++) {
		strcpy(t.sections[i].name, names[i]);
		t.sections[i].first = cpu_to_le32(next);
		t.sections[i].count = cpu_to_le32(counts[i]);
		t.sections[i].first_key = cpu_to_le32(next_key);
		t.sections[i].count_keys = cpu_to_le32(key_counts[i]);
		next += counts[i];
		next_key += key_counts[i];
		accept_all(&t.sections[i]);
	}
	set_rule(&t.rules[0], 0x10, DSTACK_KIND_EXEC);
	set_rule(&t.rules[1], 0x20, DSTACK_KIND_MAP);
	set_rule(&t.rules[2], 0x30, DSTACK_KIND_SCRIPT);
	set_rule(&t.rules[3], 0x00, DSTACK_KIND_EXEC | DSTACK_KIND_SCRIPT);
	set_rule(&t.rules[4], 0x10, DSTACK_KIND_MAP | DSTACK_KIND_SCRIPT);
	set_rule(&t.rules[5], 0xff, __DSTACK_KIND_ALL);
	set_key(&t.keys[0], "db/", DSTACK_KEY_AEAD | DSTACK_KEY_HMAC,
		DSTACK_SCOPE_CONTAINER, DSTACK_DELIVER_HANDLE);
	set_key(&t.keys[1], "db/disk", DSTACK_KEY_BYTES, DSTACK_SCOPE_APP,
		DSTACK_DELIVER_LOGON | DSTACK_DELIVER_FSCRYPT);
	set_key(&t.keys[2], "", __DSTACK_KEY_KIND_ALL, __DSTACK_SCOPE_ALL,
		__DSTACK_DELIVER_ALL);
	return t;
}

static int check(const struct table *t)
{
	const char *why;
	int err = dstack_table_check(t->header, t->size, &why);

	assert_true(!err == !why);
	return err;
}

#endif /* TABLE_FIXTURE_H */
